//! `cargo xtask conformance`: every shim of ours through the whole suite, side by side.

mod node;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

pub(crate) use self::node::Node;
use self::node::{OURS, table_of};
use crate::setup::{self, Extent};
use crate::{Result, cargo, cluster, machine, page, process};

/// What is asked for.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Also write the tables of results into docs/
    #[arg(long)]
    update: bool,
    /// What the shims are played on
    #[arg(long, value_enum, default_value_t = Node::Host)]
    node: Node,
    /// Passed on to each `shimmer-conformance run`, for example `-- --profile core`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    run: Vec<String>,
}

impl Arguments {
    /// Builds everything, plays the suite on every shim, and compares.
    pub(crate) fn play(&self) -> Result<ExitCode> {
        machine::require_root("conformance")?;
        setup::ensure(Extent::Test)?;
        let hosts = build()?;
        if self.node == Node::Cluster && !cluster::build()? {
            return Err("there is no Go to build Kubernetes by".into());
        }
        let folder = cargo::target()?.join("conformance").join(self.node.name());
        let mut expected = true;
        for engine in engines()? {
            let mut suite = run_on(self.node, &engine)?;
            suite.arg("--report").arg(&folder);
            if self.node == Node::Host {
                let host = hosts.iter().find(|(name, _)| *name == engine).map(|(_, path)| path);
                let host = host.ok_or_else(|| format!("crates/{engine} has no test called conformance"))?;
                suite.arg("--engine").arg(host);
            }
            expected &= succeeded(suite.args(self.node.defaults(&self.run)).args(&self.run))?;
        }
        let reports = reports_in(&folder)?;
        let release = cargo::target()?.join("release");
        let table = process::read(suite(&release, "compare").args(&reports))?;
        print!("{table}");
        if self.update {
            page::write(PAGE, &table_of(self.node, &reports)?, &table)?;
        }
        expected &= self.play_on_others(&release, &folder)?;
        // The others differ by what they are known to fail; only ours are held to do the same.
        let clean = compare(&release, &reports)?;
        Ok(if expected && clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// Plays the shim that ours are set beside: the other host's in containers and pods, and in a cluster the reference.
    fn play_on_others(&self, release: &Path, folder: &Path) -> Result<bool> {
        // An engine by itself has no host.
        let is_for_shims = !self.run.iter().any(|word| word == "engine" || word == "--driver=engine");
        match self.node {
            Node::Host if is_for_shims => self.play_on_the_other_host(release, folder),
            Node::Cluster => self.play_on_the_reference(release, folder),
            _ => Ok(true),
        }
    }

    /// Plays it on the shim of the other host as well, which runs [`ENGINE_OF_BOTH`].
    fn play_on_the_other_host(&self, release: &Path, folder: &Path) -> Result<bool> {
        let mut run = run_of(self.node, &built(OTHER_HOST)?)?;
        expect(&mut run, &[OTHER_HOST, ENGINE_OF_BOTH]).arg("--report").arg(folder);
        let expected = succeeded(run.args(&self.run))?;
        let both = [report(folder, OTHER_HOST), report(folder, ENGINE_OF_BOTH)];
        let drivers = ["--driver", "task", "--driver", "cri"];
        let table = process::read(suite(release, "compare").args(drivers).args(&both))?;
        print!("\nThe two hosts, on {ENGINE_OF_BOTH}:\n\n{table}");
        if self.update && table_of(self.node, &both)? == OURS {
            page::write(PAGE, "our hosts", &table)?;
        }
        Ok(expected)
    }

    /// Plays it on runc as well, and writes the page that shows feature by feature what works.
    fn play_on_the_reference(&self, release: &Path, folder: &Path) -> Result<bool> {
        let shim =
            setup::reference().ok_or("there is no containerd-shim-runc-v2 beside containerd or in PATH")?;
        let mut run = run_of(self.node, &shim)?;
        run.arg("--report").arg(folder).args(self.node.defaults(&self.run));
        let expected = succeeded(run.args(&self.run))?;
        let reports = [vec![report(folder, "runc")], reports_in(folder)?].concat();
        let mut features = suite(release, "features");
        features.args(&reports);
        if self.update && table_of(self.node, &reports)? == format!("{OURS} in a cluster") {
            features.args(["--page", "docs/kubernetes.md"]);
        }
        print!("\n{}", process::read(&mut features)?);
        Ok(expected)
    }
}

/// A run of the suite on a node, on the shim of ours for an engine, with what is known of both.
pub(crate) fn run_on(node: Node, engine: &str) -> Result<Command> {
    let mut run = run_of(node, &built(engine)?)?;
    expect(&mut run, &["host", engine]);
    Ok(run)
}

fn run_of(node: Node, shim: &Path) -> Result<Command> {
    let mut run = suite(&cargo::target()?.join("release"), "run");
    run.arg("--shim").arg(shim).args(node.arguments());
    Ok(run)
}

fn built(shim: &str) -> Result<PathBuf> {
    Ok(cargo::target()?.join("release").join(format!("containerd-shim-{shim}-v1")))
}

fn expect<'a>(run: &'a mut Command, lists: &[&str]) -> &'a mut Command {
    for list in lists {
        run.arg("--expect").arg(format!("conformance/expectations/{list}.toml"));
    }
    run
}

