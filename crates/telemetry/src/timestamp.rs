//! A moment as containerd's log writes it.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// RFC 3339 in UTC, always with nine digits of a second: lines sort as text.
pub(crate) struct Timestamp(pub(crate) SystemTime);

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A clock before 1970 is a machine without one.
        let since = self.0.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let (year, month, day) = date(since.as_secs() / DAY);
        let second = since.as_secs() % DAY;
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        let nanos = since.subsec_nanos();
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nanos:09}Z")
    }
}

const DAY: u64 = 24 * 60 * 60;

/// The date that is so many days after 1970-01-01.
///
/// Years are counted from March, so that a leap day is the last day of its year, and in eras of 400 years, which all
/// have the same length.
fn date(days: u64) -> (u64, u64, u64) {
    const TO_1970_FROM_MARCH_0000: u64 = 719_468;
    const ERA: u64 = 146_097;
    let days = days + TO_1970_FROM_MARCH_0000;
    let (era, day) = (days / ERA, days % ERA);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_date_writes_them() {
        for (seconds, nanos, text) in [
            (0, 0, "1970-01-01T00:00:00.000000000Z"),
            (951_782_400, 1, "2000-02-29T00:00:00.000000001Z"),
            (1_709_251_199, 999_999_999, "2024-02-29T23:59:59.999999999Z"),
            (1_795_759_311, 123_456_789, "2026-11-27T06:01:51.123456789Z"),
            (4_107_542_400, 0, "2100-03-01T00:00:00.000000000Z"),
        ] {
            assert_eq!(Timestamp(UNIX_EPOCH + Duration::new(seconds, nanos)).to_string(), text);
        }
    }
}
