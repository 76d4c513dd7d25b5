// Package video fans one upstream per camera out to many viewers, without
// transcoding: it keeps each camera's format, its newest keyframe and its current
// group of pictures, and wraps H.264 into fragmented MP4 for Media Source. It
// speaks the messages of GET cameras/{id}/video and knows nothing of HTTP or
// WebSocket; the dashboard writes them.
//
// # Messages, in order
//
//	text   {"type":"init","codec":"avc1.64001f","width":640,"height":360}
//	binary initialization segment                                   (MP4 only)
//	text   {"type":"state","state":"live","since":1750000000000}   at the start, then on change
//	binary fragments: one keyframe each (tile), or one to many access units (full)
//
// A viewer of the form Units gets no initialization segment: its init has a
// "description" instead, and its binary messages are access units as units.go lays
// them out.
//
// # Two streams
//
// A camera with a sub-stream is pulled by that alone. Who looks at it in full
// motion is shown it at once, and its main stream (an init with "stream":"main")
// as soon as that has a keyframe; it is pulled once however many look, ended a
// while after the last one left, and given up for the usual one when it stops or
// browsers cannot play it.
//
// A change of codec, size or parameter sets brings a new init pair; the next
// fragment then starts with a keyframe of the new format. A camera without video
// yet sends its state first and the init pair when it comes. A camera whose codec
// browsers do not play (H.265, MJPEG) sends
//
//	text   {"type":"unsupported","codec":"h265","why":{"vi":"…","en":"…"}}
//
// in place of the init pair, and no binary message. The remedy is the camera's
// H.264 sub-stream (sub_url of the catalogue).
//
// # How a page plays it
//
// Make a MediaSource, add a SourceBuffer of `video/mp4; codecs="CODEC"` on init
// (changeType on a later one), append every binary message, one after the other
// (wait for updateend). The timeline of one viewer is monotone and without gaps: a
// fragment lasts as long as the frame before it took to come, and starts where the
// one before ended, also after a slow viewer was moved on to the next keyframe. It
// starts at an arbitrary time, so:
//
//   - tile: leave the video paused; after each append set currentTime to
//     buffered.end(last) - 0.01, which shows the frame just appended.
//   - full: on the first append set currentTime to buffered.end(last) - 0.1 and play;
//     when playback is more than a second behind the end, set it anew.
//   - both: remove everything older than ten seconds before currentTime now and
//     then, else the buffer grows.
package video
