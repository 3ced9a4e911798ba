//! Benches that run on every engine alike, beside a native build of the same source.
//!
//! A guest runs once in its process, as in a container, so each run is a child process of the bench, which loads a
//! compiled file and reports how long loading and running took.

mod child;
#[expect(unreachable_pub, reason = "the guest's own crate shares this file, and there it is public")]
#[path = "../../conformance/guests/compute/src/kernel.rs"]
mod kernel;
#[expect(unreachable_pub, reason = "the guest's own crate shares this file, and there it is public")]
#[path = "../../conformance/guests/compute/src/sha256.rs"]
mod sha256;

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, SamplingMode};
use shimmer_engine::{Engine, Source};
use tempfile::TempDir;

use crate::child::{Child, Times};
use crate::kernel::Kernel;

const COMPUTE: &[u8] = include_bytes!("../../conformance/guests/prebuilt/compute.wasm");

/// The kernels of the guest `compute`, each with a size that takes some tens of milliseconds natively.
const WORK: [(Kernel, u32); 4] =
    [(Kernel::Fib, 35), (Kernel::Sieve, 8_000_000), (Kernel::Matmul, 320), (Kernel::Sha256, 16)];

/// Benches one engine: the `main` of a bench without harness.
///
/// Groups are `compile`, `load` and `run/<kernel>`; the ids in them are the engines and `native`, which is 1.0.
pub fn engine<E: Engine + Default>() {
    let engine = E::default();
    if child::serve(&engine) {
        return;
    }
    let mut criterion = Criterion::default().configure_from_args();
    let folder = TempDir::new().expect("a folder for compiled code");
    let source = Source::parse(COMPUTE.to_vec()).expect("the committed guest is valid");
    let compiled = folder.path().join("compiled");
    engine.compile(&source, &compiled).expect("the committed guest compiles on every engine");

    compile(&mut criterion, &engine, &source, &folder);
    let child = Child::new(compiled, &source);
    load(&mut criterion, &engine, &child);
    run(&mut criterion, &engine, &child);
    criterion.final_summary();
}

fn compile(criterion: &mut Criterion, engine: &dyn Engine, source: &Source, folder: &TempDir) {
    let mut group = criterion.benchmark_group("compile");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    let mut count = 0;
    group.bench_function(BenchmarkId::from_parameter(engine.info().name), |bencher| {
        bencher.iter(|| {
            count += 1;
            engine.compile(source, &folder.path().join(count.to_string())).expect("it compiled before");
        });
    });
    group.finish();
}

fn load(criterion: &mut Criterion, engine: &dyn Engine, child: &Child) {
    let mut group = criterion.benchmark_group("load");
    group.sample_size(20).sampling_mode(SamplingMode::Flat);
    group.bench_function(BenchmarkId::from_parameter(engine.info().name), |bencher| {
        bencher.iter_custom(|iterations| sum(iterations, || child.times(Kernel::Fib, 1).load));
    });
    group.finish();
}

fn run(criterion: &mut Criterion, engine: &dyn Engine, child: &Child) {
    for (kernel, size) in WORK {
        let mut group = criterion.benchmark_group(format!("run/{}", kernel.name()));
        group.sample_size(10).sampling_mode(SamplingMode::Flat);
        let (mut guest, mut native) = (Vec::new(), Vec::new());
        group.bench_function(BenchmarkId::from_parameter(engine.info().name), |bencher| {
            bencher.iter_custom(|iterations| {
                sum(iterations, || {
                    let Times { run, .. } = child.times(kernel, size);
                    guest.push(run);
                    run
                })
            });
        });
        group.bench_function(BenchmarkId::from_parameter("native"), |bencher| {
            bencher.iter_custom(|iterations| {
                sum(iterations, || {
                    let run = natively(kernel, size);
                    native.push(run);
                    run
                })
            });
        });
        group.finish();
        report(engine.info().name, kernel.name(), &mut guest, &mut native);
    }
}

/// Prints the one figure that does not depend on the machine.
fn report(engine: &str, kernel: &str, guest: &mut [Duration], native: &mut [Duration]) {
    if let (Some(guest), Some(native)) = (median(guest), median(native)) {
        println!("{kernel} on {engine}: {:.2} times native", guest.as_secs_f64() / native.as_secs_f64());
    }
}

fn median(times: &mut [Duration]) -> Option<Duration> {
    times.sort_unstable();
    times.get(times.len() / 2).copied()
}

fn natively(kernel: Kernel, size: u32) -> Duration {
    let start = Instant::now();
    black_box(kernel.run(size));
    start.elapsed()
}

fn sum(iterations: u64, mut once: impl FnMut() -> Duration) -> Duration {
    (0..iterations).map(|_| once()).sum()
}
