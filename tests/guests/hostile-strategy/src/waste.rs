//! Ways to use up what a call may use, and to crash.

#![expect(clippy::unnecessary_wraps, reason = "every behaviour has the shape of a strategy's answer")]

use std::hint::black_box;

use watcher_sdk::{Failure, NewAction, Solution};

type Outcome = Result<Solution, Failure>;

/// Computes for ever.
pub(crate) fn spin() -> Outcome {
    let mut number = 1_u64;
    loop {
        number = black_box(number.wrapping_mul(3));
    }
}

/// Takes a mebibyte at a time, as a leak would.
pub(crate) fn allocate() -> Outcome {
    let mut taken: Vec<Vec<u8>> = Vec::new();
    loop {
        taken.push(vec![1; 1 << 20]);
        black_box(&taken);
    }
}

/// Recommends many actions.
pub(crate) fn flood_actions(count: u32) -> Solution {
    let mut solution = Solution::default();
    for number in 0..count {
        solution.add(NewAction::new("nop").parameter("message", number.to_string()));
    }
    solution
}

/// Takes more in one piece than any limit allows.
pub(crate) fn allocate_at_once() -> Outcome {
    let taken: Vec<u8> = Vec::with_capacity(2_000_000_000);
    black_box(&taken);
    Ok(Solution::default())
}

/// Takes memory behind the allocator's back.
pub(crate) fn grow_page_by_page() -> Outcome {
    #[cfg(target_arch = "wasm32")]
    while core::arch::wasm32::memory_grow::<0>(1) != usize::MAX {}
    Ok(Solution::default())
}

/// Crashes without a word.
pub(crate) fn unreachable() -> Outcome {
    #[cfg(target_arch = "wasm32")]
    core::arch::wasm32::unreachable();
    #[cfg(not(target_arch = "wasm32"))]
    Ok(Solution::default())
}

/// Reads where no memory is.
#[expect(unsafe_code, reason = "the sandbox must hold guests that do this")]
pub(crate) fn read_beyond_memory() -> Outcome {
    #[cfg(target_arch = "wasm32")]
    // SAFETY: there is none; the sandbox must stop it.
    let byte = unsafe { std::ptr::read_volatile(0xffff_0000 as *const u8) };
    #[cfg(not(target_arch = "wasm32"))]
    // SAFETY: a byte of our own.
    let byte = unsafe { std::ptr::read_volatile(&raw const ZERO) };
    black_box(byte);
    Ok(Solution::default())
}

#[cfg(not(target_arch = "wasm32"))]
static ZERO: u8 = 0;

fn deeper(depth: u64) -> u64 {
    if depth == u64::MAX { 0 } else { deeper(depth + 1).rotate_left(7) ^ depth }
}

/// Calls itself, with nothing on the compiler's own stack.
pub(crate) fn recurse() -> Outcome {
    black_box(deeper(black_box(0)));
    Ok(Solution::default())
}

fn deeper_with_a_frame(depth: u64) -> u64 {
    let mut frame = [depth; 64];
    black_box(&mut frame);
    if depth == u64::MAX { 0 } else { deeper_with_a_frame(depth + 1) ^ frame[7] }
}

/// Calls itself with much on the compiler's own stack, which lies in the guest's memory.
pub(crate) fn recurse_with_large_frames() -> Outcome {
    black_box(deeper_with_a_frame(black_box(0)));
    Ok(Solution::default())
}
