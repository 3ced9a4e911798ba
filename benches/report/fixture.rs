//! Results made by hand, for the tests.

use std::collections::BTreeMap;

use shimmer_benches::machine::Machine;
use shimmer_benches::results::Results;
use shimmer_benches::results::containers::{
    Containers, Form, Heat, Held, Http, Level, Memory, Program, Role, ShimStart, Starts, Store, Throughput,
};
use shimmer_benches::results::engines::{self, Engines, Kernel, NATIVE};
use shimmer_benches::results::query::Setting;
use shimmer_benches::summary::Summary;

/// Why nothing was measured in [`broken`].
pub(crate) const REASON: &str = "the shim refused it";

pub(crate) fn results() -> Results {
    let machine = Machine {
        processor: "AMD EPYC".into(),
        cores: 2,
        kernel: "6.18".into(),
        cgroup: "v2".into(),
        revision: "0123456789ab".into(),
        tools: BTreeMap::from([("rustc".into(), "rustc 1.99.0".into())]),
    };
    Results { machine, engines: Some(engines()), containers: Some(containers()) }
}

/// The same, where nothing worked.
pub(crate) fn broken() -> Results {
    let (nothing, reason) = (|| Summary::of(Vec::new()), || Some(REASON.to_owned()));
    let mut results = results();
    if let Some(engines) = &mut results.engines {
        for row in &mut engines.programs {
            *row = engines::Program {
                engine: row.engine.clone(),
                program: row.program.clone(),
                failure: reason(),
                ..engines::Program::default()
            };
        }
        for row in &mut engines.kernels {
            (row.run, row.of_native, row.failure) = (nothing(), None, reason());
        }
    }
    if let Some(containers) = &mut results.containers {
        for row in &mut containers.starts {
            (row.to_exit, row.failure) = (nothing(), reason());
        }
        for row in &mut containers.shim_starts {
            (row.took, row.failure) = (nothing(), reason());
        }
        for row in &mut containers.throughput {
            (row.per_second, row.failure) = (nothing(), reason());
        }
        for row in &mut containers.memory {
            (row.total, row.held, row.failure) = (nothing(), None, reason());
        }
        for row in &mut containers.http {
            (row.per_second, row.failure) = (nothing(), reason());
        }
    }
    results
}

/// Of two engines: wasmtime takes 1.2 times as long as native code, and wasmer 1.5 times.
pub(crate) fn engines() -> Engines {
    let names = ["wasmer", "wasmtime"];
    let program = |engine: &str, name: &str, wasm_bytes: u64| engines::Program {
        engine: engine.into(),
        program: name.into(),
        wasm_bytes,
        compiled_bytes: wasm_bytes * 3,
        compile: around(wasm_bytes as f64 / 1e4),
        compile_peak: 120.0,
        load_source: around(40.0),
        load_compiled: around(1.5),
        instantiate: around(0.4),
        run_peak: 12.0,
        failure: None,
    };
    let kernel = |engine: &str, kernel: &str, kind: &str, ratio: f64| Kernel {
        kernel: kernel.into(),
        kind: kind.into(),
        engine: engine.into(),
        size: 35,
        run: around(50.0 * ratio),
        peak: 8.0,
        of_native: (engine != NATIVE).then_some(ratio),
        failure: None,
    };
    let all = [(NATIVE, 1.0), ("wasmer", 1.5), ("wasmtime", 1.2)];
    let kernels = all.into_iter().flat_map(|(engine, ratio)| {
        [kernel(engine, "fib", "calls", ratio), kernel(engine, "sha256", "bits", ratio)]
    });
    Engines {
        rounds: 5,
        engines: names.iter().map(|name| ((*name).to_owned(), "1.2.3".to_owned())).collect(),
        programs: names
            .iter()
            .flat_map(|name| [program(name, "small", 80_000), program(name, "large", 4_000_000)])
            .collect(),
        kernels: kernels.collect(),
        noise: Some(0.02),
    }
}

const TARGETS: [(&str, f64); 5] =
    [("floor", 5.0), ("runc", 56.0), ("runwasi", 38.0), ("wasmer", 23.0), ("wasmtime", 25.0)];

