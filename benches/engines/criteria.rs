//! criterion's statistics and pages of the samples, which were taken in turns before.

use std::path::Path;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, SamplingMode};
use shimmer_benches::host::Answer;

use crate::case::{Case, Subject};

/// Hands all samples to criterion, in groups like `compile/logs` and `run/fib`, in which the engines are the ids.
pub(crate) fn hand_over(cases: &[Case], folder: &Path) {
    let mut criterion =
        Criterion::default().output_directory(folder).warm_up_time(SHORT).measurement_time(SHORT);
    for case in cases.iter().filter(|case| case.failure.is_none()) {
        for (group, samples) in groups(case) {
            let mut group = criterion.benchmark_group(group);
            // Each sample is one that was taken: criterion asks once before the first, and that one comes again at the end.
            group.sample_size(samples.len()).sampling_mode(SamplingMode::Flat);
            let mut samples = samples.into_iter().cycle();
            group.bench_function(BenchmarkId::from_parameter(case.subject.engine()), |bencher| {
                bencher.iter_custom(|iterations| samples.by_ref().take(iterations as usize).sum());
            });
            group.finish();
        }
    }
    criterion.final_summary();
}

/// The groups that a case belongs to, with its samples for each.
fn groups(case: &Case) -> Vec<(String, Vec<Duration>)> {
    let samples = |figure: fn(&Answer) -> Duration| case.answers.iter().map(figure).collect::<Vec<_>>();
    match &case.subject {
        Subject::Compile { program, .. } => {
            vec![(format!("compile/{}", program.name), samples(|it| it.compile))]
        }
        Subject::Source { program, .. } => {
            vec![(format!("load-source/{}", program.name), samples(|it| it.load + it.run))]
        }
        Subject::Start { program, .. } => vec![
            (format!("load-compiled/{}", program.name), samples(|it| it.load)),
            (format!("instantiate/{}", program.name), samples(|it| it.run)),
        ],
        Subject::Kernel { kernel, size, .. } => {
            let run = samples(|it| it.run);
            let calls = kernel.is_of_calls().then(|| run.iter().map(|run| *run / *size).collect());
            let calls = calls.map(|calls| (format!("call/{}", kernel.name), calls));
            [(format!("run/{}", kernel.name), run)].into_iter().chain(calls).collect()
        }
    }
}

/// criterion takes one iteration for a sample where it has no time for more.
const SHORT: Duration = Duration::from_nanos(1);
