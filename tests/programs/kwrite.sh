#!/usr/bin/env bash
# kwrite in a virtual framebuffer: opens a file, its window shows the text (read back by OCR), takes typing, saves, closes with status 0.
. "$(dirname "$0")/lib.sh" "$@"
need kwrite Xvfb xdotool import compare tesseract dbus-run-session
export HOME=$WORK/home XDG_RUNTIME_DIR=$WORK/run XDG_CONFIG_HOME=$WORK/home/.config XDG_CACHE_HOME=$WORK/home/.cache XDG_DATA_HOME=$WORK/home/.data
export QT_QPA_PLATFORM=xcb KDE_FULL_SESSION='' LC_ALL=C.UTF-8 QT_LOGGING_RULES='*.debug=false' NO_AT_BRIDGE=1 LIBGL_ALWAYS_SOFTWARE=1
mkdir -p "$HOME" "$XDG_RUNTIME_DIR" "$XDG_CONFIG_HOME"
chmod 700 "$XDG_RUNTIME_DIR"
# A large plain font, so that what is drawn can be read back; no session to restore and no dialogue to answer.
cat >"$XDG_CONFIG_HOME/kwriterc" <<'CONF'
[KTextEditor Renderer]
Text Font=DejaVu Sans Mono,20,-1,5,50,0,0,0,0,0
Schema=Breeze Light
[General]
Show welcome view for new window=false
CONF
{
    echo 'HARVEST BRIDGE COPPER LANTERN'
    seq 1 "$(pick 3000 60000)" | sed 's/.*/int line_&(void) { return &; }/'
} >text.c
cp text.c original.c
serve Xvfb -displayfd 5 -screen 0 1000x700x24 -nolisten tcp 5>display
wait_for 20 test -s display
DISPLAY=:$(cat display)
export DISPLAY
import -window root blank.png
# Only kwrite runs on the library, not the message bus around it; the shell around kwrite writes down its status.
cat >start <<START
#!/bin/bash
env ${LIB:+LD_PRELOAD=$LIB LD_DEBUG=bindings LD_DEBUG_OUTPUT=$WORK/trace/pid} kwrite $WORK/text.c >$LOGS/kwrite 2>&1 &
echo \$! >$WORK/pid
wait \$!
echo \$? >$WORK/status
START
mkdir trace
chmod +x start
serve dbus-run-session -- ./start
wait_for 20 test -s pid
STUCK=$(cat pid)
window=
shown() {
    window=$(xdotool search --onlyvisible --name 'text.c' | head -1)
    [ -n "$window" ] && import -window "$window" shot.png && tesseract shot.png read --psm 6 && grep -q 'BRIDGE' read.txt
}
wait_for 60 shown
prove_mapped "$STUCK"
cat read.txt
for word in HARVEST BRIDGE COPPER LANTERN; do grep -q "$word" read.txt || fail "the picture does not show '$word': $(head -3 read.txt)"; done
different=$(compare -metric AE shot.png blank.png null: 2>&1 || true)
[ "${different%%.*}" != 0 ] || fail "the picture is as blank as before"
# Typing at the top, undoing and doing it again, searching, going to the end and back; then saved and quit as a user would.
xdotool windowfocus "$window"
sleep 1
keys() { xdotool key --delay 60 "$@"; }
xdotool type --delay 40 'MARBLE '
typed() { import -window "$window" shot.png && tesseract shot.png read --psm 6 && grep -q 'MARBLE' read.txt; }
wait_for 20 typed
keys ctrl+z ctrl+shift+z ctrl+End ctrl+Home
for ((i = 0; i < $(pick 3 60); i++)); do keys Next Next ctrl+Return ctrl+z Prior Prior; done
keys ctrl+s
saved() { ! cmp -s text.c original.c; }
wait_for 20 saved
keys ctrl+q
wait_for 30 test -s status
expect "status of kwrite" "$(cat status)" 0
expect "first line saved" "$(head -1 text.c)" 'MARBLE HARVEST BRIDGE COPPER LANTERN'
tail -n +2 text.c | cmp - <(tail -n +2 original.c) || fail "the rest of the file changed"
[ -z "$LIB" ] || prove_bound trace
say "the window shows '$(grep -m1 -o 'MARBLE.*' read.txt)'; typed, saved, status 0"