fn containers() -> Containers {
    let settings = [Setting::WARM, Setting::COLD, Setting::POD, Setting::DISK];
    let hellos = TARGETS.into_iter().flat_map(|(target, time)| {
        settings.into_iter().map(move |setting| start(target, Program::Hello, time, setting))
    });
    let stamps = TARGETS.into_iter().filter(|(target, _)| *target != "floor");
    let stamps = stamps.map(|(target, time)| start(target, Program::Stamp, time, Setting::WARM));
    let pythons =
        [Setting::WARM, Setting::COLD].map(|setting| start("wasmtime", Program::Python, 35.0, setting));
    let refused = Starts {
        to_exit: Summary::of(Vec::new()),
        failure: Some("wasmer has no components".into()),
        ..start("wasmer", Program::Python, 1.0, Setting::WARM)
    };
    let levels = [Level::Task, Level::Pod];
    let memory = TARGETS.into_iter().flat_map(|(target, size)| {
        levels
            .into_iter()
            .flat_map(move |level| [1, 50].map(|count| memory(target, level, count, size / 10.0)))
    });
    Containers {
        containerd: "2.1.9".into(),
        shims: TARGETS.iter().map(|(name, _)| ((*name).to_owned(), format!("{name} 0.1.0"))).collect(),
        rounds: 8,
        warm_ups: 2,
        noise: Some(0.05),
        shim_starts: TARGETS.into_iter().map(|(target, time)| shim_start(target, time / 5.0)).collect(),
        starts: hellos.chain(stamps).chain(pythons).chain([refused]).collect(),
        throughput: TARGETS
            .into_iter()
            .flat_map(|(target, time)| [1, 4].map(|at_once| throughput(target, at_once, time)))
            .collect(),
        memory: memory.collect(),
        http: vec![
            http("wasmtime"),
            http("floor"),
            Http {
                clients: 0,
                per_second: Summary::of(Vec::new()),
                failure: Some(REASON.into()),
                ..http("wasmer")
            },
        ],
        failures: Vec::new(),
    }
}

fn start(target: &str, program: Program, time: f64, setting: Setting) -> Starts {
    let Setting { level, heat, store } = setting;
    let slower = f64::from(u8::from(heat == Heat::Cold) + u8::from(level == Level::Pod));
    let time = time + 30.0 * slower + if store == Store::Disk { 50.0 } else { 0.0 };
    Starts {
        target: target.into(),
        program,
        image: if target == "runc" { Form::Native } else { Form::Artifact },
        level,
        heat,
        store,
        to_exit: around(time),
        sandbox: if level == Level::Pod { around(30.0) } else { Summary::of(Vec::new()) },
        create: around(time * 0.8),
        output: Summary::of(Vec::new()),
        instruction: if program == Program::Stamp { around(time * 0.1) } else { Summary::of(Vec::new()) },
        event: if program == Program::Stamp { around(time * 0.1) } else { Summary::of(Vec::new()) },
        exit: around(time * 0.2),
        delete: around(7.0),
        failure: None,
    }
}

fn shim_start(target: &str, time: f64) -> ShimStart {
    ShimStart { target: target.into(), took: around(time), failure: None }
}

fn throughput(target: &str, at_once: usize, time: f64) -> Throughput {
    Throughput {
        target: target.into(),
        image: Form::Artifact,
        at_once,
        burst: 40,
        per_second: around(1000.0 / time * (at_once as f64).sqrt()),
        failure: None,
    }
}

fn memory(target: &str, level: Level, containers: usize, size: f64) -> Memory {
    let pause = (Role::Pause, 0.2);
    let roles = [(Role::Shim, size / 2.0), (Role::Helper, size / 8.0), (Role::Guest, size / 4.0)];
    let roles: BTreeMap<_, _> = roles.into_iter().chain((level == Level::Pod).then_some(pause)).collect();
    Memory {
        target: target.into(),
        program: Program::Rest,
        image: if target == "runc" { Form::Native } else { Form::Artifact },
        level,
        containers,
        total: around(roles.values().sum()),
        held: Some(Held { roles, programs: BTreeMap::new() }),
        failure: None,
    }
}

fn http(target: &str) -> Http {
    Http {
        target: target.into(),
        clients: 16,
        per_second: around(if target == "floor" { 30_000.0 } else { 9_000.0 }),
        latency: around(1.5),
        p99: around(6.0),
        failure: None,
    }
}

/// Three samples with that median.
fn around(value: f64) -> Summary {
    Summary::of(vec![value * 0.9, value, value * 1.1])
}
