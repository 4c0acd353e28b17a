#!/usr/bin/env bash
# Installs what tests/programs/ runs: the programs themselves, the tools that look at their output, and the packaged peers
# that scripts/programs.sh --table compares with.
#
#   scripts/install-programs.sh            install what is missing (as root, with apt-get); otherwise print what to install
#   scripts/install-programs.sh --list     print every package that is needed, one a line
#
# Asks dpkg once and does nothing else when everything is there, so it may be called before every run.
# Exit status: 0 everything is installed, 1 something is missing and could not be installed.
set -euo pipefail

# One line per program of tests/programs/, as "program: packages". A package may carry an alternative after "|":
# any one of them will do, and the first is what gets installed.
packages_by_program() {
    local python_version
    python_version=$(/usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || echo 3.11)
    cat <<LIST
bash: bash
chromium: chromium fonts-dejavu-core
clang: clang llvm
cmake: cmake make
ctags: universal-ctags
ffmpeg: ffmpeg
gcc: gcc g++ binutils
gdb: gdb libc6-dbg
git: git
go: golang-go gcc
imagemagick: imagemagick
java: openjdk-17-jdk-headless|openjdk-21-jdk-headless
kwrite: kwrite xvfb xauth dbus xdotool imagemagick tesseract-ocr tesseract-ocr-eng fonts-dejavu-core
lua: lua5.4
malloc_trim: clangd binutils gcc python3 e2fsprogs openjdk-17-jdk-headless|openjdk-21-jdk-headless
memcached: memcached
nginx: nginx-light|nginx-full|nginx-core wrk curl
node: nodejs
own_malloc: gcc
perl: perl perl-modules-5.36|perl-modules-5.38|perl-modules-5.40
php: php-cli php-mbstring
postgresql: postgresql postgresql-client
python3: python3 libpython${python_version}-testsuite
redis: redis-server redis-tools
ruby: ruby
systemd-analyze: systemd
sort: coreutils
sqlite3: sqlite3
tmux: tmux
vim: vim|vim-nox|vim-gtk3
xz: xz-utils
zstd: zstd
peers: libjemalloc2 libtcmalloc-minimal4 libmimalloc2.0|libmimalloc3 libtbbmalloc2
tools: procps file
LIST
}

wanted() { packages_by_program | cut -d: -f2- | tr ' ' '\n' | sed '/^$/d' | sort -u; }

# Those of the wanted packages of which no alternative is installed, each as its first alternative.
missing() {
    local installed name
    installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' 2>/dev/null | sed -n 's/^installed //p' | sort -u)
    wanted | while read -r name; do
        if ! tr '|' '\n' <<<"$name" | sort | comm -12 - <(printf '%s\n' "$installed") | grep -q .; then
            printf '%s\n' "${name%%|*}"
        fi
    done
}

# Debian starts a server as soon as it is installed. The tests bring up their own, so a temporary policy says no;
# a machine that has a policy of its own keeps it.
no_server_start() {
    local policy=/usr/sbin/policy-rc.d
    [ -e "$policy" ] && return
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
}

case ${1-} in
--list)
    wanted | sed 's/|.*//'
    exit 0
    ;;
--help)
    sed -n '2,/^set/s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
'') ;;
*)
    echo "usage: scripts/install-programs.sh [--list]" >&2
    exit 2
    ;;
esac

if ! command -v dpkg-query >/dev/null; then
    echo "install-programs: this is not a Debian system; install these programs by hand:" >&2
    packages_by_program | sed 's/|[^ ]*//g' >&2
    exit 1
fi
mapfile -t list < <(missing)
[ ${#list[@]} -gt 0 ] || exit 0
if [ "$(id -u)" != 0 ]; then
    echo "install-programs: not root; please install:" >&2
    echo "    apt-get install ${list[*]}" >&2
    exit 1
fi
echo "install-programs: installing ${list[*]}"
no_server_start
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
apt=(apt-get -o DPkg::Lock::Timeout=900 -qq)
if ! "${apt[@]}" install -y --no-install-recommends "${list[@]}" >"$log" 2>&1; then
    # The lists may be old: refresh them and try once more before giving up.
    "${apt[@]}" update
    "${apt[@]}" install -y --no-install-recommends "${list[@]}" >"$log" 2>&1 || {
        tail -20 "$log" >&2
        exit 1
    }
fi
rm -f "$log"
mapfile -t list < <(missing)
[ ${#list[@]} -eq 0 ] || {
    echo "install-programs: still missing: ${list[*]}" >&2
    exit 1
}
