#!/usr/bin/env bash
# ImageMagick: noise, resizing, blurring, rotating, drawing, quantising, formats; every pixel equals the one on the system's malloc.
. "$(dirname "$0")/lib.sh" "$@"
convert=
for candidate in /usr/bin/convert-im6.q16 /usr/bin/magick /usr/bin/convert; do
    [ -z "$convert" ] && [ -x "$candidate" ] && convert=$candidate
done
[ -n "$convert" ] || fail "the real ImageMagick is not installed (run scripts/install-programs.sh)"
size=$(pick 500x400 3000x2000)
# shellcheck disable=SC2054 # the commas belong to ImageMagick
work=("$convert" -limit thread 2 -seed 7 -size "$size" plasma:red-blue -resize 70% -blur 0x3 -rotate 17 -modulate 110,90
    -fill white -draw "circle 60,60 90,90" -sharpen 0x2 -colors 64 -depth 8)
proved "${work[@]}" library.png || fail "convert ended with status $?"
"${work[@]}" system.png
signature() { "$convert" "$1" -format '%#' info:; }
expect "signature of the pixels" "$(signature library.png)" "$(signature system.png)"
for format in tiff bmp gif; do
    on "$convert" library.png "again.$format"
    on "$convert" "again.$format" "back.$format.png"
    expect "pixels through $format" "$(signature "back.$format.png")" "$(signature library.png)"
done
on "$convert" library.png -crop 4x4@ +repage tile.png
expect "tiles" "$(find . -name 'tile-*.png' | wc -l)" 16
say "$size through filters, four formats, sixteen tiles"
