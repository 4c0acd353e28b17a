#!/usr/bin/env bash
# Rewrites tests/codegen/golden/ for this machine's architecture from the release build, and for AArch64 from a cross build. Commit the
# change with the measurement that justifies it.
#
#   scripts/update-golden.sh [--show FUNCTION]    --show: only print the hit path of a function, such as malloc
set -euo pipefail
# shellcheck source=scripts/lib/common.sh
. "$(dirname "$0")/lib/common.sh"

case ${1-} in
--help)
    print_help
    exit 0
    ;;
--show) [ $# -eq 2 ] || die "--show needs the name of a function" ;;
'') ;;
*) die "unknown argument $1 (try --help)" ;;
esac
ensure_release
shape=$root/tests/codegen/shape.py
library=$root/build/release/libcollam.so
[ $# -eq 0 ] || exec "$shape" --show "$library" objdump "$2"
"$shape" --update "$library" objdump "$(uname -m)"
[ "$(uname -m)" != aarch64 ] || exit 0
need_cross_tools
build aarch64 collam
"$shape" --update "$root/build/aarch64/libcollam.so" aarch64-linux-gnu-objdump aarch64
