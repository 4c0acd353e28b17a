#!/usr/bin/env bash
# Builds collam and the benchmark driver, and runs the comparison with the other allocators; see docs/PERFORMANCE.md.
#
#   scripts/bench.sh [--short|--full] [--only PATTERN] [--allocators A,B] [--peer NAME=PATH]...
#                    [--ours NAME=PATH]... [--rounds N] [--minutes N] [--save DIRECTORY] [--list] [--help]
#
# The peers and programs come from scripts/install-peers.sh. Reports are written to bench/out/.
set -euo pipefail
# shellcheck source=scripts/lib/common.sh
. "$(dirname "$0")/lib/common.sh"
cd "$root"

# what is missing is named here and left out there
scripts/install-peers.sh --check || echo "run scripts/install-peers.sh to compare with all of them" >&2

need_build_tools
build release collam collam_hardened
cmake -S bench -B build/bench -DCMAKE_BUILD_TYPE=Release >/dev/null
cmake --build build/bench -j2 >/dev/null

# PATH may hold other Pythons; the runner is written for the distribution's
exec /usr/bin/python3 -B bench/run.py --binaries build/bench "$@"
