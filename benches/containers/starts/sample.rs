//! What one start took.

use std::time::{Duration, SystemTime};

use shimmer_benches::results::containers::Program;
use shimmer_benches::summary::Summary;
use shimmer_node::Phases;

use crate::stamp;
use crate::turn::Ended;

/// The steps of one start, in milliseconds; none where there is no such step.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Sample {
    pub(super) sandbox: Option<f64>,
    pub(super) create: f64,
    pub(super) output: Option<f64>,
    pub(super) instruction: Option<f64>,
    pub(super) event: Option<f64>,
    pub(super) exit: f64,
    pub(super) delete: f64,
}

impl Sample {
    /// That of a task.
    pub(super) fn of(program: Program, ended: &Ended) -> Self {
        let stamp = (program == Program::Stamp).then(|| stamp::read(&ended.output.stdout)).flatten();
        Self {
            instruction: stamp.map(|stamp| between(ended.asked, stamp)),
            event: stamp.map(|stamp| between(stamp, ended.told)),
            ..Self::of_phases(&ended.output.phases)
        }
    }

    fn of_phases(phases: &Phases) -> Self {
        Self {
            create: milliseconds(phases.create),
            output: phases.output.map(milliseconds),
            exit: milliseconds(phases.start + phases.wait),
            delete: milliseconds(phases.delete),
            ..Self::default()
        }
    }

    pub(super) fn to_exit(self) -> Option<f64> {
        Some(self.sandbox.unwrap_or_default() + self.create + self.exit)
    }
}

/// Of one step of all of them.
pub(super) fn summary(samples: &[Sample], part: fn(&Sample) -> Option<f64>) -> Summary {
    Summary::of(samples.iter().filter_map(part).collect())
}

pub(super) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// Negative where somebody has set the clock meanwhile: such a figure is to be seen.
pub(super) fn between(begin: SystemTime, end: SystemTime) -> f64 {
    end.duration_since(begin).map_or_else(|error| -milliseconds(error.duration()), milliseconds)
}

#[cfg(test)]
mod tests {
    use shimmer_node::Output;

    use super::*;

    fn ended(stdout: &str) -> Ended {
        let at = |milliseconds| SystemTime::UNIX_EPOCH + Duration::from_millis(milliseconds);
        let phases = Phases {
            prepare: Duration::from_millis(1000),
            create: Duration::from_millis(5),
            start: Duration::from_millis(2),
            wait: Duration::from_millis(8),
            output: Some(Duration::from_millis(7)),
            delete: Duration::from_millis(3),
        };
        let (stdout, stderr) = (stdout.into(), Vec::new());
        let output = Output { code: 0, stdout, stderr, exited_at: at(0), phases };
        Ended { id: "a".into(), output, asked: at(100), told: at(110) }
    }

    #[test]
    fn the_guests_clock_divides_the_time_from_start_to_exit() {
        let sample = Sample::of(Program::Stamp, &ended("106000000\n"));
        assert_eq!((sample.instruction, sample.event), (Some(6.0), Some(4.0)));
        assert_eq!((sample.create, sample.output, sample.exit, sample.delete), (5.0, Some(7.0), 10.0, 3.0));
        assert_eq!(sample.to_exit(), Some(15.0), "the snapshot is made before");
    }

    #[test]
    fn no_other_program_has_stamps() {
        let sample = Sample::of(Program::Hello, &ended("106000000\n"));
        assert_eq!((sample.instruction, sample.event), (None, None));
    }

    #[test]
    fn a_step_that_was_not_there_has_no_samples() {
        let samples = [Sample { sandbox: Some(7.0), ..Sample::default() }, Sample::default()];
        assert_eq!(summary(&samples, |sample| sample.sandbox).samples, [7.0]);
        assert_eq!(samples[0].to_exit(), Some(7.0));
    }
}
