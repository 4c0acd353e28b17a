# Shared by the scripts of tests/programs/: one script runs one real program on the allocator under test and checks its result.
#
# A script is called as "NAME.sh [--short]" and does a few seconds of work in the short form, up to some minutes in the long one.
# The allocator is COLLAM_LIB (default: build/release/libcollam.so of this checkout; empty: the system's malloc).
# Exit status: 0 passed, 77 skipped for the reason printed, anything else failed. Passing needs three things, and the first two
# are checked here, whatever the script itself forgets:
#   - proof that the program ran on the library: run by `proved`, or a server looked at by `prove_mapped`;
#   - not one line of collam's own in any output of the programs;
#   - the results that the script compares.
#
# Standard output and error of the script go to a log, shown when it fails; `say` reaches the caller.
# shellcheck shell=bash
set -euo pipefail

NAME=$(basename "$0" .sh)
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$HERE/../.." && pwd)
# shellcheck disable=SC2034 # used by the scripts
DATA=$HERE/work
FORM=long
[ "${1-}" != --short ] || FORM=short

WORK=$(mktemp -d "${TMPDIR:-/tmp}/program-$NAME.XXXXXX")
chmod 755 "$WORK"
LOGS=$WORK/logs
mkdir "$LOGS"
exec 3>&1 >"$LOGS/script" 2>&1

SERVER=
STUCK=
RUN_AS=()
SERVERS=()
PROVED=0
# Libraries or executables, as an extended regular expression, that may keep allocating by themselves in this program.
OWN_ALLOCATOR=${OWN_ALLOCATOR-}

say() { printf '%s\n' "$*" >&3; }
fail() {
    local message=$*
    say "failed: ${message:0:800}"
    exit 1
}
skip() {
    say "skipped: $*"
    exit 77
}
pick() { if [ "$FORM" = short ]; then echo "$1"; else echo "$2"; fi; }

# Called on every way out: stops the servers, then applies the checks that no script may forget.
finish() {
    local status=$? pid found log
    trap - EXIT
    set +e
    for pid in "${SERVERS[@]}"; do stop "$pid"; done
    if [ "$status" = 0 ] && [ -n "$LIB" ] && [ "$PROVED" = 0 ]; then
        say "failed: nothing proved that $NAME ran on $LIB"
        status=1
    fi
    found=$(grep -rahF --exclude-dir=lib 'collam: ' "$WORK" 2>/dev/null | tr -d '\0' | cut -c1-300 | head -5)
    if [ -n "$found" ]; then
        say "failed: the allocator printed: $found"
        status=1
    fi
    if [ "$status" != 0 ] && [ "$status" != 77 ]; then
        for log in "$LOGS"/*; do
            [ ! -s "$log" ] || say "--- last lines of $(basename "$log") (exit $status): $(tail -n 25 "$log" | tr -d '\0' | cut -c1-300)"
        done
        [ -z "${KEEP-}" ] || say "--- kept: $WORK"
    fi
    { [ -n "${KEEP-}" ] && [ "$status" != 0 ]; } || rm -rf "$WORK"
    exit "$status"
}

# A copy, so that a build going on meanwhile does not change it under the program, and so that any user can read it.
LIB=${COLLAM_LIB-$ROOT/build/release/libcollam.so}
if [ -n "$LIB" ]; then
    [ -r "$LIB" ] || { echo "$NAME: no library at $LIB" >&3; rm -rf "$WORK"; exit 1; }
    mkdir "$WORK/lib"
    cp -L "$LIB" "$WORK/lib/"
    LIB=$WORK/lib/$(basename "$LIB")
    chmod 755 "$LIB"
fi
trap finish EXIT
trap 'exit 143' TERM
trap 'exit 130' INT
cd "$WORK"

need() {
    local program
    for program; do
        command -v "$program" >/dev/null || fail "$program is not installed (run scripts/install-programs.sh)"
    done
}

# Runs a command on the library. RUN_AS, where set, is a command that changes the user first, and does not run on it.
on() { "${RUN_AS[@]}" env ${LIB:+LD_PRELOAD="$LIB"} "$@"; }

# Runs a command on the library while the dynamic loader writes down which library each symbol was bound to, in every process
# of the command; then reads that.
proved() {
    local trace status=0
    [ -n "$LIB" ] || {
        on "$@"
        return
    }
    trace=$(mktemp -d "$WORK/trace.XXXXXX")
    chmod 1777 "$trace"
    "${RUN_AS[@]}" env LD_PRELOAD="$LIB" LD_DEBUG=bindings LD_DEBUG_OUTPUT="$trace/pid" "$@" || status=$?
    prove_bound "$trace"
    rm -rf "$trace"
    return "$status"
}

# Every process that bound a name of the malloc family must have bound it to the library, and at least one must have bound malloc.
prove_bound() {
    local trace=$1 names='malloc|calloc|realloc|free|aligned_alloc|posix_memalign|memalign|malloc_usable_size' target name bound
    case $LIB in
    *libcollam*) names="$names|reallocarray|valloc|pvalloc|malloc_trim|mallinfo2?|malloc_info|malloc_stats|mallopt|_Zn[wa][a-zA-Z0-9_]*|_Zd[la][a-zA-Z0-9_]*" ;;
    esac
    # A line reads: PID: binding file USER [0] to TARGET [0]: normal symbol `NAME' [VERSION]
    # Threads of a process write at the same time: lines that ran into each other are of another form and say nothing.
    find "$trace" -type f -exec cat {} + |
        grep -aE "^ *[0-9]+:[[:space:]]+binding file [^ ]+ \[0\] to [^ ]+ \[0\]: normal symbol \`($names)'( \[[^] ]*\])?\$" >"$trace.all" || true
    while read -r target name; do
        bound_through "$target" "$name" || fail "$name was bound to $target: $(grep -aF "to $target [0]: normal symbol \`$name'" "$trace.all" | head -1)"
    done < <(awk -v lib="$LIB" '$7 != lib && $4 != lib { print $7, substr($11, 2, length($11) - 2) }' "$trace.all" |
        grep -vE "^(${OWN_ALLOCATOR:-(nothing)}) " | sort -u)
    bound=$(awk -v lib="$LIB" '$7 == lib && ($11 == "`malloc\x27" || $11 == "`_Znwm\x27") { print $1 }' "$trace.all" | sort -u | wc -l)
    [ "$bound" -gt 0 ] || fail "no process bound malloc to $LIB"
    rm -f "$trace.all"
    PROVED=$((PROVED + bound))
}

# True if TARGET does not define NAME itself: an executable linked at a fixed address that takes malloc's address lends its own
# jump to malloc as that address, and the jump leads to the library.
bound_through() {
    local file
    file=$(command -v "$1") || file=$1
    nm -D --undefined-only "$file" 2>/dev/null | sed 's/@.*//' | grep -E " U $2\$" >/dev/null
}

