#!/usr/bin/env bash
# Rewrites tests/codegen/golden/ for this machine's architecture from the release build. Commit the change with the measurement
# that justifies it.
#
#   scripts/update-golden.sh [--show FUNCTION]    --show: only print the hit path of a function, such as malloc
set -euo pipefail
# shellcheck source=scripts/lib/common.sh
. "$(dirname "$0")/lib/common.sh"

ensure_release
shape=$root/tests/codegen/shape.py
library=$root/build/release/libcollam.so
case ${1-} in
--show) exec "$shape" --show "$library" objdump "${2:?the name of a function is missing}" ;;
--help) print_help ;;
*) exec "$shape" --update "$library" objdump "$(uname -m)" ;;
esac
