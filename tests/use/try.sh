#!/usr/bin/env bash
# Tries one way to use an installed collam from an empty directory, as a stranger to this repository would:
#
#   try.sh WAY SOURCE_ROOT PREFIX
#
# Each program must give the right result, and collam's own statistics must show that collam served it.
set -euo pipefail
way=$1 source=$2/tests/use root=$2 prefix=$3
library=$(dirname "$(find "$prefix" -name libcollam.a)")
include=$prefix/include
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
cd "$directory"
unset LD_PRELOAD COLLAM_OPTIONS DESTDIR
export TMPDIR=$directory

fail() {
    echo "$way: $*" >&2
    exit 1
}

# served LEAST COMMAND...: the command works, and collam counted at least so many allocations in it.
served() {
    local least=$1 count
    shift
    rm -f stats
    COLLAM_OPTIONS=stats=$directory/stats "$@" >output || fail "$* ended with status $?"
    grep -q '^worked: ' output || fail "$* printed: $(cat output)"
    [ -e stats ] || fail "$* did not run on collam: no statistics"
    count=$(awk '$1 == "allocations" { print $2 }' stats)
    [ "$count" -ge "$least" ] || fail "$* made only $count allocations on collam"
}

# expect_status STATUS COMMAND...: how the launcher ends when the command ends so.
expect_status() {
    local wanted=$1 status=0
    shift
    "$launcher" --quiet -- "$@" 2>/dev/null || status=$?
    [ "$status" = "$wanted" ] || fail "$* ended with status $status, not $wanted"
}

# has_own_malloc FILE yes|no: whether the executable itself contains malloc.
has_own_malloc() {
    local found=no symbols
    symbols=$(nm "$1")
    [[ $symbols == *" T malloc"$'\n'* ]] && found=yes
    [ "$found" = "$2" ] || fail "$1 contains malloc: $found"
}

# make_worker FILE: a library worker.c that allocates, and FILE, a program that itself names nothing of the allocator.
make_worker() {
    sed 's/int main(void)/int worker(void)/' "$source/main.c" >worker.c
    echo 'int worker(void); int main(void) { return worker(); }' >"$1"
}

link_line() { cc -O1 main.c -o main -I"$include" "$@"; }

cp "$source"/main.c "$source"/main.cc "$source"/opened.c .
case $way in
preload)
    cc -O1 main.c -o main
    served 8000 env LD_PRELOAD="$library/libcollam.so" ./main
    ;;
launcher)
    cc -O1 main.c -o main
    served 8000 "$prefix/bin/collam-run" ./main
    "$prefix/bin/collam-run" ./main 2>summary >/dev/null
    "$prefix/bin/collam-run" --quiet --hardened ./main >/dev/null || fail "the hardened library does not run the program"
    launcher=$prefix/bin/collam-run
    grep -Eq '^collam: [0-9.]+ s wall, [0-9.]+ MiB peak RSS, 8,[0-9]{3} allocations' summary || fail "the summary is: $(cat summary)"
    # What goes in and out is the program's, and so is the end.
    [ "$(echo in | "$launcher" --quiet -- cat 2>&1)" = in ] || fail "input and output are not passed through"
    expect_status 7 bash -c 'exit 7'
    expect_status 143 bash -c 'kill -TERM $$'
    expect_status 127 ./missing
    expect_status 126 ./main.c
    # A signal sent to the launcher reaches the program, whose handler decides.
    echo "trap 'echo caught; exit 5' TERM; echo ready; while :; do sleep 0.05; done" >waits.sh
    "$launcher" --quiet bash waits.sh >output &
    pid=$!
    until grep -q ready output; do sleep 0.05; done
    kill -TERM "$pid"
    status=0
    wait "$pid" || status=$?
    { [ "$status" = 5 ] && grep -q caught output; } || fail "SIGTERM was not passed on: status $status, $(cat output)"
    # What was preloaded and set before stays.
    cc -shared -fPIC -x c -o libother.so - <<<'int other(void) { return 1; }'
    LD_PRELOAD=$directory/libother.so COLLAM_OPTIONS=quiet=1 "$launcher" --quiet env >output
    grep -Eq '^LD_PRELOAD=[^:]*libcollam\.so[^:]*:.*/libother\.so$' output || fail "$(grep LD_PRELOAD output)"
    grep -Eq '^COLLAM_OPTIONS=quiet=1,stats=' output || fail "$(grep COLLAM_OPTIONS output)"
    # A program that cannot be preloaded runs, and nothing is claimed about it.
    cc -O1 -static main.c -o main
    "$launcher" ./main 2>summary >/dev/null
    grep -q 'allocations not reported' summary || fail "the summary of a static program is: $(cat summary)"
    ls -d "${TMPDIR:-/tmp}"/collam-run-* 2>/dev/null && fail "a temporary directory was left behind"
    ;;
