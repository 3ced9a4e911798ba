//! What `ps` shows for the processes that are forked and never executed.

use std::ffi::CString;
use std::fs;

/// The argument with which a zygote is executed, so that there is room for titles: the kernel shows the memory in which
/// the arguments were.
pub(crate) const ROOM: usize = 192;

/// Where the arguments of this process were when it was executed, found once by the zygote.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Title {
    start: usize,
    length: usize,
}

impl Title {
    /// The memory of this process's arguments, if `/proc` tells.
    pub(crate) fn find() -> Option<Self> {
        /// The positions of `arg_start` and `arg_end` in proc_pid_stat(5), counted behind the name in parentheses.
        const START: usize = 45;
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        let (_, fields) = stat.rsplit_once(')')?;
        let mut fields = fields.split_whitespace().skip(START);
        let start: usize = fields.next()?.parse().ok()?;
        let end: usize = fields.next()?.parse().ok()?;
        let length = end.checked_sub(start)?;
        (start != 0 && length >= ROOM).then_some(Self { start, length })
    }

    /// Shows `text` as the process's command line, cut to the room that there is, and its beginning as its name.
    pub(crate) fn show(self, name: &str, text: &str) {
        let mut bytes = vec![0_u8; self.length];
        let kept = text.len().min(self.length - 1);
        bytes[..kept].copy_from_slice(&text.as_bytes()[..kept]);
        // SAFETY: the kernel has put the arguments there, in memory of this process's own that is writable and that
        // nothing refers to any more: Rust's standard library copies arguments when it is asked for them, which only
        // `main` does, before the zygote forks.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.start as *mut u8, self.length) };
        if let Ok(name) = CString::new(name.replace('\0', "")) {
            // SAFETY: PR_SET_NAME copies at most 16 bytes of a C string.
            unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
        }
    }
}
