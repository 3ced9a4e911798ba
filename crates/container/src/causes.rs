//! What libcontainer logs and does not return: why a process that it has forked could not become a container.
//!
//! Its error says "failed to prepare rootfs", its log which mount that was, and the log is written in another process, the
//! container's first. So the errors that it logs are kept in memory that a fork shares, for the sentence of the refusal.

use std::fmt::{self, Debug, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use tracing::field::{Field, Visit};
use tracing::metadata::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::Failure;

/// Keeps from now on what libcontainer logs as an error in this process and in those that it forks. Where there is no memory
/// for it, refusals are shorter.
pub(crate) fn keep() {
    if let Some(page) = Page::new()
        && PAGE.set(page).is_ok()
    {
        // A process has one subscriber; this one has none before.
        let _ = tracing::subscriber::set_global_default(Errors);
    }
}

/// Takes what was kept, the innermost error first, and adds it to what libcontainer returned.
pub(crate) fn explain(mut failure: Failure) -> Failure {
    let logged = PAGE.get().map(Page::take).unwrap_or_default();
    if !logged.is_empty() {
        failure = Failure::new(failure.kind, format!("{failure} ({logged})"));
    }
    failure
}

static PAGE: OnceLock<Page> = OnceLock::new();

/// Memory that forks share, of [`SIZE`] bytes of text behind their number.
struct Page(*mut u8);

// SAFETY: the number is atomic, and whoever has raised it writes only what it has reserved.
unsafe impl Send for Page {}
// SAFETY: as above.
unsafe impl Sync for Page {}

const PAGE_SIZE: usize = 4096;
const SIZE: usize = PAGE_SIZE - size_of::<AtomicUsize>();

impl Page {
    fn new() -> Option<Self> {
        let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
        // SAFETY: a mapping at a place of the kernel's choice, which is never unmapped.
        let page = unsafe { libc::mmap(std::ptr::null_mut(), PAGE_SIZE, access, kind, -1, 0) };
        (page != libc::MAP_FAILED).then_some(Self(page.cast()))
    }

    fn taken(&self) -> &AtomicUsize {
        // SAFETY: the page begins with it, zeroed and aligned, and lives for ever.
        unsafe { &*self.0.cast::<AtomicUsize>() }
    }

    /// Adds as much as there is room for.
    fn add(&self, text: &str) {
        let begin = self.taken().fetch_add(text.len(), Ordering::AcqRel).min(SIZE);
        let text = &text.as_bytes()[..text.len().min(SIZE - begin)];
        // SAFETY: between `begin` and the end of the text, which is within the page, nobody else writes: it was reserved.
        unsafe {
            let place = self.0.add(size_of::<AtomicUsize>() + begin);
            std::ptr::copy_nonoverlapping(text.as_ptr(), place, text.len());
        }
    }

    /// What was added since the last time, when those who added it have ended.
    fn take(&self) -> String {
        let taken = self.taken().swap(0, Ordering::AcqRel).min(SIZE);
        // SAFETY: so many bytes lie in the page behind the number; they are copied.
        let text = unsafe { std::slice::from_raw_parts(self.0.add(size_of::<AtomicUsize>()), taken) };
        String::from_utf8_lossy(text).into_owned()
    }
}

/// Takes libcontainer's errors and nothing else, so that a log line costs nothing.
struct Errors;

impl Subscriber for Errors {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::ERROR && metadata.target().starts_with("libcontainer")
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::ERROR)
    }

    fn event(&self, event: &Event<'_>) {
        let Some(page) = PAGE.get() else { return };
        let mut line = Line(String::new());
        if page.taken().load(Ordering::Acquire) > 0 {
            line.0.push_str("; ");
        }
        event.record(&mut line);
        page.add(&line.0);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// The fields of an event, in their order.
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // Writing into a string does not fail.
        let _: fmt::Result = match field.name() {
            "message" => write!(self.0, "{value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FailureKind;

    #[test]
    fn a_page_holds_what_fits_and_gives_it_once() {
        let page = Page::new().expect("memory");
        page.add("one");
        page.add(" and two");
        assert_eq!(page.take(), "one and two");
        assert_eq!(page.take(), "");
        page.add(&"x".repeat(SIZE + 1));
        page.add("no room");
        assert_eq!(page.take().len(), SIZE);
    }

    #[test]
    fn a_failure_says_what_only_the_log_of_a_fork_knows() {
        keep();
        let failure = || Failure::new(FailureKind::Internal, "failed to prepare rootfs");
        // SAFETY: the child calls what needs no other thread, and ends without unwinding.
        let child = unsafe { libc::fork() };
        if child == 0 {
            tracing::error!(target: "libcontainer::rootfs", "failed to mount {:?}", "/missing");
            tracing::error!(target: "another", "of no interest");
            tracing::info!(target: "libcontainer::rootfs", "of no interest either");
            // SAFETY: this ends the child.
            unsafe { libc::_exit(0) };
        }
        crate::creation::wait(child.unsigned_abs());
        assert_eq!(explain(failure()).message, "failed to prepare rootfs (failed to mount \"/missing\")");
        assert_eq!(explain(failure()), failure(), "it is said once");
    }
}
