#!/usr/bin/env bash
# git: a repository of many commits is made, cloned, repacked by gc with two threads, checked and compared.
. "$(dirname "$0")/lib.sh" "$@"
n=$(pick 300 4000)
export HOME=$WORK GIT_CONFIG_NOSYSTEM=1
git config --global user.name tester
git config --global user.email tester@example.invalid
git config --global protocol.file.allow always
git init -q -b main origin
perl "$DATA/make-history.pl" "$n" >history
proved git -C origin fast-import --quiet <history || fail "fast-import ended with status $?"
on git clone -q "file://$WORK/origin" clone || fail "clone ended with status $?"
expect "head of the clone" "$(git -C clone rev-parse HEAD)" "$(git -C origin rev-parse main)"
expect "commits in the clone" "$(on git -C clone rev-list --count HEAD)" "$n"
proved git -C clone -c pack.threads=2 gc -q --aggressive --prune=now || fail "gc ended with status $?"
on git -C clone fsck --full --strict || fail "fsck ended with status $?"
expect "packs after gc" "$(find clone/.git/objects/pack -name '*.pack' | wc -l)" 1
on git -C clone log --stat --format=%H%n%s >log.library
git -C origin log --stat --format=%H%n%s main >log.system
cmp log.library log.system || fail "the log differs from the system's"
on git -C clone checkout -q -b side "HEAD~$((n / 2))"
echo changed >clone/new
on git -C clone add new
on git -C clone commit -q -m side
on git -C clone merge -q -m merged main || fail "merge ended with status $?"
on git -C clone blame file3 >blamed
[ "$(wc -l <blamed)" -gt 50 ] || fail "blame printed $(wc -l <blamed) lines"
say "$n commits cloned, repacked, checked, merged"
