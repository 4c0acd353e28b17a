# shellcheck shell=bash
# Shared by the scripts: where things are, what must be installed, building what is missing. Sourced, never run.
# Sets root (of the repository). The caller has `set -euo pipefail`.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

say() { printf '%s\n' "$*" >&2; }

die() {
    say "${0##*/}: $*"
    exit 1
}

# The comment at the head of the calling script is its help.
print_help() { sed -n '2,/^[^#]/{s/^# \{0,1\}//p}' "$0"; }

# need COMMAND=PACKAGE...: makes sure each command exists. As root the Debian packages of those that are missing are installed;
# otherwise they are listed and the script ends. A word without "=" is a package, looked up by dpkg.
need() {
    local word missing=()
    for word in "$@"; do
        if [[ $word == *=* ]]; then
            command -v "${word%%=*}" >/dev/null 2>&1 || missing+=("${word#*=}")
        else
            dpkg-query -W -f '${Status}' "$word" 2>/dev/null | grep -q 'ok installed' || missing+=("$word")
        fi
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        die "please install first: ${missing[*]}  (on Debian: apt-get install ${missing[*]})"
    fi
    say "installing ${missing[*]}"
    install_packages "${missing[@]}" || die "could not install ${missing[*]}"
}

# A package list may be missing or older than the archive: on failure fetch it and try once more.
install_packages() {
    local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -o "DPkg::Lock::Timeout=900" -qq)
    local install=("${apt[@]}" install -y --no-install-recommends "$@")
    "${install[@]}" >/dev/null 2>&1 || { "${apt[@]}" update >&2 && "${install[@]}" >/dev/null; }
}

need_build_tools() { need cmake=cmake ninja=ninja-build gcc=gcc g++=g++ objcopy=binutils python3=python3; }

# For the preset aarch64.
need_cross_tools() {
    need aarch64-linux-gnu-gcc=gcc-aarch64-linux-gnu aarch64-linux-gnu-g++=g++-aarch64-linux-gnu qemu-aarch64=qemu-user libc6-dev-arm64-cross
}

# build PRESET [TARGET...]: configures and builds; quiet unless it fails.
build() {
    local preset=$1 log=$root/build/$1.log
    shift
    mkdir -p "$root/build"
    if ! (
        cd "$root"
        cmake --preset "$preset" && cmake --build "build/$preset" -j "$(nproc)" ${1:+--target "$@"}
    ) >"$log" 2>&1; then
        grep -E '(error|FAILED|Error)' "$log" | head -n 30 >&2 || tail -n 30 "$log" >&2
        say "the build of preset $preset failed; all of it is in ${log#"$root"/}"
        return 1
    fi
}

# Builds the library and the launcher when a source is newer than they are, or they are not there. Fast when nothing changed.
ensure_release() {
    need_build_tools
    build release collam collam_static collam_pic collam-run
}
