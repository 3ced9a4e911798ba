//! A line that says what is being done, and for how long still.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// The steps of one part of a run, which take about as long as each other.
#[derive(Debug)]
pub struct Progress {
    part: &'static str,
    steps: usize,
    begun: usize,
    begin: Instant,
}

impl Progress {
    /// None of the steps has begun.
    #[must_use]
    pub fn new(part: &'static str, steps: usize) -> Self {
        Self { part, steps, begun: 0, begin: Instant::now() }
    }

    /// The next step begins.
    pub fn step(&mut self, what: &str) {
        let left = left(self.begin.elapsed(), self.begun, self.steps).map(in_words).unwrap_or_default();
        self.begun += 1;
        line(&format!("{}: {what} ({} of {}){left}", self.part, self.begun, self.steps));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        line("");
    }
}

/// One line that the next one replaces; a line each where the output goes to a file.
pub fn line(what: &str) {
    if io::stdout().is_terminal() {
        print!("\r\x1b[K{what}");
    } else if !what.is_empty() {
        println!("{what}");
    }
    // A terminal that is gone is noticed by the next line that matters.
    let _ = io::stdout().flush();
}

/// How long the rest takes, if it goes on like this; unknown before the first step is done.
fn left(elapsed: Duration, done: usize, steps: usize) -> Option<Duration> {
    let rest = steps.saturating_sub(done) as f64;
    (done > 0).then(|| elapsed.mul_f64(rest / done as f64))
}

fn in_words(left: Duration) -> String {
    let seconds = left.as_secs_f64().ceil();
    if seconds < 90.0 {
        format!(", about {seconds} s left of this part")
    } else {
        format!(", about {} min left of this part", (seconds / 60.0).round())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_takes_as_long_for_each_step_as_the_steps_before() {
        let elapsed = Duration::from_secs(10);
        assert_eq!(left(elapsed, 0, 5), None, "nothing is known yet");
        assert_eq!(left(elapsed, 1, 5), Some(Duration::from_secs(40)));
        assert_eq!(left(elapsed, 4, 5), Some(Duration::from_millis(2500)));
        assert_eq!(left(elapsed, 6, 5), Some(Duration::ZERO));
    }

    #[test]
    fn nobody_waits_for_fractions() {
        assert_eq!(in_words(Duration::from_millis(2500)), ", about 3 s left of this part");
        assert_eq!(in_words(Duration::from_secs(100)), ", about 2 min left of this part");
    }
}
