use std::mem::{self, MaybeUninit};
use std::os::fd::{IntoRawFd, OwnedFd};
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

use shimmer_engine::Stopper;

/// The signals that end a native process which has no handler for them, less those by which engines find traps
/// (SEGV, BUS, FPE, ILL, TRAP, ABRT), SIGPIPE, for which a guest gets an error, and KILL, which nobody handles.
const ENDING: [libc::c_int; 14] = [
    libc::SIGALRM,
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGIO,
    libc::SIGPROF,
    libc::SIGPWR,
    libc::SIGQUIT,
    libc::SIGSTKFLT,
    libc::SIGTERM,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGVTALRM,
    libc::SIGXCPU,
    libc::SIGXFSZ,
];

/// The first signal that asked a draining guest to end; 0 for none.
static RECEIVED: AtomicI32 = AtomicI32::new(0);
/// Where a draining guest is told.
static STOPPER: AtomicI32 = AtomicI32::new(-1);

/// Keeps signals until [`receive`]: one that is sent while the guest is not running yet would find no handler, and the
/// first process of a namespace does not hear of those.
pub(crate) fn hold() {
    // SAFETY: the set is initialised by sigemptyset, and blocking signals touches no memory.
    unsafe {
        let mut held = MaybeUninit::<libc::sigset_t>::uninit();
        libc::sigemptyset(held.as_mut_ptr());
        for signal in received_signals() {
            libc::sigaddset(held.as_mut_ptr(), signal);
        }
        libc::pthread_sigmask(libc::SIG_BLOCK, held.as_ptr(), ptr::null_mut());
    }
}

/// Makes signals end the guest, which as the first process of its namespace would otherwise never see them.
///
/// Without `drains` a guest ends at once, whatever it does. With it, the first signal fires `stopper`, and the second
/// ends it.
pub(crate) fn receive(drains: bool, stopper: Stopper) {
    let handler: extern "C" fn(libc::c_int) = if drains { drain } else { end };
    STOPPER.store(OwnedFd::from(stopper).into_raw_fd(), Ordering::SeqCst);
    for signal in received_signals() {
        install(signal, handler);
    }
    // SAFETY: both sets are initialised by sigemptyset, and unblocking signals touches no memory.
    unsafe {
        let mut none = MaybeUninit::<libc::sigset_t>::uninit();
        libc::sigemptyset(none.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, none.as_ptr(), ptr::null_mut());
    }
}

/// The signal that a draining guest was asked to end by.
pub(crate) fn received() -> Option<libc::c_int> {
    Some(RECEIVED.load(Ordering::SeqCst)).filter(|signal| *signal != 0)
}

fn received_signals() -> impl Iterator<Item = libc::c_int> {
    ENDING.into_iter().chain(libc::SIGRTMIN()..=libc::SIGRTMAX())
}

fn install(signal: libc::c_int, handler: extern "C" fn(libc::c_int)) {
    // SAFETY: a zeroed sigaction is a valid one, and both handlers call only what is safe in a handler: atomics,
    // write(2) and _exit(2).
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        action.sa_sigaction = handler as *const () as usize;
        action.sa_flags = libc::SA_RESTART;
        libc::sigemptyset(&raw mut action.sa_mask);
        libc::sigaction(signal, &raw const action, ptr::null_mut());
    }
}

extern "C" fn end(signal: libc::c_int) {
    // SAFETY: _exit(2) is safe in a handler. exit(3) is not: it runs destructors under the feet of the guest.
    unsafe { libc::_exit(128 + signal) }
}

extern "C" fn drain(signal: libc::c_int) {
    if RECEIVED.compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst).is_err() {
        end(signal);
    }
    // SAFETY: write(2) is safe in a handler; the descriptor was given away to this module and is never closed.
    unsafe { libc::write(STOPPER.load(Ordering::SeqCst), b"!".as_ptr().cast(), 1) };
}
