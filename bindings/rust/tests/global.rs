//! Rust's own data structures with collam as the global allocator. cargo runs these tests in parallel threads of one process.

use collam::Collam;
use std::alloc::{alloc, alloc_zeroed, dealloc, realloc, GlobalAlloc, Layout};
use std::collections::{BTreeMap, HashMap};
use std::sync::mpsc;
use std::thread;

#[global_allocator]
static ALLOC: Collam = Collam;

/// A generator of numbers that is the same on every run (xorshift).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below as u64) as usize
    }
}

unsafe fn fill(block: *mut u8, size: usize, seed: u8) {
    for i in 0..size {
        *block.add(i) = seed.wrapping_add(i as u8);
    }
}

unsafe fn verify(block: *const u8, size: usize, seed: u8) {
    for i in 0..size {
        assert_eq!(*block.add(i), seed.wrapping_add(i as u8), "byte {i} of {size}");
    }
}

#[test]
fn the_vector_lives_on_collam() {
    let mut numbers = vec![0u8; 100];
    // collam's size class of 100 bytes is 112; a foreign block would not be known to it at all.
    let usable = unsafe { ALLOC.usable_size(numbers.as_mut_ptr()) };
    assert!((100..=128).contains(&usable), "usable size {usable}");
}

#[test]
fn vector_pushed_and_popped() {
    let mut numbers = Vec::new();
    for i in 0..300_000u64 {
        numbers.push(i);
    }
    for i in (0..300_000u64).rev() {
        assert_eq!(numbers.pop(), Some(i));
    }
    assert_eq!(numbers.pop(), None);
    numbers.shrink_to_fit();
    assert_eq!(numbers.capacity(), 0);
}

#[test]
fn every_alignment_is_honoured() {
    for power in 0..=21 {
        let align = 1usize << power;
        for size in [1, 7, align / 2 + 1, align, align + 1, 3 * align + 5] {
            let layout = Layout::from_size_align(size, align).unwrap();
            unsafe {
                let plain = alloc(layout);
                let zeroed = alloc_zeroed(layout);
                assert!(!plain.is_null() && !zeroed.is_null());
                assert_eq!(plain as usize % align, 0, "size {size}, align {align}");
                assert_eq!(zeroed as usize % align, 0, "size {size}, align {align}");
                assert!((0..size).all(|i| *zeroed.add(i) == 0));
                fill(plain, size, 3);
                verify(plain, size, 3);
                dealloc(plain, layout);
                dealloc(zeroed, layout);
            }
        }
    }
}

#[test]
fn zeroed_memory_is_zero_after_reuse() {
    for size in [16, 200, 5_000, 40_000, 300_000, 3_000_000] {
        let layout = Layout::from_size_align(size, 8).unwrap();
        for _ in 0..20 {
            unsafe {
                let block = alloc_zeroed(layout);
                assert!((0..size).all(|i| *block.add(i) == 0), "size {size}");
                block.write_bytes(0xff, size);
                dealloc(block, layout);
            }
        }
    }
}

#[test]
fn reallocation_keeps_contents_and_alignment() {
    let mut numbers = Numbers(88172645463325252);
    for align in [1, 8, 16, 32, 64, 4096, 65536, 262144] {
        let mut layout = Layout::from_size_align(1, align).unwrap();
        unsafe {
            let mut block = alloc(layout);
            fill(block, 1, 9);
            for _ in 0..200 {
                let limit = 1 << numbers.next(20);
                let size = 1 + numbers.next(limit);
                let kept = size.min(layout.size());
                block = realloc(block, layout, size);
                assert!(!block.is_null());
                assert_eq!(block as usize % align, 0, "align {align}");
                verify(block, kept, 9);
                fill(block, size, 9);
                layout = Layout::from_size_align(size, align).unwrap();
            }
            dealloc(block, layout);
        }
    }
}

#[test]
fn impossible_sizes_give_null() {
    let most = isize::MAX as usize;
    for align in [1, 4096] {
        let layout = Layout::from_size_align(most & !(align - 1), align).unwrap();
        assert!(unsafe { ALLOC.alloc(layout) }.is_null());
        assert!(unsafe { ALLOC.alloc_zeroed(layout) }.is_null());
    }
    let mut numbers: Vec<u8> = vec![1, 2, 3];
    assert!(numbers.try_reserve(most - 3).is_err());
    assert_eq!(numbers, [1, 2, 3]);
}

#[test]
fn threads_hand_blocks_to_each_other() {
    let (to_reader, from_writers) = mpsc::channel::<(u8, Vec<u8>)>();
    let writers: Vec<_> = (0..4u8)
        .map(|seed| {
            let to_reader = to_reader.clone();
            thread::spawn(move || {
                let mut numbers = Numbers(seed as u64 + 1);
                for _ in 0..5_000 {
                    let size = 1 + numbers.next(2_000);
                    to_reader.send((seed, vec![seed; size])).unwrap();
                }
            })
        })
        .collect();
    drop(to_reader);
    let mut received = 0;
    for (seed, block) in from_writers {
        assert!(block.iter().all(|&byte| byte == seed));
        received += 1;
    }
    for writer in writers {
        writer.join().unwrap();
    }
    assert_eq!(received, 4 * 5_000);
}

#[test]
fn threads_come_and_go() {
    for round in 0..200usize {
        let workers: Vec<_> = (0..4)
            .map(|i| thread::spawn(move || (0..100).map(|k| format!("{round} {i} {k}")).collect::<Vec<_>>()))
            .collect();
        for worker in workers {
            let lines = worker.join().unwrap();
            assert_eq!(lines.len(), 100);
            assert!(lines[99].ends_with(" 99"));
        }
    }
}

#[test]
fn maps_and_strings() {
    let mut by_name = HashMap::new();
    let mut in_order = BTreeMap::new();
    for i in 0..50_000usize {
        by_name.insert(format!("key {i}"), i);
        in_order.insert(i * 7919 % 50_021, "x".repeat(i % 100));
    }
    by_name.retain(|_, value| *value % 3 == 0);
    assert_eq!(by_name.len(), 16_667);
    assert_eq!(by_name["key 300"], 300);
    assert_eq!(in_order.values().map(String::len).sum::<usize>(), 50_000 / 100 * 4_950);
    assert!(in_order.keys().zip(in_order.keys().skip(1)).all(|(a, b)| a < b));
}
