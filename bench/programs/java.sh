#!/bin/sh
# java: the start of a virtual machine, again and again; its compiler threads and metadata use malloc.
. "$(dirname "$0")/_common.sh"

run() {
    i=0
    while [ "$i" -lt "$(pick 1 9)" ]; do
        preloaded java -Xmx128m -XX:+UseSerialGC -Xshare:auto -XshowSettings:locale -version 2>"$dir/errors"
        grep -c version "$dir/errors"
        i=$((i + 1))
    done
}

main "$@"
