// Package province simulates a province over the real protocols: sensor posts
// that publish over MQTT, cameras that serve RTSP, figure systems that answer
// HTTP, and a story that drives them all. Nothing in it is a shortcut into the
// product: whoever listens cannot tell it from the field, except by its figures.
//
// Every value is a function of (seed, station, metric, time, story starts), so a
// second run with the same seed says the same about the same moment.
package province
