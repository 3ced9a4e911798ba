use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use glob::Pattern;
use shimmer_conformance::report::{Outcome, Report, Verdict};
use shimmer_conformance::{
    ClusterTarget, Expectations, Ground, Level, Nodes, Profile, Progress, Result, Run, Script, Target,
};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The shim's binary, containerd-shim-<name>-v<number>: a private containerd is started for it, or a private
    /// Kubernetes for the driver `kube`
    #[arg(long, value_name = "PATH", conflicts_with = "runtime", required_unless_present_any = ["runtime", "engine", "kubeconfig"])]
    pub(super) shim: Option<PathBuf>,
    /// A runtime of a containerd that serves already, for example io.containerd.wasmtime.v1
    #[arg(long, value_name = "NAME", requires = "address")]
    pub(super) runtime: Option<String>,
    /// That containerd's socket
    #[arg(long, value_name = "SOCKET", requires = "runtime")]
    pub(super) address: Option<PathBuf>,
    /// For the driver `engine`: a program that hosts guests on an engine by itself, such as the test binary that
    /// `cargo test -p shimmer-<engine> --no-run` names
    #[arg(long, value_name = "PATH")]
    pub(super) engine: Option<PathBuf>,
    /// For the driver `kube`: how to reach a cluster
    #[arg(long, value_name = "FILE", requires = "runtime_class")]
    pub(super) kubeconfig: Option<PathBuf>,
    /// The RuntimeClass of the pods in that cluster
    #[arg(long, value_name = "NAME", requires = "kubeconfig")]
    pub(super) runtime_class: Option<String>,
    /// Where the images that `shimmer-conformance images` writes were pushed to; without it the nodes have them
    #[arg(long, value_name = "REGISTRY/PATH", requires = "kubeconfig")]
    pub(super) image_prefix: Option<String>,
    /// A namespace that exists, in which everything is made; without it one is made and removed
    #[arg(long, value_name = "NS", requires = "kubeconfig")]
    pub(super) namespace: Option<String>,
    /// Where the nodes run on this machine: a program that is called as `PROGRAM VERB NODE`, with the verbs
    /// restart-kubelet, restart-containerd, processes (prints their ids) and cgroup-root (prints the path)
    #[arg(long, value_name = "PROGRAM", requires = "kubeconfig")]
    pub(super) node_control: Option<PathBuf>,
    /// How the cases are played: engine, task, cri, docker or kube; may be given several times [default: all that
    /// can, save docker, which takes a dockerd, and kube without --kubeconfig, which takes what builds Kubernetes]
    #[arg(long = "driver", value_name = "DRIVER")]
    pub(super) levels: Vec<Level>,
    /// Only cases of this profile; may be given several times
    #[arg(long = "profile", value_name = "P")]
    pub(super) profiles: Vec<Profile>,
    /// Only cases whose id matches, for example 'signal/*'; may be given several times
    #[arg(long = "filter", value_name = "GLOB")]
    pub(super) filters: Vec<Pattern>,
    /// A list of claims and known failures; may be given several times
    #[arg(long, value_name = "FILE")]
    pub(super) expect: Vec<PathBuf>,
    /// A folder of prebuilt tests of the official wasi-testsuite, to be run as well
    #[arg(long, value_name = "DIR")]
    pub(super) wasi_testsuite: Option<PathBuf>,
    /// How many cases may run at the same time [default: 1, in a virtual machine 2, and 8 in a
    /// cluster]
    #[arg(long, value_name = "N", overrides_with = "jobs")]
    pub(super) jobs: Option<usize>,
    /// How long a guest may take for a step, or the shim to answer a call, before the case has failed [default: 60, in a
    /// virtual machine 600]
    #[arg(long, value_name = "SECONDS")]
    pub(super) timeout: Option<u64>,
    /// What the private containerd runs on: host, this machine; vm, a small emulated machine with cgroup v2; or
    /// vm-systemd, one with Debian and systemd, which makes the cgroups of pods there
    #[arg(long = "node", value_name = "NODE", default_value_t)]
    pub(super) ground: Ground,
    /// What this machine is, where it is the emulated one
    #[arg(long, hide = true, conflicts_with = "ground")]
    played_in: Option<Ground>,
    /// Whether somebody watches who is outside of this machine
    #[arg(long, hide = true, requires = "played_in")]
    live: bool,
    /// Where to write the report, as JSON, JUnit's XML and Markdown
    #[arg(long, value_name = "DIR")]
    pub(super) report: Option<PathBuf>,
}

