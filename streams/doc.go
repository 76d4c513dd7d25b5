// Package streams holds the words and the pure rules of the cameras: what an
// access unit is, which states a camera can be in, how its health is judged, and
// the supervisor that keeps one upstream per camera. How bytes are fetched is the
// business of its children (streams/rtsp); who looks at them, of streams/video.
//
// # What the judgement can know
//
// Nothing is decoded. Judge looks at sizes, hashes and times of access units, and
// every state rests on evidence that can be named:
//
//   - offline: no access unit for three seconds (longer for a camera whose usual
//     interval is longer), whether the connection is up or not.
//   - frozen: one of three. (1) The same access unit, byte for byte, again and
//     again: a conforming encoder never sends that, because the frame number or
//     the picture order count in the slice header moves on, so a relay or a
//     firmware repeats its last frame. (2) Keyframes that are identical behind
//     their slice header, over and over, with inter frames between them that skip
//     nearly every macroblock: the encoder is fed one and the same picture. (3) RTP
//     time stands still while packets come.
//   - dark or covered: keyframes collapsed to what a picture without content
//     costs (12 bits for a macroblock of 16 × 16) and, where a usual size is
//     known, to less than a quarter of it, with inter frames that skip nearly
//     everything.
//   - degraded: packets lost, frame rate less than half or more than three times
//     the usual, no keyframe for far longer than usual, RTP time running away, or
//     a connection that keeps breaking.
//
// A static scene is not frozen: a sensor's noise changes the bits of every
// keyframe, even where rate control and noise reduction leave the inter frames
// empty. What cannot be told apart without decoding is a scene from a source
// without any noise (a test pattern) from a frozen one: it is called frozen.
// What is not seen: a frozen picture under a running burnt-in clock, a black
// picture with strong sensor noise, and a freeze behind rate control that still
// moves its quantiser (it is seen once that settles); for these the judgement
// stays at live, the last with less confidence. The rules err to that side.
//
// Where looks at decoded keyframes are available (streams/decode), they are
// evidence as well: they find these, and clear a picture that is only plain of
// being called dark.
//
// With keyframes rarer than every two seconds, evidence (2) and dark take three
// keyframe intervals instead of at most ten seconds.
package streams
