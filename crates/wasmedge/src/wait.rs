use std::ffi::c_int;
use std::io::{Error, ErrorKind};
use std::ptr;

/// `epoll_wait`, which libwasmedge calls for `poll_oneoff` and finds here before it looks into libc.
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
            return ready;
        }
    }
}
