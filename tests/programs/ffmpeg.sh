#!/usr/bin/env bash
# ffmpeg: encodes and decodes generated video and sound with two threads; every decoded frame equals the one on the system's malloc.
. "$(dirname "$0")/lib.sh" "$@"
need ffmpeg
seconds=$(pick 2 30)
source=(-f lavfi -i "testsrc2=size=640x360:rate=25:duration=$seconds" -f lavfi -i "sine=frequency=440:duration=$seconds")
quiet=(-hide_banner -nostdin -loglevel error -y -threads 2)
proved ffmpeg "${quiet[@]}" "${source[@]}" -threads 2 -c:v mpeg4 -q:v 4 -c:a aac -bitexact -flags +bitexact one.mkv || fail "mpeg4 ended with status $?"
# Lossless: what comes out must be what went in.
on ffmpeg "${quiet[@]}" "${source[@]}" -c:v ffv1 -threads 2 -slices 4 -c:a flac lossless.mkv || fail "ffv1 ended with status $?"
on ffmpeg "${quiet[@]}" -i lossless.mkv -map 0:v -f framemd5 frames.library
ffmpeg "${quiet[@]}" "${source[@]}" -map 0:v -f framemd5 -pix_fmt yuv420p frames.system
cmp <(grep -v '^#' frames.library | awk '{print $NF}') <(grep -v '^#' frames.system | awk '{print $NF}') || fail "a frame differs"
on ffmpeg "${quiet[@]}" -i one.mkv -f framemd5 mpeg4.library
ffmpeg "${quiet[@]}" -i one.mkv -f framemd5 mpeg4.system
cmp mpeg4.library mpeg4.system || fail "the decoder's output differs from the one on the system's malloc"
on ffmpeg "${quiet[@]}" -i lossless.mkv -vf "scale=320:-2,hflip,gblur=3" -c:v libx264 -preset veryfast -threads 2 -an filtered.mp4 ||
    fail "libx264 ended with status $?"
expect "frames after filters" "$(on ffprobe -v error -count_frames -select_streams v -show_entries stream=nb_read_frames -of csv=p=0 filtered.mp4)" \
    $((seconds * 25))
say "$((seconds * 25)) frames through mpeg4, ffv1, x264 and filters"
