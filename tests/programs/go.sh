#!/usr/bin/env bash
# go with cgo: goroutines that take and return blocks of malloc beside go's own heap, and a C program that calls go.
. "$(dirname "$0")/lib.sh" "$@"
need go gcc
export GOPATH=$WORK/gopath GOCACHE=$WORK/cache GO111MODULE=off GOFLAGS=-p=2 CGO_ENABLED=1 GOTOOLCHAIN=local
mkdir src
cp "$DATA/work.go.txt" src/main.go
# The tool itself is linked with the C library in some packages, so it runs on the library as well.
on go build -o work ./src || fail "go build ended with status $?"
proved ./work "$(pick 20000 1000000)" >out || fail "the program ended with status $?"
cat out
expect "verdict" "$(sed -n 1p out)" "all right"
[ "$(sed -n 's/^collections //p' out)" -gt 3 ] || fail "go's own collector did not run"
say "$(sed -n 's/^summary //p' out); go's own heap collected $(sed -n 's/^collections //p' out) times beside"