# Each of these processes has the library mapped, and one of them is still there to show it.
prove_mapped() {
    local pid maps proved=0
    [ -n "$LIB" ] || return 0
    for pid; do
        # Children come and go: one that has ended has no map any more.
        maps=$(cat "/proc/$pid/maps" 2>/dev/null) || maps=
        [ -n "$maps" ] || continue
        [[ $maps == *"$LIB"* ]] || fail "process $pid ($(tr '\0' ' ' <"/proc/$pid/cmdline")) has not mapped $LIB"
        proved=$((proved + 1))
    done
    [ "$proved" -gt 0 ] || fail "no process left of those that should have mapped $LIB: $*"
    PROVED=$((PROVED + proved))
}

# Runs a deterministic command on the library and on the system's malloc, and compares what it prints. At least MIN bytes must come.
same_as_system() {
    local min=$1
    shift
    proved "$@" >"$WORK/out.library" 2>"$LOGS/library.err" || fail "'$*' ended with status $? on the library: $(tail -3 "$LOGS/library.err")"
    "$@" >"$WORK/out.system" 2>"$LOGS/system.err" || fail "'$*' ended with status $? on the system's malloc"
    cmp "$WORK/out.library" "$WORK/out.system" || fail "'$*' prints something else on the library"
    [ "$(stat -c %s "$WORK/out.library")" -ge "$min" ] || fail "'$*' printed less than $min bytes"
}

# Compares two values that must be equal.
expect() { [ "$2" = "$3" ] || fail "$1: expected '$3', got '$2'"; }

# Starts a server in the background; its process is in SERVER, and it is stopped on the way out.
serve() {
    "$@" >>"$LOGS/server" 2>&1 3>&- &
    SERVER=$!
    SERVERS+=("$SERVER")
}

# The same on the library (exec: no process in between).
serve_on() { serve "${RUN_AS[@]}" env ${LIB:+LD_PRELOAD="$LIB"} "$@"; }

stop() {
    local pid=$1 i
    kill "$pid" 2>/dev/null || return 0
    for ((i = 0; i < 100; i++)); do
        kill -0 "$pid" 2>/dev/null || return 0
        sleep 0.1
    done
    kill -KILL "$pid" 2>/dev/null || true
}

# Writes to the log where a process stands, for a wait that was in vain.
where() {
    [ -d "/proc/$1" ] || { echo "process $1 is gone"; return 0; }
    grep -h State "/proc/$1"/task/*/status || true
    timeout 60 gdb -q -batch -nx -p "$1" -ex 'thread apply all backtrace 12' >"$LOGS/where" 2>&1 || true
}

# Waits until a command succeeds, at most SECONDS. STUCK, where set, is the process that is waited for.
wait_for() {
    local i limit=$(($1 * 10))
    shift
    for ((i = 0; i < limit; i++)); do
        if "$@" >/dev/null 2>&1; then return 0; fi
        sleep 0.1
    done
    [ -z "$STUCK" ] || where "$STUCK"
    fail "waited in vain for: $*"
}

# A TCP port of the loopback address on which nobody listens.
free_port() {
    local port
    while :; do
        port=$((20000 + RANDOM % 12000))
        if ! (exec 4<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            echo "$port"
            return
        fi
    done
}
