//! criterion's statistics and pages of the samples, which were taken in turns before.

use std::path::Path;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, SamplingMode};
use shimmer_benches::host::Answer;

use crate::case::{Case, Subject};

/// Hands all samples to criterion, in groups like `compile/logs` and `run/fib`, in which the engines are the ids.
pub(crate) fn hand_over(cases: &[Case], folder: &Path) {
    tell(cases.iter(), folder, Criterion::default());
}

/// Hands over the samples of one start and one kernel, repeated until criterion takes them: that it works can be seen,
/// and what its pages say is nothing. They are in a folder of their own, for those of a full run stay.
pub(crate) fn try_out(cases: &[Case], folder: &Path) {
    let of = |kind: fn(&Subject) -> bool| cases.iter().find(|case| kind(&case.subject));
    let start = of(|subject| matches!(subject, Subject::Start { .. }));
    let kernel = of(|subject| matches!(subject, Subject::Kernel { .. }));
    let criterion = Criterion::default().nresamples(1000);
    tell(start.into_iter().chain(kernel), &folder.join("quick"), criterion);
}

fn tell<'a>(cases: impl Iterator<Item = &'a Case>, folder: &Path, criterion: Criterion) {
    let mut criterion = criterion.output_directory(folder).warm_up_time(SHORT).measurement_time(SHORT);
    for case in cases.filter(|case| case.failure.is_none()) {
        for (group, samples) in groups(case) {
            let mut group = criterion.benchmark_group(group);
            // Each sample is one that was taken: criterion asks once before the first, and that one comes again at the end.
            group.sample_size(samples.len().max(FEWEST)).sampling_mode(SamplingMode::Flat);
            let mut samples = samples.into_iter().cycle();
            group.bench_function(BenchmarkId::from_parameter(case.subject.engine()), |bencher| {
                bencher.iter_custom(|iterations| samples.by_ref().take(iterations as usize).sum());
            });
            group.finish();
        }
    }
    criterion.final_summary();
}

/// criterion takes no fewer.
pub(crate) const FEWEST: usize = 10;

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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tempfile::TempDir;

    use super::*;
    use crate::engine::Engine;
    use crate::kernel::Kernel;

    #[test]
    fn a_few_samples_are_enough_to_see_that_criterion_takes_them() {
        let shell = Engine::at(Path::new("/bin/sh"));
        let kernel = Kernel::of_name("fib").expect("it is one of ours");
        let subject = Subject::Kernel { kernel, size: 1, engine: shell.name.clone() };
        let mut case = Case::new(subject, &shell, Vec::new());
        let answer = |run| Answer { run: Duration::from_millis(run), ..Answer::default() };
        case.answers = vec![answer(20), answer(21)];
        let folder = TempDir::new().expect("a folder");
        try_out(&[case], folder.path());
        let page = folder.path().join("quick/report/index.html");
        assert!(page.exists(), "{}", page.display());
    }
}
