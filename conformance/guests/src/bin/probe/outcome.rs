//! How a probe says that something was refused, or is not as it should be.

use std::io;

const WRONG: u8 = 1;
const FAILED: u8 = 5;

/// The exit code; an error is said on stderr together with its kind.
pub fn report(what: &str, outcome: io::Result<()>) -> u8 {
    match outcome {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("probe: {what}: {:?}: {error}", error.kind());
            FAILED
        }
    }
}

/// As [`report`], for WASI's own calls, whose errors have a name of their own.
pub fn report_errno(what: &str, outcome: Result<(), wasip1::Errno>) -> u8 {
    match outcome {
        Ok(()) => 0,
        Err(errno) => {
            eprintln!("probe: {what}: {}", name(errno));
            FAILED
        }
    }
}

/// The name that WASI gives to the error, or its number where the runtime has made one up.
fn name(errno: wasip1::Errno) -> String {
    if errno.raw() > wasip1::ERRNO_NOTCAPABLE.raw() {
        return errno.raw().to_string();
    }
    errno.name().to_lowercase()
}

/// The exit code for a runtime that did what was asked, and did it wrong.
pub fn wrong(sentence: &str) -> u8 {
    eprintln!("probe: {sentence}");
    WRONG
}
