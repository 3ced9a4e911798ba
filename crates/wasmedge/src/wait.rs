//! What libwasmedge calls of libc for `poll_oneoff`, and finds here before it looks there.

use std::cell::RefCell;
use std::ffi::c_int;
use std::io::{Error, ErrorKind};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr;

thread_local! {
    /// What is ready in place of a file, and in which epoll. WasmEdge names its files and waits for them on one thread.
    static STAND_INS: RefCell<Vec<(c_int, OwnedFd)>> = const { RefCell::new(Vec::new()) };
}

/// `epoll_ctl`, for which a file that cannot be waited for is ready, as it is for `poll(2)`.
///
/// The kernel refuses such a file, `/dev/null` as the stdin of a pod for example. WasmEdge would report the refusal to the
/// guest, and only once something else has come, which may be never. So something that is ready stands in for the file until
/// the next wait.
///
/// # Safety
/// As for `epoll_ctl(2)`: what is added or changed has its `event`.
// SAFETY: this is the signature of the C library's function, and its contract.
#[unsafe(no_mangle)]
unsafe extern "C" fn epoll_ctl(
    epoll: c_int,
    operation: c_int,
    file: c_int,
    event: *mut libc::epoll_event,
) -> c_int {
    // SAFETY: the caller answers for `event`.
    let outcome = unsafe { control(epoll, operation, file, event) };
    let refused = outcome < 0 && Error::last_os_error().kind() == ErrorKind::PermissionDenied;
    if !refused || operation == libc::EPOLL_CTL_DEL {
        return outcome;
    }
    // SAFETY: it has no memory to answer for, and gives a descriptor of its own.
    let ready = unsafe { libc::eventfd(1, libc::EFD_CLOEXEC) };
    if ready < 0 {
        return ready;
    }
    // SAFETY: it was made just now, and nobody else has it.
    let ready = unsafe { OwnedFd::from_raw_fd(ready) };
    // SAFETY: the caller answers for `event`.
    let outcome = unsafe { control(epoll, libc::EPOLL_CTL_ADD, ready.as_raw_fd(), event) };
    if outcome == 0 {
        STAND_INS.with_borrow_mut(|stand_ins| stand_ins.push((epoll, ready)));
    }
    outcome
}

/// The system call itself.
///
/// # Safety
/// As for `epoll_ctl(2)`.
unsafe fn control(epoll: c_int, operation: c_int, file: c_int, event: *mut libc::epoll_event) -> c_int {
    // SAFETY: the caller answers for `event`. The kernel answers with 0 or -1, which every `c_int` can hold.
    unsafe { libc::syscall(libc::SYS_epoll_ctl, epoll, operation, file, event) as c_int }
}

/// `epoll_wait`, which goes on where it was interrupted.
///
/// The freezer that holds a paused guest interrupts this call on its way back, as any signal that is handled would.
/// WasmEdge reports that to the guest as a failed `poll_oneoff`, and a Rust guest panics of a sleep that failed. So a
/// wait without an end goes on. One with an end reports its interruption as ever: its caller knows what is left of it.
///
/// # Safety
/// As for `epoll_wait(2)`: `events` has room for `most` of them.
// SAFETY: this is the signature of the C library's function, and its contract.
#[unsafe(no_mangle)]
unsafe extern "C" fn epoll_wait(
    epoll: c_int,
    events: *mut libc::epoll_event,
    most: c_int,
    timeout: c_int,
) -> c_int {
    loop {
        // SAFETY: the caller answers for `events` and `most`; without a mask this is `epoll_wait` itself.
        let ready = unsafe { libc::epoll_pwait(epoll, events, most, timeout, ptr::null()) };
        let interrupted = ready < 0 && Error::last_os_error().kind() == ErrorKind::Interrupted;
        if !interrupted || timeout > 0 {
            // WasmEdge names a file anew before each wait, and closed ones must not be told of.
            STAND_INS.with_borrow_mut(|stand_ins| stand_ins.retain(|(of, _)| *of != epoll));
            return ready;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io;

    use super::*;

    /// An epoll that waits for a pipe that stays silent, and for a file that cannot be waited for.
    struct Bench {
        epoll: OwnedFd,
        file: File,
        pipe: (io::PipeReader, io::PipeWriter),
    }

    impl Bench {
        fn new(path: &str) -> Self {
            // SAFETY: it has no memory to answer for, and gives a descriptor of its own.
            let epoll = unsafe { OwnedFd::from_raw_fd(libc::epoll_create1(libc::EPOLL_CLOEXEC)) };
            let file = File::open(path).expect("it is there");
            let pipe = io::pipe().expect("a pipe");
            let bench = Self { epoll, file, pipe };
            assert_eq!(bench.control(libc::EPOLL_CTL_ADD, bench.pipe.0.as_raw_fd(), 1), 0);
            bench
        }

        fn control(&self, operation: c_int, file: c_int, name: u64) -> c_int {
            let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: name };
            // SAFETY: the event lives until it returns.
            unsafe { epoll_ctl(self.epoll.as_raw_fd(), operation, file, &raw mut event) }
        }

        /// The names of what is ready.
        fn waits(&self, timeout: c_int) -> Vec<u64> {
            let mut events = [libc::epoll_event { events: 0, u64: 0 }; 4];
            // SAFETY: there is room for four.
            let count = unsafe { epoll_wait(self.epoll.as_raw_fd(), events.as_mut_ptr(), 4, timeout) };
            events[..usize::try_from(count).expect("it does not fail")]
                .iter()
                .map(|event| event.u64)
                .collect()
        }
    }

    #[test]
    fn a_file_that_cannot_be_waited_for_is_ready() {
        for path in ["/dev/null", "/proc/self/exe"] {
            let bench = Bench::new(path);
            for operation in [libc::EPOLL_CTL_ADD, libc::EPOLL_CTL_MOD] {
                assert_eq!(bench.control(operation, bench.file.as_raw_fd(), 2), 0, "{path}");
                assert_eq!(bench.waits(-1), [2], "{path}");
            }
        }
    }

    #[test]
    fn nothing_is_told_of_a_file_that_is_not_named_again() {
        let bench = Bench::new("/dev/null");
        assert_eq!(bench.control(libc::EPOLL_CTL_ADD, bench.file.as_raw_fd(), 2), 0);
        assert_eq!(bench.waits(-1), [2]);
        assert_eq!(bench.waits(0), [0; 0], "it may have been closed");
    }

    #[test]
    fn what_is_wrong_is_refused_as_ever() {
        let bench = Bench::new("/dev/null");
        assert_eq!(bench.control(libc::EPOLL_CTL_ADD, -1, 2), -1);
        assert_eq!(Error::last_os_error().raw_os_error(), Some(libc::EBADF));
    }
}
