//! A block deallocated with a layout that is not its own is reported in a debug build. The fault is made in a child process.

#![cfg(debug_assertions)]

use collam::Collam;
use std::alloc::{alloc, dealloc, Layout};
use std::process::Command;

#[global_allocator]
static ALLOC: Collam = Collam;

const CHILD: &str = "COLLAM_TEST_CHILD";

#[test]
fn a_wrong_layout_is_reported() {
    if std::env::var_os(CHILD).is_some() {
        unsafe {
            let block = alloc(Layout::from_size_align(100, 8).unwrap());
            dealloc(block, Layout::from_size_align(5000, 8).unwrap());
        }
        return;
    }
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_wrong_layout_is_reported", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stderr);
    assert!(!child.status.success());
    assert!(said.contains("collam: free_aligned_sized") || said.contains("collam: collam_free_aligned_sized"), "{said}");
    assert!(said.contains("size does not match the block (112 bytes)"), "{said}");
}
