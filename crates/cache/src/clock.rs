use std::fs::{File, Metadata};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use rustix::fs::{Timestamps, UTIME_NOW, futimens};
use rustix::thread::nanosleep;
use rustix::time::{ClockId, Timespec, clock_gettime};

/// A moment of the clock that stamps files: seconds since 1970, and nanoseconds.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Time(i64, i64);

impl Time {
    pub(crate) fn new(seconds: i64, nanoseconds: i64) -> Self {
        Self(seconds, nanoseconds)
    }

    /// The time that a file would get which is changed now.
    pub(crate) fn now() -> Self {
        let Timespec { tv_sec, tv_nsec } = clock_gettime(ClockId::RealtimeCoarse);
        Self(tv_sec, tv_nsec)
    }

    /// Whether at least `seconds` have gone by since.
    pub(crate) fn is_older_than(self, seconds: i64) -> bool {
        Self::now() >= Self(self.0.saturating_add(seconds), self.1)
    }

    /// Waits until a change to a file that has this change time would give it another, which is a tick of the kernel
    /// and at most 10 ms away. False if the time is in the future, because somebody has set the clock.
    pub(crate) fn pass(self) -> bool {
        const STEPS: usize = 20;
        (0..STEPS).any(|_| {
            let passed = Self::now() > self;
            if !passed {
                // A signal may end it early, and the clock is asked again.
                let _ = nanosleep(&Timespec { tv_sec: 0, tv_nsec: 1_000_000 });
            }
            passed
        })
    }
}

/// The time since 1970, for names that must differ.
pub(crate) fn nanoseconds() -> u128 {
    SystemTime::UNIX_EPOCH.elapsed().map_or(0, |time| time.as_nanos())
}

/// Names the time since the kernel was started, or is `None` where that is not to be known.
pub(crate) fn boot() -> Option<&'static str> {
    static BOOT: OnceLock<Option<String>> = OnceLock::new();
    BOOT.get_or_init(|| {
        let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        Some(id.trim_end().to_owned()).filter(|id| !id.is_empty())
    })
    .as_deref()
}

/// Notes in a file's modification time that it is used now, at most once a minute: that is exact enough to tell what
/// was used last, and a file system that cannot be written has no need of it.
pub(crate) fn note_use(file: &File, metadata: &Metadata) {
    const EVERY: Duration = Duration::from_secs(60);
    let is_recent = |noted: SystemTime| noted.elapsed().is_ok_and(|age| age < EVERY);
    if !metadata.modified().is_ok_and(is_recent) {
        let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
        let _ = futimens(file, &Timestamps { last_access: now, last_modification: now });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_present_passes_and_the_future_does_not() {
        let now = Time::now();
        assert!(now.pass());
        assert!(Time::now() > now);
        assert!(!Time::new(now.0 + 3600, 0).pass());
    }

    #[test]
    fn a_time_is_young_until_its_seconds_are_over() {
        let Time(seconds, nanoseconds) = Time::now();
        assert!(!Time::new(seconds, nanoseconds).is_older_than(3600));
        assert!(Time::new(seconds - 3, nanoseconds).is_older_than(2));
        assert!(!Time::new(i64::MAX, 0).is_older_than(2));
    }
}
