#!/usr/bin/env bash
# Chromium without a window: loads pages from a local server, runs their scripts, draws them, prints to PDF. Its own allocator is beside.
. "$(dirname "$0")/lib.sh" "$@"
browser=
for candidate in chromium chromium-browser google-chrome; do
    [ -z "$browser" ] && command -v "$candidate" >/dev/null && browser=$candidate
done
[ -n "$browser" ] || fail "chromium is not installed (run scripts/install-programs.sh)"
# Chromium defines malloc and free itself, for every library it loads; what it does not define comes from the library under test.
export OWN_ALLOCATOR='.*chrom[^ ]*'
export HOME=$WORK/home
mkdir -p "$HOME" pages
cp "$DATA/page.html" pages/
seq 1 300 | sed 's/.*/<p>paragraph & <a href="page.html">link<\/a><\/p>/' >pages/long.html
serve /usr/bin/python3 -u -c 'import functools, http.server
h = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(http.server.SimpleHTTPRequestHandler, directory="pages"))
open("port", "w").write(str(h.server_port)); h.serve_forever()'
wait_for 20 test -s port
url=http://127.0.0.1:$(cat port)
number=0
# Each run has a new profile. Chromium's own complaints about missing services go to the log; its status counts.
load() {
    number=$((number + 1))
    "${how[@]}" "$browser" --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking \
        --disable-component-update --disable-sync --disable-dev-shm-usage --user-data-dir="$WORK/profile$number" \
        --virtual-time-budget=20000 --window-size=800,600 "$@" 2>>"$LOGS/chromium"
}
trace=$(mktemp -d "$WORK/trace.XXXXXX")
how=(env)
[ -z "$LIB" ] || how=(env "LD_PRELOAD=$LIB" LD_DEBUG=bindings "LD_DEBUG_OUTPUT=$trace/pid")
load --dump-dom "$url/page.html" >dom || fail "chromium ended with status $?: $(tail -3 "$LOGS/chromium")"
grep -q '<p id="result">sum 1999000 words 500 links 100300 canvas data:image/png</p>' dom || fail "the page's script did not do its work: $(grep -o '<p id="result">[^<]*' dom)"
own=
if [ -n "$LIB" ]; then
    own=$(cat "$trace"/* | grep -aE ' to [^ ]*chrom[^ ]* \[0\]: normal symbol `malloc' | awk '{ print $4 }' | sort -u | wc -l)
    processes=$(find "$trace" -type f | wc -l)
    # What was asked of the library: at least the names that chromium does not define.
    ours=$(cat "$trace"/* | awk -v lib="$LIB" '$7 == lib { print $1 }' | sort -u | wc -l)
    [ "$ours" -gt 0 ] || fail "nothing was bound to $LIB"
fi
how=(on)
load --screenshot="$WORK/shot.png" "$url/long.html" || fail "the screenshot ended with status $?"
[ "$(stat -c %s shot.png)" -gt 5000 ] || fail "the screenshot is empty"
load --print-to-pdf="$WORK/page.pdf" "$url/long.html" || fail "printing ended with status $?"
head -c 5 page.pdf | grep -q '%PDF-' || fail "no PDF"
# While a page is open, the browser and its children have both mapped: the library, and the executable with its allocator.
serve_on "$browser" --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking \
    --disable-component-update --disable-sync --disable-dev-shm-usage --user-data-dir="$WORK/profile" --remote-debugging-port=0 "$url/page.html"
wait_for 30 test -s profile/DevToolsActivePort
sleep "$(pick 1 20)"
children=$(pgrep -f "type=[a-z-]* .*--user-data-dir=$WORK/profile " || true)
# shellcheck disable=SC2086 # a list of process numbers
prove_mapped "$SERVER" $children
stop "$SERVER"
for ((i = 0; i < $(pick 0 15); i++)); do load --dump-dom "$url/page.html" | grep -q 'sum 1999000 words 500' || fail "round $i differs"; done
! grep -E 'Received signal|Check failed' "$LOGS/chromium" "$LOGS/server" || fail "a process of chromium died"
say "scripts, a screenshot, a PDF${own:+; $own libraries use the malloc of chromium itself, ours is bound in $ours of $processes processes}"
