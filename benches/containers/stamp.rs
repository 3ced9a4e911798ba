//! What the time was when a guest looked at the clock.

use std::time::{Duration, SystemTime};

/// The time that the program `stamp` wrote: a number of nanoseconds since 1970, or what busybox's `adjtimex` says.
pub(crate) fn read(stdout: &[u8]) -> Option<SystemTime> {
    let text = str::from_utf8(stdout).ok()?;
    let since = match text.trim().parse() {
        Ok(nanoseconds) => Duration::from_nanos(nanoseconds),
        Err(_) => of_adjtimex(text)?,
    };
    Some(SystemTime::UNIX_EPOCH + since)
}

fn of_adjtimex(text: &str) -> Option<Duration> {
    let number =
        |name: &str| text.lines().find_map(|line| line.split_once(name)?.1.trim().parse::<u64>().ok());
    let (seconds, fraction) = (number("time.tv_sec:")?, number("time.tv_usec:")?);
    // The kernel can be told to count nanoseconds there, which a machine's time service may have done.
    let is_nano = text.lines().any(|line| line.contains("status:") && line.contains("NANO"));
    let fraction = if is_nano { Duration::from_nanos(fraction) } else { Duration::from_micros(fraction) };
    Some(Duration::from_secs(seconds) + fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_nanoseconds_since_1970() {
        let time = read(b"1795796590840779001\n").expect("a time");
        let since = time.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
        assert_eq!(since, Duration::new(1_795_796_590, 840_779_001));
        assert_eq!(read(b"hello\n"), None);
        assert_eq!(read(b""), None);
    }

    #[test]
    fn reads_what_busybox_writes() {
        let of = |status| {
            format!(
                "    mode:         0\n    status:       {status}\n    time.tv_sec:  7\n    time.tv_usec: 840779\n"
            )
        };
        let since = |text: String| read(text.as_bytes())?.duration_since(SystemTime::UNIX_EPOCH).ok();
        assert_eq!(since(of("64 (UNSYNC)")), Some(Duration::new(7, 840_779_000)));
        assert_eq!(since(of("8193 (PLL NANO)")), Some(Duration::new(7, 840_779)));
    }
}
