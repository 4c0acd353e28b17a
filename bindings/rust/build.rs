//! Finds libcollam_pic.a, the archive that shared libraries may contain too, and tells cargo to link it. In order: the directory named in
//! COLLAM_LIB_DIR, the release build of the repository this crate lies in, a build of that repository made here with cmake.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

fn run(command: &mut Command) {
    let status = command.status().unwrap_or_else(|e| panic!("cannot start {command:?}: {e}; is cmake installed?"));
    assert!(status.success(), "{command:?} failed");
}

fn build_here(repository: &Path) -> PathBuf {
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap()).join("collam");
    run(Command::new("cmake").arg("-S").arg(repository).arg("-B").arg(&out).args([
        "-DCMAKE_BUILD_TYPE=Release",
        "-DCOLLAM_TESTS=OFF",
        "-DCOLLAM_BENCH=OFF",
    ]));
    run(Command::new("cmake").arg("--build").arg(&out).args(["--target", "collam_pic"]));
    out
}

fn main() {
    println!("cargo:rerun-if-env-changed=COLLAM_LIB_DIR");
    println!("cargo:rerun-if-changed=build.rs");
    let repository = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("../..");
    let built = repository.join("build/release");
    let directory = match env::var_os("COLLAM_LIB_DIR") {
        Some(named) => PathBuf::from(named),
        None if built.join("libcollam_pic.a").exists() => built,
        None => {
            println!("cargo:rerun-if-changed={}", repository.join("src").display());
            build_here(&repository)
        }
    };
    let archive = directory.join("libcollam_pic.a");
    assert!(archive.exists(), "{} does not exist", archive.display());
    println!("cargo:rerun-if-changed={}", archive.display());
    println!("cargo:rustc-link-search=native={}", directory.display());
    println!("cargo:rustc-link-lib=static=collam_pic");
}
