#!/usr/bin/env bash
# malloc_trim and mallinfo: java calls the first when jcmd asks, clangd each minute; ld.gold and e2fsck print what the second says.
. "$(dirname "$0")/lib.sh" "$@"
need clangd ld.gold gcc java javac jcmd
bash "$DATA/make-c.sh" "$(pick 60 800)" >work.c
cp "$DATA/templates.cpp" .
# clangd trims once a minute after it has answered, so only the long form waits for that.
CLANGD="env ${LIB:+LD_PRELOAD=$LIB} clangd" PAUSE=$(pick 0 63) /usr/bin/python3 "$DATA/clangd-client.py" work.c templates.cpp >out || fail "clangd: $(cat out)"
cat out
grep -q '^work.c: 0 diagnostics, [1-9][0-9]* symbols$' out || fail "clangd said $(cat out)"
# A line of the loader about malloc_trim is a call: java binds each name when it first calls it.
javac -d . "$DATA/Trim.java"
trace=$(mktemp -d "$WORK/trace.XXXXXX")
serve env ${LIB:+LD_PRELOAD="$LIB"} LD_DEBUG=bindings LD_DEBUG_OUTPUT="$trace/pid" java -Xmx64m -cp . Trim "$(pick 40 400)"
java=$SERVER
wait_for 30 grep -q '^freed$' "$LOGS/server"
jcmd "$java" System.trim_native_heap >trimmed || fail "jcmd ended with status $?"
grep -qE 'RSS\+Swap|Done|no details' trimmed || fail "java did not trim: $(cat trimmed)"
target=$(cat "$trace"/* | awk '/normal symbol `malloc_trim/ { print $7 }' | head -1)
[ -n "$target" ] || fail "java did not call malloc_trim"
# Other allocators lack the function: then the C library's is called, on a heap that is not in use.
case $LIB in *libcollam*) expect "the malloc_trim that was called" "$target" "$LIB" ;; esac
[ -z "$LIB" ] || prove_bound "$trace"
prove_mapped "$java"
stop "$java"
gcc -c work.c -o work.o
on ld.gold --stats -r work.o -o all.o 2>stats || fail "ld.gold ended with status $?"
bytes=$(sed -n 's/.*total space allocated by malloc: \([0-9]*\) bytes/\1/p' stats)
case $LIB in
*libcollam* | '') [ "${bytes:-0}" -gt 10000 ] || fail "mallinfo2 says '$bytes' bytes to ld.gold: $(cat stats)" ;;
esac
if PATH=$PATH:/sbin:/usr/sbin command -v mke2fs >/dev/null; then
    PATH=$PATH:/sbin:/usr/sbin
    truncate -s "$(pick 64 1024)M" disk
    on mke2fs -q -t ext4 -d "$DATA" disk || fail "mke2fs ended with status $?"
    on e2fsck -f -n -tt disk >fsck 2>&1 || fail "e2fsck ended with status $?: $(cat fsck)"
    case $LIB in *libcollam* | '') pattern='Memory used: [1-9]' ;; *) pattern='Memory used: [0-9]' ;; esac
    grep -q "$pattern" fsck || fail "e2fsck did not tell its memory: $(cat fsck)"
fi
say "java: $(grep -o 'RSS.*' trimmed || tail -1 trimmed); ld.gold counted ${bytes:-nothing}, $(grep -o 'Memory used: [^,]*' fsck 2>/dev/null | head -1)"