/// A cluster has many processors, and most of a case there is waiting.
const JOBS_IN_A_CLUSTER: usize = 8;

impl Arguments {
    pub(crate) fn run(self) -> Result<bool> {
        let report = match self.ground.flavour() {
            Some(flavour) => self.play_in(flavour)?,
            None => self.play()?,
        };
        if let Some(folder) = &self.report {
            report.write(folder)?;
        }
        // Whoever is outside says it.
        if self.played_in.is_none() {
            conclude(&report);
        }
        Ok(report.is_as_expected())
    }

    fn play(&self) -> Result<Report> {
        let mut expectations = Expectations::default();
        for list in &self.expect {
            expectations = expectations.merge(Expectations::read(list)?)?;
        }
        let serving = self.runtime.clone().zip(self.address.clone());
        let serving = || serving.map(|(name, at)| Target::Serving(name, at));
        let jobs = if self.levels == [Level::Kube] { JOBS_IN_A_CLUSTER } else { 1 };
        let run = Run {
            shim: self.shim.clone().map(Target::Binary).or_else(serving),
            cluster: self.cluster(),
            engine: self.engine.clone(),
            levels: self.levels.clone(),
            profiles: self.profiles.clone(),
            filters: self.filters.clone(),
            expectations,
            testsuite: self.wasi_testsuite.clone(),
            jobs: self.jobs.unwrap_or(jobs),
            ground: self.played_in.unwrap_or_default(),
            patience: self.timeout.map(Duration::from_secs),
        };
        run.play(&Line { terminal: self.live || io::stderr().is_terminal() })
    }

    fn cluster(&self) -> Option<ClusterTarget> {
        let nodes = self.node_control.clone().map(|program| Arc::new(Script(program)) as Arc<dyn Nodes>);
        let (kubeconfig, runtime_class) = self.kubeconfig.clone().zip(self.runtime_class.clone())?;
        let (image_prefix, namespace) = (self.image_prefix.clone(), self.namespace.clone());
        Some(ClusterTarget { kubeconfig, runtime_class, image_prefix, namespace, nodes })
    }
}

/// Says on stderr how far a run has come: one line that the next one replaces, and what was not expected.
struct Line {
    terminal: bool,
}

impl Progress for Line {
    fn announces(&self, text: &str) {
        say(&format!("{text}\n"));
    }

    fn waits(&self, what: &str) {
        if self.terminal {
            say(&format!("\r\x1b[K{what}"));
        }
    }

    fn begins(&self, id: &str, level: Level, position: usize, total: usize) {
        if self.terminal {
            say(&format!("\r\x1b[K[{position}/{total}] {level} {id}"));
        }
    }

    fn ended(&self, outcome: &Outcome) {
        let Outcome { id, level, keyword, spec, message, .. } = outcome;
        let erase = if self.terminal { "\r\x1b[K" } else { "" };
        match &outcome.verdict {
            Verdict::Passed | Verdict::Known { .. } => say(erase),
            Verdict::Mended { reason, .. } => {
                say(&format!("{erase}mended  {level} {id}\n    it is listed as a known failure: {reason}\n"));
            }
            Verdict::Failed => {
                let message = message.as_deref().unwrap_or_default().replace('\n', "\n    ");
                say(&format!("{erase}failed  {level} {id} ({keyword}, {spec})\n    {message}\n"));
            }
        }
    }
}

fn conclude(report: &Report) {
    let shim = report.shim.engine.as_deref().unwrap_or(&report.shim.name);
    println!("{shim}: {} in {:.0} s", report.tally(), report.seconds);
    if let Some(first) = report.left_out.first() {
        let (count, reason) = (report.left_out.len(), &first.reason);
        println!("{count} cases could not be played here, {} among them: {reason}", first.id);
    }
    if report.results.is_empty() {
        println!("no case was run, which proves nothing: look at --driver, --profile and --filter");
    }
}

fn say(text: &str) {
    // Progress that nobody can see is no reason to stop.
    let _unseen = io::stderr().lock().write_all(text.as_bytes()).and_then(|()| io::stderr().flush());
}
