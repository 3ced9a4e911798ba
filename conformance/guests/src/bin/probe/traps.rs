//! Ways to die that only the engine can notice, and a panic, which ends in one of them.

use std::hint::{assert_unchecked, black_box};
use std::sync::atomic::{AtomicUsize, Ordering};

pub fn run(words: &[&str]) -> Option<u8> {
    let code = match words {
        ["panic"] => panic(),
        ["trap", "unreachable"] => unreachable(),
        ["trap", "div"] => divide(),
        ["trap", "oob"] => out_of_bounds(),
        ["trap", "stack"] => exhaust_stack(),
        _ => return None,
    };
    Some(code)
}

/// Executes the `unreachable` instruction after a Rust panic message.
fn panic() -> ! {
    panic!("the probe panics as it was told to")
}

/// Executes the `unreachable` instruction and says nothing.
fn unreachable() -> ! {
    core::arch::wasm32::unreachable()
}

/// Divides by zero in the engine, without the check that Rust puts before a division.
fn divide() -> u8 {
    let divisor = black_box(0_u32);
    // SAFETY: not kept, on purpose: the compiler cannot see the zero, so that a bare `i32.div_u` meets it and
    // traps.
    unsafe { assert_unchecked(divisor != 0) };
    println!("{}", black_box(1) / divisor);
    0
}

/// Reads the last word of the address space, which is beyond every memory smaller than 4 GiB.
fn out_of_bounds() -> u8 {
    let end = std::ptr::without_provenance::<u32>(0xffff_fffc);
    // SAFETY: aligned, and volatile, so that the load is executed as it stands; the engine traps before it
    // yields a value.
    println!("{}", unsafe { end.read_volatile() });
    0
}

/// Calls itself until the engine's stack ends. Nothing lives in linear memory, whose own stack would end
/// first.
///
/// It gives up at a depth that no native stack reaches: an interpreter may keep its frames on the heap, and
/// would take all memory of the machine.
fn exhaust_stack() -> u8 {
    println!("the stack holds {} frames", descend(1));
    0
}

fn descend(depth: usize) -> usize {
    DEPTH.store(depth, Ordering::Relaxed);
    if depth == ENOUGH {
        return depth;
    }
    let deepest = descend(DEPTH.load(Ordering::Relaxed) + 1);
    // Work after the call keeps the compiler from making a loop of it.
    deepest.max(DEPTH.swap(depth, Ordering::Relaxed))
}

const ENOUGH: usize = 10_000_000;
static DEPTH: AtomicUsize = AtomicUsize::new(0);
