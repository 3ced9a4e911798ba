//! Guests that do not end by themselves. Each prints `ready` first, so that a test need not guess when to
//! send a signal.

use std::io::{self, Read, Write};
use std::thread;
use std::time::Duration;

const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Burns the processor in a loop without any call.
pub fn spin() -> ! {
    ready();
    #[expect(clippy::empty_loop, reason = "an engine must be able to end a guest that never calls it")]
    loop {}
}

/// Blocks in `poll_oneoff`.
pub fn sleep() -> ! {
    ready();
    loop {
        thread::sleep(FOR_EVER);
    }
}

/// Blocks in `fd_read` until stdin ends, then returns.
pub fn block_on_stdin() -> u8 {
    ready();
    let mut buffer = [0; 4096];
    while io::stdin().read(&mut buffer).is_ok_and(|length| length > 0) {}
    println!("eof");
    0
}

fn ready() {
    println!("ready");
    io::stdout().flush().expect("stdout is writable");
}
