#!/usr/bin/env bash
# java: several threads through its own heap and through malloc at once (deflaters, direct buffers, thread stacks, the compilers).
. "$(dirname "$0")/lib.sh" "$@"
need java javac
on javac -d . "$DATA/Work.java" || fail "javac ended with status $?"
same_as_system 60 java -Xmx256m -XX:+UseG1GC -cp . Work "$(pick 60 2000)" 6
# Both heaps in one process: java's own collector and the native memory of its tracker, with the library in the map.
on java -Xmx128m -XX:NativeMemoryTracking=summary -XX:+UnlockDiagnosticVMOptions -XX:+PrintNMTStatistics -cp . Work 12 4 >native || fail "java ended with status $?"
grep -qE '^-? +Java Heap \(reserved=' native || fail "no figures of java's own heap"
grep -qE 'malloc[:=] ?[1-9][0-9]{3}' native || fail "no figures of malloc"
for collector in $(pick Serial "Serial Parallel Z Shenandoah"); do
    if java "-XX:+Use${collector}GC" -version >/dev/null 2>&1; then
        on java -Xmx512m "-XX:+Use${collector}GC" -cp . Work "$(pick 24 600)" 6 >out || fail "java with $collector ended with status $?"
        grep -q '^all equal$' out || fail "$collector: $(tail -1 out)"
    fi
done
say "$(sed -n 's/^summary //p' out.library); java's own heap beside malloc's $(grep -oE 'malloc[:=] ?[0-9]+(KB)?' native | head -1)"
