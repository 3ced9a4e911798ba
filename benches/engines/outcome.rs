//! What follows from the samples.

use std::time::Duration;

use shimmer_benches::host::Answer;
use shimmer_benches::results::engines::{Engines, Kernel, NATIVE, Program};
use shimmer_benches::summary::Summary;

use crate::case::{Case, Subject};
use crate::engine::Engine;

/// The results, as the JSON file has them.
pub(crate) fn of(engines: &[Engine], cases: &[Case], rounds: usize) -> Engines {
    let versions = engines.iter().map(|engine| (engine.name.clone(), engine.version.clone()));
    let mut outcome = Engines { rounds, engines: versions.collect(), ..Engines::default() };
    for case in cases {
        match &case.subject {
            Subject::Kernel { .. } => outcome.kernels.extend(kernel(case)),
            _ => add(case, &mut outcome.programs),
        }
    }
    compare(&mut outcome);
    outcome
}

/// Adds what a case knows of its program.
fn add(case: &Case, programs: &mut Vec<Program>) {
    let (Subject::Compile { program, engine }
    | Subject::Source { program, engine }
    | Subject::Start { program, engine }) = &case.subject
    else {
        return;
    };
    let place = programs.iter().position(|row| row.engine == *engine && row.program == program.name);
    let place = place.unwrap_or_else(|| {
        let (engine, name) = (engine.clone(), program.name.clone());
        programs.push(Program {
            engine,
            program: name,
            wasm_bytes: program.wasm_bytes,
            ..Program::default()
        });
        programs.len() - 1
    });
    let row = &mut programs[place];
    match &case.subject {
        Subject::Compile { .. } => {
            row.compiled_bytes = case.bytes;
            row.compile = times(case, |answer| answer.compile);
            row.compile_peak = peak(case);
        }
        Subject::Source { .. } => row.load_source = times(case, |answer| answer.load + answer.run),
        _ => {
            row.load_compiled = times(case, |answer| answer.load);
            row.instantiate = times(case, |answer| answer.run);
            row.run_peak = peak(case);
        }
    }
    row.failure = row.failure.take().or_else(|| case.failure.clone());
}

fn kernel(case: &Case) -> Option<Kernel> {
    let Subject::Kernel { kernel, size, engine } = &case.subject else { return None };
    Some(Kernel {
        kernel: kernel.name.to_owned(),
        kind: kernel.kind.to_owned(),
        engine: engine.clone(),
        size: *size,
        run: times(case, |answer| answer.run),
        peak: peak(case),
        of_native: None,
        failure: case.failure.clone(),
    })
}

/// Sets every engine beside native code, and takes native code's spread for the machine's.
fn compare(outcome: &mut Engines) {
    let natives = outcome.kernels.iter().filter(|row| row.engine == NATIVE && row.failure.is_none());
    let natives: Vec<(String, Summary)> = natives.map(|row| (row.kernel.clone(), row.run.clone())).collect();
    for row in outcome.kernels.iter_mut().filter(|row| row.failure.is_none()) {
        let native = natives.iter().find(|(kernel, _)| *kernel == row.kernel);
        row.of_native = native.map(|(_, native)| row.run.median / native.median);
    }
    let spreads: Vec<f64> = natives.iter().map(|(_, run)| run.spread()).collect();
    outcome.noise = (!spreads.is_empty()).then(|| Summary::of(spreads).median);
}

fn times(case: &Case, figure: fn(&Answer) -> Duration) -> Summary {
    let times: Vec<Duration> = case.answers.iter().map(figure).collect();
    Summary::of_times(&times)
}

/// The median of the peaks, in MiB; 0 where there are none, since JSON has no NaN.
fn peak(case: &Case) -> f64 {
    if case.answers.is_empty() {
        return 0.0;
    }
    Summary::of(case.answers.iter().map(|answer| answer.peak as f64 / 1024.0).collect()).median
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_are_set_beside_native_code_of_the_same_kernel() {
        let row = |kernel: &str, engine: &str, milliseconds: f64| Kernel {
            kernel: kernel.into(),
            engine: engine.into(),
            run: Summary::of(vec![milliseconds]),
            ..Kernel::default()
        };
        let mut outcome = Engines {
            kernels: vec![row("fib", "a", 30.0), row("fib", NATIVE, 20.0), row("sieve", "a", 5.0)],
            ..Engines::default()
        };
        compare(&mut outcome);
        let ratios: Vec<Option<f64>> = outcome.kernels.iter().map(|row| row.of_native).collect();
        assert_eq!(ratios, [Some(1.5), Some(1.0), None]);
        assert_eq!(outcome.noise, Some(0.0));
    }
}