/// Compares what engines and shims did in the tests that have just run, which leave their reports.
pub(crate) fn compare_tested() -> Result<()> {
    let (release, reports) = (cargo::target()?.join("release"), cargo::target()?.join("tmp"));
    for level in ["engines", "shims", "clusters"] {
        let reports = reports_in(&reports.join(level))?;
        // Where Kubernetes cannot be built, the tests have said so.
        if level == "clusters" && !reports.iter().all(|report| report.exists()) && !machine::is_ci() {
            continue;
        }
        if !compare(&release, &reports)? {
            return Err(format!("{level} differ where they must not").into());
        }
    }
    Ok(())
}

/// Whether the shims did the same, by their reports, save for what conformance/differences.toml allows.
fn compare(release: &Path, reports: &[PathBuf]) -> Result<bool> {
    succeeded(suite(release, "diff").args(["--allow", "conformance/differences.toml"]).args(reports))
}

/// Where the tables are.
const PAGE: &str = "docs/conformance.md";

/// The shim of the host that is not ours, in examples/, and the engine that it runs.
const OTHER_HOST: &str = "runwasi";
const ENGINE_OF_BOTH: &str = "wasmtime";

fn reports_in(folder: &Path) -> Result<Vec<PathBuf>> {
    Ok(engines()?.iter().map(|engine| report(folder, engine)).collect())
}

fn report(folder: &Path, shim: &str) -> PathBuf {
    folder.join(format!("{shim}.json"))
}

/// The engines that have a shim.
pub(crate) fn engines() -> Result<Vec<String>> {
    let mut engines = machine::names(&machine::workspace().join("shims"));
    engines.sort();
    if engines.is_empty() { Err("there is no shim in shims/".into()) } else { Ok(engines) }
}

/// Builds what users and tests run, and gives the test binary of each backend, which hosts guests on its engine.
fn build() -> Result<Vec<(String, PathBuf)>> {
    cargo::of_backends(cargo::tests()?.arg("--no-run"), "conformance")
}

/// The suite's program, in the workspace.
pub(crate) fn suite(release: &Path, subcommand: &str) -> Command {
    let mut suite = Command::new(release.join("shimmer-conformance"));
    suite.current_dir(machine::workspace()).env("PATH", machine::path()).arg(subcommand);
    suite
}

/// Whether the suite found what it must; that it could not run is an error.
fn succeeded(command: &mut Command) -> Result<bool> {
    let status = process::status(command)?;
    match status.code() {
        Some(0) => Ok(true),
        Some(1) => Ok(false),
        _ => Err(format!("`{}` failed: {status}", process::describe(command)).into()),
    }
}
