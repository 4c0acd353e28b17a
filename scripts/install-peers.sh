#!/bin/sh
# Installs what scripts/bench.sh measures with: the packaged peer allocators, the real programs, and the tools that build
# and run the driver. Debian and Ubuntu only. Everything comes from the distribution's own packages, so any machine can
# repeat the measurement.
#
#   scripts/install-peers.sh              all of it (as root, with apt-get); otherwise print what to install
#   scripts/install-peers.sh --allocators only the peer allocators
#   scripts/install-peers.sh --programs   only the real programs
#   scripts/install-peers.sh --check      install nothing; exit 1 and name what is missing
set -eu

# command -> package for everything the benchmark calls by name
PROGRAMS="redis-server:redis-server redis-cli:redis-tools lua5.4:lua5.4 ruby:ruby perl:perl node:nodejs
sqlite3:sqlite3 gcc:gcc g++:g++ clang:clang z3:z3 gs:ghostscript java:default-jre-headless git:git
cmake:cmake ninja:ninja-build setpriv:util-linux"
LIBRARIES="libjemalloc.so.2:libjemalloc2 libtcmalloc_minimal.so.4:libtcmalloc-minimal4
libmimalloc.so.2:libmimalloc2.0 libtbbmalloc_proxy.so.2:libtbbmalloc2"

# Debian keeps the dynamic loader's cache tool in sbin, which is not in everyone's PATH
PATH=$PATH:/usr/sbin:/sbin

missing_libraries() {
    for pair in $LIBRARIES; do
        ldconfig -p | grep -qF "${pair%%:*}" || echo "${pair##*:}"
    done
}

missing_programs() {
    for pair in $PROGRAMS; do
        command -v "${pair%%:*}" >/dev/null 2>&1 || echo "${pair##*:}"
    done
    # the server binary is in no PATH: only its versioned directory has it
    ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || echo postgresql
    # the runner uses the distribution's Python, whatever else PATH holds
    [ -x /usr/bin/python3 ] || echo python3
}

case "${1:---all}" in
--all | --check) wanted="$(missing_libraries) $(missing_programs)" ;;
--allocators) wanted=$(missing_libraries) ;;
--programs) wanted=$(missing_programs) ;;
--help)
    sed -n '2,/^set/s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
*)
    sed -n '2,10s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac

wanted=$(printf '%s\n' "$wanted" | tr ' ' '\n' | grep . | sort -u | tr '\n' ' ') || true
[ -n "$wanted" ] || exit 0
if [ "${1:-}" = --check ]; then
    echo "missing packages: $wanted" >&2
    exit 1
fi
if [ "$(id -u)" != 0 ]; then
    echo "install-peers: not root; please install:" >&2
    echo "    apt-get install $wanted" >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get -o DPkg::Lock::Timeout=900 update -q
# shellcheck disable=SC2086 # a list of package names
apt-get -o DPkg::Lock::Timeout=900 install -q -y --no-install-recommends $wanted
