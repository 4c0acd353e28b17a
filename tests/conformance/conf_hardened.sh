#!/usr/bin/env bash
# Option hardened=1: the program starts again on the hardened library, once, with all it was given; where that cannot be, one line says why
# and the program goes on.
#   conf_hardened.sh LIBRARY HARDENED LINKED_PROGRAM STATIC_PROGRAM
set -euo pipefail
export LC_ALL=C # perl has a word to say about a locale that is not installed here
library=$1 hardened=$2 linked=$3 static=$4
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
failed=0

# expect WHAT REGEX TEXT: the text, all of its lines as one, matches.
expect() {
    [[ ${3//$'\n'/ } =~ ^$2$ ]] || { failed=$((failed + 1)); echo "$1: not '$2', but: $3"; }
}
# on OPTIONS COMMAND...: with the library preloaded; output and messages together
on() {
    local options=$1
    shift
    timeout 60 env COLLAM_OPTIONS="$options" LD_PRELOAD="$library" "$@" 2>&1 || echo "status $?"
}
maps='my %seen; open my $f, "<", "/proc/self/maps"; for (<$f>) { print "$1 " if m{(libcollam[^/.]*)\.so} && !$seen{$1}++ } '
no_effect="collam: option 'hardened=1' has no effect: "

expect "without the option" "libcollam " "$(on "" perl -e "$maps")"
expect "with it" "libcollam-hardened " "$(on hardened=1 perl -e "$maps")"
expect "several options" "libcollam-hardened " "$(on "quiet=1,hardened=1,shards=1" perl -e "$maps")"
expect "arguments, variables and name" "a  b c none perl" \
    "$(on hardened=1 perl -e 'open F, "/proc/self/comm"; print "@ARGV ", $ENV{COLLAM_STARTED_AGAIN} // "none", " ", <F>' a "" b c)"
expect "another program under the same number" "libcollam-hardened " "$(on hardened=1 env LD_PRELOAD="$library" perl -e "$maps")"
expect "one message for what is not known" "collam: option 'no=1' is not known[^:]* libcollam-hardened " "$(on hardened=1,no=1 perl -e "$maps")"
expect "input and status" "in status 3" "$(echo in | on hardened=1 sh -c 'cat; exit 3')"
expect "a descriptor" "kept" "$(on hardened=1 cat /dev/fd/9 9<<<kept)"
expect "other preloaded libraries" ".*/libcollam-hardened\.so[.0-9]*:/nowhere/one.so" \
    "$(LD_PRELOAD="/nowhere/one.so $library" COLLAM_OPTIONS=hardened=1 sh -c "echo \$LD_PRELOAD" 2>/dev/null)"
printf '#!/usr/bin/perl\n%s print "@ARGV\\n";' "$maps" >"$place/script"
chmod +x "$place/script"
expect "a script" "libcollam-hardened x y" "$(on hardened=1 "$place/script" x y)"
printf '#!/bin/sh\ncat /proc/$$/comm' >"$place/named"
chmod +x "$place/named"
expect "a script's name" "named" "$(on hardened=1 "$place/named")"
expect "a program whose file has no name" "libcollam-hardened " "$(on hardened=1 python3 -c 'import os, sys
program = os.memfd_create("program")
os.write(program, open(sys.argv[1], "rb").read())
os.execve(program, ["perl", "-e", sys.argv[2]], dict(os.environ, LD_PRELOAD=sys.argv[3]))' "$(command -v perl)" "$maps" "$library")"
libc=$(sed -n 's/.* \(\/[^ ]*\/libc\.so\.6\)$/\1/p' /proc/self/maps | head -1)
many=
for i in {1..120}; do # more libraries than a report would name
    cp "${libc%/*}/libdl.so.2" "$place/$i.so"
    many+=$place/$i.so:
done
expect "many libraries" "libcollam-hardened " "$(LD_PRELOAD=$many$library COLLAM_OPTIONS=hardened=1 perl -e "$maps" 2>&1)"
expect "a child" "libcollam-hardened libcollam-hardened " "$(on hardened=1 perl -e "$maps \$|=1; system(\$^X, '-e', \$ARGV[0]);" "$maps")"
expect "a child on the ordinary library" "libcollam-hardened " \
    "$(on hardened=1 perl -e '$ENV{LD_PRELOAD} = $ARGV[1]; system($^X, "-e", $ARGV[0])' "$maps" "$library")"
expect "linked" ".*PASSED.*" "$(COLLAM_OPTIONS=hardened=1 "$linked" 2>&1)"
expect "a canary at work" ".*(overflow|overrun|written).*status 134.*" \
    "$(on hardened=1 python3 -c 'import ctypes; c = ctypes.CDLL(None); c.malloc.restype = ctypes.c_void_p
p = c.malloc(24); ctypes.memset(p, 65, 25); c.free(ctypes.c_void_p(p))')"

expect "already hardened" "fine" "$(LD_PRELOAD=$hardened COLLAM_OPTIONS=hardened=1 sh -c 'echo fine' 2>&1)"
expect "both preloaded" "fine" "$(LD_PRELOAD=$hardened:$library COLLAM_OPTIONS=hardened=1 sh -c 'echo fine' 2>&1)"
expect "hardened=0 there" "collam: option 'hardened=0' has no effect: .* fine" \
    "$(LD_PRELOAD=$hardened COLLAM_OPTIONS=hardened=0 sh -c 'echo fine' 2>&1)"
expect "hardened=2" "collam: option 'hardened=2' needs a number from 0 to 1.* fine" "$(on hardened=2 echo fine)"
expect "the archive" "${no_effect}collam is linked into the program.*PASSED.*" "$(COLLAM_OPTIONS=hardened=1 "$static" 2>&1)"
expect "loaded late" "${no_effect}the program does not allocate from this library.*fine" \
    "$(COLLAM_OPTIONS=hardened=1 python3 -c 'import ctypes, sys; ctypes.CDLL(sys.argv[1]); print("fine")' "$library" 2>&1)"
for load in 'import os; ctypes.CDLL(sys.argv[1], os.RTLD_NOW | os.RTLD_DEEPBIND)' \
    'ctypes.CDLL(None).dlmopen(ctypes.c_long(-1), sys.argv[1].encode(), 2)'; do # its own names, but the program has begun
    expect "loaded late: $load" "begun ${no_effect}the program does not allocate from this library.*fine" \
        "$(COLLAM_OPTIONS=hardened=1 python3 -c "import ctypes, sys; print('begun', flush=True); $load; print('fine')" "$library" 2>&1)"
done
loader=$(sed -n 's/.* \(\/[^ ]*ld-linux[^ ]*\)$/\1/p' /proc/self/maps | head -1)
expect "by the loader's name" "${no_effect}the program was started by the dynamic loader's own name.*fine" "$(on hardened=1 "$loader" /bin/echo fine)"
cp -L "$library" "$place/libcollam.so.0"
library=$place/libcollam.so.0
none="${no_effect}there is no library for this processor at $place/libcollam-hardened.so.0 libcollam "
expect "no such library" "$none" "$(on hardened=1 perl -e "$maps")"
echo nonsense >"$place/libcollam-hardened.so.0"
expect "a file that is no library" "$none" "$(on hardened=1 perl -e "$maps")"
{ head -c 18 "$hardened" && printf '\377\377' && tail -c +21 "$hardened"; } >"$place/libcollam-hardened.so.0"
expect "a library for another processor" "$none" "$(on hardened=1 perl -e "$maps")"
head -c 100 "$hardened" >"$place/libcollam-hardened.so.0"
expect "a library that the loader refuses" "ERROR: ld.so: object .*libcollam-hardened.so.0.* fine" "$(LC_ALL=C on hardened=1 echo fine)"
expect "the same, linked" "ERROR: ld.so: .*${no_effect}the system did not load $place/libcollam-hardened.so.0 .*PASSED.*" \
    "$(LC_ALL=C LD_LIBRARY_PATH=$place COLLAM_OPTIONS=hardened=1 "$linked" 2>&1)"
[ "$failed" = 0 ] && echo "hardened=1: all as expected"
exit $((failed != 0))
