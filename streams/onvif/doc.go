// Package onvif reads what a camera's own analytics say: documents of the ONVIF
// metadata track (a tt:MetadataStream, ONVIF Streaming Specification, "Metadata
// streaming", and Profile M), which streams/rtsp brings in, and turns them into
// readings by the camera's mapping in the catalogue.
//
// Documents are hostile until read: their size, depth and number of elements are
// bounded, there are no document types and no entities but XML's own five, and
// what does not parse is refused by name. Nothing here touches a camera's health,
// and one goroutine reads for all cameras, so that a talkative one costs the
// others nothing but its share of a bounded queue.
package onvif
