#!/bin/sh
# Builds the benchmark driver and runs the comparison with the other allocators; see docs/PERFORMANCE.md.
#
#   scripts/bench.sh [--short|--full] [--only PATTERN] [--allocators A,B] [--peer NAME=PATH]...
#                    [--ours NAME=PATH]... [--rounds N] [--save DIRECTORY] [--list] [--help]
#
# collam is measured if it has been built (cmake --preset release && cmake --build --preset release). The peers and
# programs come from scripts/install-peers.sh. Reports are written to bench/out/.
set -eu
cd "$(dirname "$0")/.."

# what is missing is named here and left out there
scripts/install-peers.sh --check || echo "run scripts/install-peers.sh to compare with all of them" >&2

cmake -S bench -B build/bench -DCMAKE_BUILD_TYPE=Release >/dev/null
cmake --build build/bench -j2 >/dev/null

# PATH may hold other Pythons; the runner is written for the distribution's
exec /usr/bin/python3 -B bench/run.py --binaries build/bench "$@"
