#!/bin/sh
# perl: hashes of lists, string building, regular expressions; a counting interpreter with many tiny blocks.
. "$(dirname "$0")/_common.sh"

export PERL_HASH_SEED=1 PERL_PERTURB_KEYS=0

run() { preloaded perl "$inputs/work.pl" "$(pick 2 22)"; }

main "$@"