link)
    link_line -L"$library" -lcollam -Wl,-rpath,"$library"
    served 8000 ./main
    has_own_malloc main no
    ;;
link_cxx)
    c++ -std=c++17 -O1 main.cc -o main -L"$library" -lcollam -Wl,-rpath,"$library"
    served 3000 ./main
    c++ -std=c++17 -O1 main.cc -o main "$library/libcollam.a"
    served 3000 ./main
    ;;
archive)
    link_line "$library/libcollam.a"
    served 8000 ./main
    has_own_malloc main yes
    ;;
static)
    link_line -static "$library/libcollam.a"
    served 8000 ./main
    link_line -static-pie -fPIE -L"$library" -lcollam
    served 8000 ./main
    c++ -std=c++17 -O1 -static main.cc -o main "$library/libcollam.a"
    served 3000 ./main
    # A program that is made of so little that nothing in it throws std::bad_alloc but operator new, or even knows it.
    cat >little.cc <<'CXX'
#include <exception>
#include <new>
#include <unistd.h>
int main() {
    size_t volatile most = static_cast<size_t>(-1) / 4;
    try {
        ::operator delete(::operator new(most));
    } catch (CAUGHT) {
        return write(1, "caught", 6) != 6;
    }
    return 1;
}
CXX
    for kind in -static -static-pie -static-libstdc++; do
        for caught in 'const std::bad_alloc &' 'const std::exception &' ...; do
            c++ -std=c++17 -O1 "$kind" "-DCAUGHT=$caught" little.cc -o little "$library/libcollam.a"
            [ "$(./little)" = caught ] || fail "$kind: operator new does not throw what $caught catches"
        done
    done
    ;;
pic)
    make_worker main.c
    cc -O1 -shared -fPIC worker.c -o libworker.so "$library/libcollam_pic.a"
    link_line -L. -lworker -Wl,-rpath,"$directory"
    served 8000 ./main
    has_own_malloc main no
    cc -O1 -shared -fPIC worker.c -o refused.so "$library/libcollam.a" 2>log && fail "the linker takes libcollam.a for a shared library"
    grep -q preinit_array log || fail "$(cat log)"
    ;;
opened)
    cc -O1 opened.c -o opened
    served 2000 ./opened "$library/libcollam.so"
    ;;
find_package)
    cat >CMakeLists.txt <<'CMAKE'
cmake_minimum_required(VERSION 3.21)
project(stranger C)
find_package(collam 0.1 REQUIRED CONFIG)
add_executable(with_shared main.c)
target_link_libraries(with_shared PRIVATE collam::collam)
add_executable(with_static main.c)
target_link_libraries(with_static PRIVATE collam::static)
file(WRITE ${CMAKE_BINARY_DIR}/header.c "#include <collam/collam.h>\nint main(void) { return collam_malloc(1) == 0; }\n")
add_executable(header ${CMAKE_BINARY_DIR}/header.c)
target_link_libraries(header PRIVATE collam::collam)
add_library(worker SHARED worker.c)
add_executable(calls_worker calls_worker.c)
target_link_options(calls_worker PRIVATE LINKER:--as-needed)
target_link_libraries(calls_worker PRIVATE worker collam::collam)
CMAKE
    make_worker calls_worker.c
    { cmake -S . -B build -DCMAKE_PREFIX_PATH="$prefix" && cmake --build build; } >log 2>&1 || fail "$(cat log)"
    served 8000 build/with_shared
    has_own_malloc build/with_shared no
    served 8000 build/with_static
    has_own_malloc build/with_static yes
    served 8000 build/calls_worker
    build/header || fail "the program with the header ended with status $?"
    ;;
subdirectory)
    cat >CMakeLists.txt <<CMAKE
cmake_minimum_required(VERSION 3.21)
project(stranger C)
add_subdirectory($root collam)
add_executable(main main.c)
target_link_libraries(main PRIVATE collam::static)
CMAKE
    # As distributions build: with link-time optimisation.
    { CFLAGS=-flto CXXFLAGS=-flto cmake -S . -B build && cmake --build build --target main; } >log 2>&1 || fail "$(cat log)"
    served 8000 build/main
    ;;
