#!/bin/sh
# ghostscript: draws pages of paths, dashes and text; an interpreter with its own chunks above malloc.
. "$(dirname "$0")/_common.sh"

prepare() { generate make_ps.py "$(pick 4 45)" work.ps; }

run() {
    preloaded gs -q -dSAFER -dBATCH -dNOPAUSE -sDEVICE=ppmraw -r100 -sOutputFile="$dir/page-%d.ppm" "$dir/work.ps"
    cat "$dir"/page-*.ppm | cksum
    rm -f "$dir"/page-*.ppm
}

main "$@"
