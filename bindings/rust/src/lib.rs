//! collam as Rust's global allocator.
//!
//! ```
//! use collam::Collam;
//!
//! #[global_allocator]
//! static ALLOC: Collam = Collam;
//!
//! fn main() {
//!     let mut numbers = Vec::new();
//!     numbers.push(1);
//!     assert_eq!(numbers.pop(), Some(1));
//! }
//! ```
//!
//! The archive that is linked also replaces the C library's `malloc` in the program, so that Rust, C and C++ code share one heap.
//! Linux with glibc, x86-64 and aarch64.

#![no_std]

use core::alloc::{GlobalAlloc, Layout};
use core::ffi::c_void;
use core::ptr;

extern "C" {
    fn collam_malloc(size: usize) -> *mut c_void;
    fn collam_calloc(count: usize, size: usize) -> *mut c_void;
    fn collam_realloc(block: *mut c_void, size: usize) -> *mut c_void;
    fn collam_aligned_alloc(alignment: usize, size: usize) -> *mut c_void;
    fn collam_free(block: *mut c_void);
    fn collam_free_aligned_sized(block: *mut c_void, alignment: usize, size: usize);
    fn collam_usable_size(block: *mut c_void) -> usize;
}

/// Every block collam hands out is aligned to this without being asked.
const NATURAL_ALIGNMENT: usize = 16;

/// The allocator. It has no state of its own: all values of this type are the same heap.
#[derive(Clone, Copy, Debug, Default)]
pub struct Collam;

impl Collam {
    /// The bytes that may be used at `block`, at least as many as were asked for.
    ///
    /// # Safety
    /// `block` was allocated by collam and has not been deallocated.
    pub unsafe fn usable_size(&self, block: *mut u8) -> usize {
        collam_usable_size(block.cast())
    }
}

// Layouts given to these functions are never of size zero: GlobalAlloc's callers promise it.
unsafe impl GlobalAlloc for Collam {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.align() <= NATURAL_ALIGNMENT {
            collam_malloc(layout.size()).cast()
        } else {
            collam_aligned_alloc(layout.align(), layout.size()).cast()
        }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // A layout that is not the block's is reported in debug builds; comparing it costs more than freeing does.
        if cfg!(debug_assertions) {
            collam_free_aligned_sized(block.cast(), layout.align(), layout.size());
        } else {
            collam_free(block.cast());
        }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if layout.align() <= NATURAL_ALIGNMENT {
            return collam_calloc(1, layout.size()).cast();
        }
        let block = self.alloc(layout);
        if !block.is_null() {
            ptr::write_bytes(block, 0, layout.size());
        }
        block
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        if layout.align() <= NATURAL_ALIGNMENT {
            return collam_realloc(block.cast(), new_size).cast();
        }
        // collam_realloc knows nothing of the alignment; a block that fits and is not half wasted stays where it is.
        let usable = collam_usable_size(block.cast());
        if new_size <= usable && new_size >= usable / 2 {
            return block;
        }
        let moved = self.alloc(Layout::from_size_align_unchecked(new_size, layout.align()));
        if !moved.is_null() {
            ptr::copy_nonoverlapping(block, moved, layout.size().min(new_size));
            self.dealloc(block, layout);
        }
        moved
    }
}
