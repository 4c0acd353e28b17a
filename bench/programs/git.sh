#!/bin/sh
# git: repacks a generated history from nothing; deltas, object tables, large buffers beside small ones.
. "$(dirname "$0")/_common.sh"

export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null HOME="$dir"

prepare() {
    rm -rf "$dir/repository"
    git init -q -b main --bare "$dir/repository"
    # one thread, or the deltas found depend on timing
    git -C "$dir/repository" config pack.threads 1
    generate make_history.py "$(pick 80 3200)" history
    git -C "$dir/repository" fast-import --quiet <"$dir/history"
    rm "$dir/history"
}

run() {
    cd "$dir/repository"
    preloaded git repack -adfq --window="$(pick 10 40)" --depth=40
    preloaded git gc --quiet --prune=now
    preloaded git rev-list --objects --all | cksum
    git fsck --no-progress --connectivity-only
    git count-objects -v | grep -E '^(count|in-pack|packs):'
}

main "$@"