pkg_config)
    export PKG_CONFIG_PATH=$library/pkgconfig
    read -ra flags < <(pkg-config --cflags --libs collam)
    link_line "${flags[@]}" -Wl,-rpath,"$library"
    served 8000 ./main
    has_own_malloc main no
    read -ra flags < <(pkg-config --cflags --libs collam-static)
    link_line "${flags[@]}"
    served 8000 ./main
    has_own_malloc main yes
    make_worker main.c
    cc -O1 -shared -fPIC worker.c -o libworker.so
    link_line -Wl,--as-needed -L. -lworker -Wl,-rpath,"$directory" "${flags[@]}"
    served 8000 ./main
    read -ra flags < <(pkg-config --cflags --libs collam)
    link_line -Wl,--as-needed "${flags[@]}" -Wl,-rpath,"$library" -L. -lworker -Wl,-rpath,"$directory"
    served 8000 ./main
    # An installation that was moved still finds itself.
    mkdir moved && cp -a "$prefix" moved/place
    [ "$(PKG_CONFIG_PATH=moved/place${library#"$prefix"}/pkgconfig pkg-config --variable=libdir collam | xargs realpath)" = \
        "$(realpath "moved/place${library#"$prefix"}")" ] || fail "moved, it points elsewhere"
    ;;
directories)
    # As distributions do that give each directory by its full name, and the libraries one outside the prefix; seen through a link.
    { cmake -S "$root" -B build -DCOLLAM_TESTS=OFF -DCOLLAM_BENCH=OFF -DCMAKE_INSTALL_PREFIX="$directory/deep/prefix" \
        -DCMAKE_INSTALL_LIBDIR="$directory/else/where" -DCMAKE_INSTALL_INCLUDEDIR="$directory/headers" &&
        cmake --build build --parallel && cmake --install build; } >log 2>&1 || fail "$(cat log)"
    ln -s deep/prefix link
    cc -O1 main.c -o main
    served 8000 link/bin/collam-run --quiet ./main
    export PKG_CONFIG_PATH=$directory/else/where/pkgconfig
    echo '#include <collam/collam.h>' >>main.c
    read -ra flags < <(pkg-config --cflags --libs collam)
    cc -O1 main.c -o main "${flags[@]}" -Wl,-rpath,"$directory/else/where"
    served 8000 ./main
    read -ra flags < <(pkg-config --cflags --libs collam-static)
    cc -O1 main.c -o main "${flags[@]}"
    served 8000 ./main
    # Who takes collam into a project may have no prefix at all.
    cmake -S "$root" -B without -DCOLLAM_TESTS=OFF -DCMAKE_INSTALL_PREFIX= >log 2>&1 || fail "$(cat log)"
    ;;
rust)
    # A copy of the crate, away from the repository and its builds, and an application that depends on it.
    mkdir -p crate application/src
    cp -r "$root"/bindings/rust/{Cargo.toml,README.md,build.rs,src,tests,examples} crate
    export COLLAM_LIB_DIR=$library CARGO_TARGET_DIR=$directory/target CARGO_NET_OFFLINE=true
    (cd crate && cargo test --offline -q) >log 2>&1 || fail "$(cat log)"
    cat >application/Cargo.toml <<'TOML'
[package]
name = "application"
version = "0.0.0"
edition = "2021"

[dependencies]
collam = { path = "../crate" }
TOML
    cat >application/src/main.rs <<'RUST'
use collam::Collam;

#[global_allocator]
static ALLOC: Collam = Collam;

fn main() {
    let words: Vec<String> = (0..8000).map(|i| format!("word {i}")).collect();
    println!("worked: {}", words.iter().map(String::len).sum::<usize>());
}
RUST
    (cd application && cargo build --offline -q --release) >log 2>&1 || fail "$(cat log)"
    served 8000 target/release/application
    ;;
rust_builds)
    # The crate inside the sources, none of them built: build.rs builds the archive.
    mkdir sources
    tar -C "$root" --exclude=./build --exclude=./.git --exclude=target -cf - . | tar -C sources -xf -
    cd sources/bindings/rust
    CARGO_TARGET_DIR=$directory/target cargo run --offline -q --example vector >../log 2>&1 || fail "$(cat ../log)"
    grep -q '^the sum of a million numbers is 499999500000$' ../log || fail "$(cat ../log)"
    ;;
*)
    fail "unknown way"
    ;;
esac
echo "$way: works"
