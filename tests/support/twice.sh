#!/bin/sh
# Runs the command, and once more if it fails. For qemu 7.2 with pages larger than the machine's: it answers one mmap in some ten thousand
# with ENOMEM though there is room (its -strace shows it), and a test that asks for many mappings then gets NULL, rightly.
"$@" || { echo "failed once; again" >&2; exec "$@"; }
