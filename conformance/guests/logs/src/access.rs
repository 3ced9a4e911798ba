//! The log of a server in JSON: what was asked for, and how it was answered.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;

use regex::Regex;
use serde::Deserialize;

/// One line of the log.
#[derive(Debug, Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    client: &'a str,
    #[serde(borrow)]
    path: Cow<'a, str>,
    status: u16,
    milliseconds: f64,
    #[serde(default)]
    tags: Vec<String>,
}

/// What is known of one kind of path.
#[derive(Debug, Default)]
struct Count {
    requests: u32,
    failures: u32,
    milliseconds: f64,
    tags: BTreeMap<String, u32>,
}

/// Makes a log of `lines`, reads it, and tells of it in five lines at most.
#[must_use]
pub fn access(lines: u32) -> String {
    tell(&count(&log(lines)))
}

fn log(lines: u32) -> String {
    let mut log = String::new();
    let mut random = 7_u32;
    for line in 0..lines {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let [kind, number, status, client] = random.to_be_bytes();
        let path = match kind % 5 {
            0 => format!("/users/{number}/orders/{line}"),
            1 => format!("/static/app.{number:02x}.js"),
            2 => format!("/search?q=caf\\u00e9+{number}"),
            3 => format!("/health-{number}"),
            _ => "/".to_owned(),
        };
        let status = if status < 25 { 500 } else { 200 };
        // A string never fails to grow.
        let _ = writeln!(
            log,
            r#"{{"client":"10.0.{client}.{number}","path":"{path}","status":{status},"milliseconds":{}.{kind},"tags":["zone-{}","build {line}"]}}"#,
            line % 97,
            number % 3,
        );
    }
    log
}

fn count(log: &str) -> BTreeMap<&'static str, Count> {
    let kinds = [
        ("orders", r"^/users/\d+/orders/\d+$"),
        ("script", r"^/static/[\w.]+\.js$"),
        ("search", r"(?i)^/search\?q=\p{Letter}+\+\d+$"),
        ("health", r"^/health-\d{1,3}$"),
    ];
    let kinds = kinds.map(|(name, pattern)| (name, Regex::new(pattern).expect("a pattern of ours")));
    let ours = Regex::new(r"^10\.0\.(\d+)\.\d+$").expect("a pattern of ours");
    let mut counts: BTreeMap<&str, Count> = BTreeMap::new();
    for line in log.lines() {
        let Ok(request) = serde_json::from_str::<Request<'_>>(line) else {
            counts.entry("unread").or_default().requests += 1;
            continue;
        };
        let kind = kinds.iter().find(|(_, pattern)| pattern.is_match(&request.path));
        let count = counts.entry(kind.map_or("other", |(name, _)| name)).or_default();
        count.requests += 1;
        count.failures += u32::from(request.status >= 500);
        count.milliseconds += request.milliseconds;
        let zone = ours.captures(request.client).map_or(0, |found| found[1].len());
        for tag in request.tags.into_iter().take(zone) {
            *count.tags.entry(tag).or_default() += 1;
        }
    }
    counts
}

fn tell(counts: &BTreeMap<&str, Count>) -> String {
    let line = |(kind, count): (&&str, &Count)| {
        let tag = count.tags.iter().max_by_key(|(_, number)| **number).map_or("-", |(tag, _)| tag);
        let mean = count.milliseconds / f64::from(count.requests);
        format!("{kind} {} {} {mean:.3} {tag}", count.requests, count.failures)
    };
    counts.iter().map(line).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_counted_once() {
        let counts = count(&log(1000)).values().map(|count| count.requests).collect::<Vec<_>>();
        assert_eq!(counts.iter().sum::<u32>(), 1000, "{counts:?}");
        assert!(counts.len() == 5 && counts.iter().all(|count| *count > 100), "{counts:?}");
    }

    #[test]
    fn tells_a_known_result() {
        assert_eq!(
            access(100),
            "health 21 3 53.690 zone-2; orders 20 4 53.317 zone-2; other 19 0 45.076 zone-2; script 22 1 37.306 zone-2; search 18 1 45.581 zone-1"
        );
    }
}
