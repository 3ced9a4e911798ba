//! Guests that wait. Those that do not end by themselves print `ready` first, so that a test need not guess
//! when to send a signal.

use std::io::{self, Read, Write};
use std::thread;
use std::time::{Duration, Instant};

use crate::outcome::{report_errno, wrong};

const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);
const TICK: Duration = Duration::from_millis(50);

pub fn run(words: &[&str]) -> Option<u8> {
    let code = match words {
        ["spin"] => spin(),
        ["sleep"] => {
            ready();
            rest()
        }
        ["block-stdin"] => block_on_stdin(),
        ["tick"] => tick(),
        ["sleep-ms", milliseconds] => sleep_for(Duration::from_millis(milliseconds.parse().ok()?)),
        ["poll-stdin-or-ms", milliseconds] => {
            stdin_or_clock(Duration::from_millis(milliseconds.parse().ok()?))
        }
        ["yield"] => give_way(),
        _ => return None,
    };
    Some(code)
}

/// Says that the guest is where a test wants it.
pub fn ready() {
    say("ready");
}

/// Blocks in `poll_oneoff`.
pub fn rest() -> ! {
    loop {
        thread::sleep(FOR_EVER);
    }
}

/// Burns the processor in a loop without any call.
fn spin() -> ! {
    ready();
    #[expect(clippy::empty_loop, reason = "an engine must be able to end a guest that never calls it")]
    loop {}
}

/// Blocks in `fd_read` until stdin ends, then returns.
fn block_on_stdin() -> u8 {
    ready();
    let mut buffer = [0; 4096];
    while io::stdin().read(&mut buffer).is_ok_and(|length| length > 0) {}
    println!("eof");
    0
}

fn tick() -> ! {
    for number in 1_u64.. {
        say(&number.to_string());
        thread::sleep(TICK);
    }
    unreachable!("there are more numbers than ticks in the life of a machine")
}

fn sleep_for(time: Duration) -> u8 {
    let started = Instant::now();
    thread::sleep(time);
    let passed = started.elapsed();
    if passed < time {
        return wrong(&format!("slept for {passed:?} instead of {time:?}"));
    }
    println!("slept");
    0
}

/// Waits for two things at once, and prints the one that came first.
fn stdin_or_clock(time: Duration) -> u8 {
    ready();
    let subscriptions = [stdin_is_readable(), clock_after(time)];
    let mut events = [NO_EVENT; 2];
    // SAFETY: WASI writes at most one event for each subscription, and there is room for both.
    let count = unsafe { wasip1::poll_oneoff(subscriptions.as_ptr(), events.as_mut_ptr(), 2) };
    let came =
        |which: u64| count.is_ok_and(|count| events[..count].iter().any(|event| event.userdata == which));
    if let Err(errno) = count {
        return report_errno("poll_oneoff", Err(errno));
    }
    println!("{}", if came(STDIN) { "stdin" } else { "clock" });
    0
}

const STDIN: u64 = 1;
const CLOCK: u64 = 2;
const NO_EVENT: wasip1::Event = wasip1::Event {
    userdata: 0,
    error: wasip1::ERRNO_SUCCESS,
    type_: wasip1::EVENTTYPE_CLOCK,
    fd_readwrite: wasip1::EventFdReadwrite { nbytes: 0, flags: 0 },
};

fn stdin_is_readable() -> wasip1::Subscription {
    let fd_read = wasip1::SubscriptionFdReadwrite { file_descriptor: wasip1::FD_STDIN };
    wasip1::Subscription {
        userdata: STDIN,
        u: wasip1::SubscriptionU {
            tag: wasip1::EVENTTYPE_FD_READ.raw(),
            u: wasip1::SubscriptionUU { fd_read },
        },
    }
}

fn clock_after(time: Duration) -> wasip1::Subscription {
    let clock = wasip1::SubscriptionClock {
        id: wasip1::CLOCKID_MONOTONIC,
        timeout: u64::try_from(time.as_nanos()).unwrap_or(u64::MAX),
        precision: 0,
        flags: 0,
    };
    wasip1::Subscription {
        userdata: CLOCK,
        u: wasip1::SubscriptionU { tag: wasip1::EVENTTYPE_CLOCK.raw(), u: wasip1::SubscriptionUU { clock } },
    }
}

fn give_way() -> u8 {
    thread::yield_now();
    println!("yielded");
    0
}

fn say(line: &str) {
    println!("{line}");
    io::stdout().flush().expect("stdout is writable");
}
