#!/bin/sh
# Renders the scenes of the simulated cameras to H.264 clips beside this script, and
# the letters that the simulator writes below each picture. Needs Go, ffmpeg with
# libx264, and the DejaVu fonts (apt-get install ffmpeg fonts-dejavu-core).
#
# A clip is 480x272: 15 rows of macroblocks with the scene and, as a slice of their
# own, 2 rows that the simulator replaces. So there must be: one slice per picture part
# (slice-max-mbs), no B pictures, one reference, baseline entropy coding, no
# weighted prediction, and an IDR picture every 2 s.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
go build -o "$work/render" ./render
for scene in ${1:-$("$work/render")}; do
	"$work/render" "$scene" | ffmpeg -v error -f rawvideo -pix_fmt rgb24 -s 480x272 -r 10 -i - \
		-c:v libx264 -profile:v baseline -pix_fmt yuv420p -preset slow -crf 27 -maxrate 105k -bufsize 210k \
		-x264-params keyint=20:min-keyint=20:scenecut=0:bframes=0:ref=1:cabac=0:weightp=0:8x8dct=0:slice-max-mbs=450:threads=1:sliced-threads=0:mvrange=32:aud=0:repeat-headers=1:info=0 \
		-bsf:v filter_units=remove_types=6 -f h264 -y "$scene.h264"
done

# letters.png: one cell of 20x32 per character of letters.txt, set at its left edge on
# one base line; digits.png: 16x32 per character of "0123456789:".
fonts=/usr/share/fonts/truetype/dejavu
python3 - letters.txt "$work" "$fonts/DejaVuSansCondensed-Bold.ttf" <<'END'
import sys
letters = open(sys.argv[1], encoding="utf-8").read().rstrip("\n")
work, font = sys.argv[2], sys.argv[3]
chain = []
for i, c in enumerate(letters):
    open(f"{work}/c{i}", "w", encoding="utf-8").write(c)
    chain.append(f"drawtext=fontfile={font}:textfile={work}/c{i}:fontsize=18:fontcolor=white:expansion=none:x={i * 20 + 1}:y=22-max_glyph_a")
open(f"{work}/chain", "w").write(f"color=black:s={len(letters) * 20}x32," + ",".join(chain) + ",format=gray")
END
ffmpeg -v error -filter_complex_script "$work/chain" -frames:v 1 -y letters.png
printf '0123456789:' >"$work/digits.txt"
ffmpeg -v error -f lavfi -i "color=black:s=176x32" -vf \
	"drawtext=fontfile=$fonts/DejaVuSansMono-Bold.ttf:textfile=$work/digits.txt:fontsize=26.6:fontcolor=white:x=0:y=(h-text_h)/2,format=gray" \
	-frames:v 1 -y digits.png
