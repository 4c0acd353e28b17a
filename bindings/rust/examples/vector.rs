//! A vector pushed to and popped from, on collam: `cargo run --example vector`.

use collam::Collam;

#[global_allocator]
static ALLOC: Collam = Collam;

fn main() {
    let mut numbers: Vec<u64> = Vec::new();
    for number in 0..1_000_000 {
        numbers.push(number);
    }
    let room = unsafe { ALLOC.usable_size(numbers.as_mut_ptr().cast()) };
    assert!(room >= numbers.capacity() * 8);
    let mut sum = 0;
    while let Some(number) = numbers.pop() {
        sum += number;
    }
    println!("the sum of a million numbers is {sum}");
    assert_eq!(sum, 499_999_500_000);
}
