// Package decode looks at single decoded keyframes, with ffmpeg as a helper
// program where it is installed: what cannot be told from the bitstream (a black
// picture with strong sensor noise, a lens out of focus, a standing picture under a
// running clock) becomes evidence for the judgement of health, and a picture
// becomes a JPEG for whoever asks. Without ffmpeg nothing of it is there and
// everything else is as before.
//
// It stays off the packets' way: of each camera the newest keyframe is kept, one
// copy each, and one helper at a time reads one of them from its standard input.
// The helper has no environment, opens no file and no address, has 5 s and 1 GiB,
// and is killed with all it started when it overruns. The checks take at most a
// fifth of one core, however many cameras there are; they then come round more
// rarely, the suspicious before the others, and what was found holds for as long.
//
// # What a check can know
//
// A keyframe is scaled to 320 × 180 grey pixels, of which the strips at the top and
// the bottom, where clocks are burnt in, are left out.
//
//   - black: of 1,000 pixels at most 5 are brighter than 40 of 255; covered: all
//     are alike. A night with a lamp in it is neither.
//   - blurred: the variance of the Laplacian (J. L. Pech-Pacheco et al., "Diatom
//     autofocusing in brightfield microscopy: a comparative study", ICPR 2000), here
//     divided by the picture's own variance so that dusk and contrast do not
//     matter, is below a quarter of what is usual for this camera. What is usual is
//     learnt from its own pictures, since a plain wall is not a blurred street; a
//     camera that was never sharp is not found.
//   - standing: five looks at irregular times over at least forty seconds saw the
//     same pixels to the last bit, in a picture that has structure. A static scene
//     never shows that: its sensor's noise changes pixels. An encoder that moves its
//     quantiser hides a standing picture from this.
//
// Black needs two looks, blurred three, standing five before it is told; it ends
// with the first look that does not confirm it.
package decode
