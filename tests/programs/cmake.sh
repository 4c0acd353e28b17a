#!/usr/bin/env bash
# cmake: configures, builds and tests a project of many targets; cmake, make, the compiler and ctest all run on the library.
. "$(dirname "$0")/lib.sh" "$@"
n=$(pick 10 120)
mkdir project
{
    echo 'cmake_minimum_required(VERSION 3.13)'
    echo 'project(many C)'
    echo 'include(CheckIncludeFile)'
    echo 'check_include_file(stdlib.h HAVE_STDLIB_H)'
    echo 'enable_testing()'
    echo 'set(text "")'
    echo 'foreach(i RANGE 1 20000)'
    echo '  string(APPEND text "${i};")'
    echo 'endforeach()'
    echo 'list(LENGTH text length)'
    echo 'string(SHA256 sum "${text}")'
    echo 'file(WRITE "${CMAKE_BINARY_DIR}/sum" "${length} ${sum}")'
    for ((i = 1; i <= n; i++)); do
        echo "int lib$i(void) { return $i; }" >project/lib$i.c
        echo "int lib$i(void); int main(void) { return lib$i() == $i ? 0 : 1; }" >project/main$i.c
        echo "add_library(lib$i STATIC lib$i.c)"
        echo "add_executable(main$i main$i.c)"
        echo "target_link_libraries(main$i lib$i)"
        echo "add_test(NAME test$i COMMAND main$i)"
    done
} >project/CMakeLists.txt
proved cmake -S project -B build -G "Unix Makefiles" || fail "configuring ended with status $?"
expect "list in cmake" "$(cut -d' ' -f1 build/sum)" 20001
on cmake --build build -j2 || fail "the build ended with status $?"
(cd build && on ctest -j2) >tests || fail "ctest ended with status $?"
grep -q "^100% tests passed, 0 tests failed out of $n\$" tests || fail "$(tail -3 tests)"
on cmake --build build | grep -c 'Building C' && fail "a second build built something again"
say "$n libraries, programs and tests"
