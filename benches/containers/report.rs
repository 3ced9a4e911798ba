//! What is said of all that was measured.

mod table;
pub(crate) mod text;

use shimmer_benches::machine::Machine;
use shimmer_benches::results::containers::{Containers, NOT_INSTALLED, Starts};
use shimmer_benches::results::query::Setting;
use shimmer_benches::results::target::{FLOOR, RUNC, old_names};

/// A reader of the results.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report<'a> {
    pub(crate) machine: &'a Machine,
    pub(crate) found: &'a Containers,
}

/// Draws what follows from the figures, when all are there.
pub(crate) fn close(found: &mut Containers) {
    let floor = found.start_of(FLOOR, found.small(), Setting::WARM);
    found.noise = floor.map(|row| row.to_exit.spread());
    let shims = found.shim_starts.iter().map(|row| (&row.target, &row.failure));
    let starts = found.starts.iter().map(|row| (&row.target, &row.failure));
    let throughput = found.throughput.iter().map(|row| (&row.target, &row.failure));
    let memory = found.memory.iter().map(|row| (&row.target, &row.failure));
    let http = found.http.iter().map(|row| (&row.target, &row.failure));
    let all = shims.chain(starts).chain(throughput).chain(memory).chain(http);
    let all = all.filter_map(|(target, failure)| Some((target, failure.as_ref()?)));
    let failed = all.filter(|(_, failure)| !is_excused(failure));
    let failures: Vec<String> = failed.map(|(target, failure)| format!("{target}: {failure}")).collect();
    found.failures.extend(failures);
}

/// Whether something has no figures and yet nothing failed: the engine claims no such thing, which its host says in
/// these words and in no others, or somebody has not installed what is only compared with.
fn is_excused(failure: &str) -> bool {
    ["which this engine does not provide", NOT_INSTALLED].iter().any(|words| failure.contains(words))
}

impl<'a> Report<'a> {
    /// The same measurement of runc, whose image is another one.
    fn runc(self, row: &Starts) -> Option<&'a Starts> {
        self.found.start_of(RUNC, row.program, row.setting())
    }

    /// The same measurement of the old host.
    fn old(self, row: &Starts) -> Option<&'a Starts> {
        let find = |old: String| self.found.start(&old, row.program, row.image, row.setting());
        old_names(&row.target).into_iter().find_map(find)
    }

    fn old_throughput(self, target: &str, at_once: usize) -> Option<f64> {
        let old = old_names(target).into_iter().find_map(|old| self.found.throughput_of(&old, at_once));
        old.map(|old| old.per_second.median)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use shimmer_benches::results::containers::{Form, Heat, Http, Level, Program, Store, Throughput};
    use shimmer_benches::summary::Summary;

    use super::*;

    fn start(target: &str, heat: Heat, times: &[f64]) -> Starts {
        let [sandbox, create, output, instruction, event, exit, delete] =
            [(); 7].map(|()| Summary::of(Vec::new()));
        Starts {
            target: target.into(),
            program: Program::Hello,
            image: Form::Rootfs,
            level: Level::Task,
            heat,
            store: Store::Memory,
            to_exit: Summary::of(times.to_vec()),
            sandbox,
            create,
            output,
            instruction,
            event,
            exit,
            delete,
            failure: None,
        }
    }

    /// As a shim says it, see `Info::admit` of the engines.
    const REFUSAL: &str = "the program needs the component model, which this engine does not provide";

    fn machine() -> Machine {
        let [processor, kernel, cgroup, revision] = ["p", "k", "v2", "r"].map(str::to_owned);
        Machine { processor, cores: 2, kernel, cgroup, revision, tools: BTreeMap::new() }
    }

    #[test]
    fn like_is_compared_with_like() {
        let mut found = Containers {
            starts: vec![
                start(FLOOR, Heat::Cold, &[7.0]),
                start(FLOOR, Heat::Warm, &[4.0, 5.0, 6.0]),
                start("wasmtime", Heat::Warm, &[25.0]),
                start("wasmtime", Heat::Cold, &[75.0]),
                start("runwasi", Heat::Warm, &[50.0]),
                Starts { image: Form::Native, ..start(RUNC, Heat::Warm, &[100.0]) },
            ],
            ..Containers::default()
        };
        close(&mut found);
        assert_eq!(found.noise, Some(0.2), "of warm starts");
        let machine = machine();
        let report = Report { machine: &machine, found: &found };
        let above: Vec<_> = found.starts[2..4].iter().map(|row| found.above_floor(row)).collect();
        assert_eq!(above, [Some(20.0), Some(68.0)]);
        let old: Vec<_> =
            found.starts[2..4].iter().map(|row| Some(report.old(row)?.to_exit.median)).collect();
        assert_eq!(old, [Some(50.0), None], "the old host was not started cold");
        let text = text::render(report);
        assert!(text.contains("warm starts") && text.contains("cold starts"), "{text}");
        // A quarter of runc's time and half of the old host's, before any milliseconds.
        assert!(text.lines().any(|line| line.contains("wasmtime     0.25    0.50")), "{text}");
    }

    #[test]
    fn what_failed_is_said_once() {
        let failure = Some("it is broken".to_owned());
        let mut found = Containers::default();
        found.starts.push(Starts { failure: failure.clone(), ..start("wasmtime", Heat::Warm, &[]) });
        found.starts.push(Starts {
            program: Program::Python,
            failure: Some(REFUSAL.to_owned()),
            ..start("wasmer", Heat::Warm, &[])
        });
        found.throughput.push(Throughput {
            target: "wasmedge".into(),
            image: Form::Artifact,
            at_once: 4,
            burst: 12,
            per_second: Summary::of(Vec::new()),
            failure,
        });
        close(&mut found);
        assert_eq!(found.failures, ["wasmtime: it is broken", "wasmedge: it is broken"]);
        let machine = machine();
        let text = text::render(Report { machine: &machine, found: &found });
        assert_eq!(text.matches("no figures: it is broken").count(), 2, "{text}");
        assert!(text.contains("no figures: the program needs"), "{text}");
    }

    #[test]
    fn a_refusal_is_no_failure_where_the_engine_claims_nothing_else() {
        let [per_second, latency, p99] = [(); 3].map(|()| Summary::of(Vec::new()));
        let server = |failure: &str| Http {
            target: "wasmtime".into(),
            clients: 0,
            per_second: per_second.clone(),
            latency: latency.clone(),
            p99: p99.clone(),
            failure: Some(failure.to_owned()),
        };
        let python = |failure: &str| Starts {
            program: Program::Python,
            failure: Some(failure.to_owned()),
            ..start("wasmtime", Heat::Warm, &[])
        };
        let mut found = Containers {
            http: vec![server(REFUSAL), server(NOT_INSTALLED), server("it ended with 1")],
            starts: vec![python(REFUSAL), python("it trapped")],
            ..Containers::default()
        };
        close(&mut found);
        assert_eq!(found.failures, ["wasmtime: it trapped", "wasmtime: it ended with 1"]);
    }
}
