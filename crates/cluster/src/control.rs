//! The commands that come and go: each looks for the keeper, and asks it or the cluster.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use shimmer_node::{Cluster, Helm};

use crate::Up;
use crate::error::Error;
use crate::images;
use crate::keeper::READY;
use crate::state::State;

/// Starts a keeper, and shows what it waits for until the cluster is ready.
pub(crate) fn up(folder: &Path, up: &Up) -> Result<(), Error> {
    if State::running(folder).is_ok() {
        return Err(Error::Running);
    }
    let begin = Instant::now();
    let log = folder.join("log");
    let mut keeper = keeper(&log, up)?;
    let told = keeper.stdout.take().map(BufReader::new);
    for line in told.into_iter().flat_map(BufRead::lines) {
        let line = line.map_err(Error::io("read what the keeper tells"))?;
        if line == READY {
            progress("");
            let greeted = greet(&State::running(folder)?, begin.elapsed().as_secs_f64());
            greeted.map_err(Error::io("say that the cluster is ready"))?;
            return acknowledge(&mut keeper)
                .map_err(Error::io("tell the keeper that somebody wants the cluster"));
        }
        progress(&line);
    }
    progress("");
    // It has ended without a cluster, and has written down why.
    keeper.wait().map_err(Error::io("wait for the keeper"))?;
    let why = fs::read_to_string(&log).unwrap_or_else(|error| error.to_string());
    Err(Error::Start(why.trim().trim_start_matches("error: ").to_owned()))
}

/// Builds Kubernetes and Helm, unless they are built.
pub(crate) fn build() -> Result<(), Error> {
    let cache = shimmer_node::cache()?;
    let built = Cluster::builder().build(&progress);
    let built = Helm::ALL.iter().fold(built, |built, version| {
        built.and_then(|()| shimmer_node::helm(*version, &cache, &progress).map(drop))
    });
    progress("");
    Ok(built?)
}

/// Says whether a cluster runs.
pub(crate) fn status(folder: &Path, json: bool) -> Result<(), Error> {
    let state = State::running(folder)?;
    if json {
        println!("{}", serde_json::to_string_pretty(&state).unwrap_or_default());
        return Ok(());
    }
    println!("{:<16}{}", "Kubernetes", state.kubernetes);
    println!("{:<16}{}", "RuntimeClasses", state.runtime_classes.join(", "));
    println!("{:<16}{}", "kubeconfig", state.kubeconfig.display());
    for node in &state.nodes {
        println!("{:<16}{}", node.name, node.socket.display());
    }
    Ok(())
}

/// Becomes kubectl.
pub(crate) fn kubectl(folder: &Path, arguments: &[OsString]) -> Result<ExitCode, Error> {
    let state = State::running(folder)?;
    let error =
        Command::new(&state.kubectl).arg("--kubeconfig").arg(&state.kubeconfig).args(arguments).exec();
    Err(Error::io(format!("run {}", state.kubectl.display()))(error))
}

/// Imports an archive of images on every node.
pub(crate) fn load(folder: &Path, archive: &Path) -> Result<(), Error> {
    for node in State::running(folder)?.nodes {
        for image in shimmer_node::import(&node.socket, archive)? {
            println!("{}: {}", node.name, image.name());
        }
    }
    Ok(())
}

/// Asks the keeper to end the cluster, and waits until it has.
pub(crate) fn down(folder: &Path) -> Result<(), Error> {
    let state = State::running(folder)?;
    let keeper = Pid::from_raw(state.keeper).ok_or(Error::None)?;
    let keeper = pidfd_open(keeper, PidfdFlags::empty())
        .map_err(|error| Error::io("find the keeper")(error.into()))?;
    pidfd_send_signal(&keeper, Signal::TERM)
        .map_err(|error| Error::io("ask the keeper to end the cluster")(error.into()))?;
    let mut end = [PollFd::new(&keeper, PollFlags::IN)];
    while let Err(rustix::io::Errno::INTR) = poll(&mut end, None) {}
    let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
    if log.trim().is_empty() {
        println!("the cluster is gone: no process, mount, cgroup or network namespace of it is left");
        // They are not removed: a keeper that starts in this moment may have opened them already, and would hold a
        // lock that no other one sees.
        println!("of its files there are two empty ones for the next, lock and log, in {}", folder.display());
        return Ok(());
    }
    Err(Error::Start(log.trim().to_owned()))
}

fn keeper(log: &Path, up: &Up) -> Result<Child, Error> {
    let folder = log.parent().unwrap_or(log);
    let made = fs::create_dir_all(folder).and_then(|()| File::create(log));
    let errors = made.map_err(Error::io(format!("write {}", log.display())))?;
    let program = std::env::current_exe().map_err(Error::io("find this program's own file"))?;
    let mut keeper = Command::new(program);
    keeper.arg("keep").arg("--shims").arg(&up.shims);
    keeper.arg("--nodes").arg(up.nodes.to_string());
    keeper.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors);
    keeper.spawn().map_err(Error::io("start the keeper of the cluster"))
}

/// The last thing that `up` does: whoever has given up before gets no cluster.
fn acknowledge(keeper: &mut Child) -> io::Result<()> {
    keeper.stdin.take().map_or(Ok(()), |mut keeper| keeper.write_all(b"\n"))
}

fn greet(state: &State, seconds: f64) -> io::Result<()> {
    let mut to = io::stdout().lock();
    writeln!(
        to,
        "Kubernetes {} with {} is ready after {seconds:.1} s",
        state.kubernetes,
        nodes(state.nodes.len())
    )?;
    writeln!(to, "RuntimeClasses: {}", state.runtime_classes.join(", "))?;
    writeln!(to, "Images:")?;
    for (name, what) in images::NAMES {
        writeln!(to, "  {name:<28}{what}")?;
    }
    let class = state.runtime_classes.first().map_or("runc", String::as_str);
    writeln!(to, "Try:\n  export KUBECONFIG={}", state.kubeconfig.display())?;
    writeln!(
        to,
        "  cargo xtask cluster kubectl run hello --image={} --restart=Never \
         --overrides='{{\"spec\":{{\"runtimeClassName\":\"{class}\"}}}}'",
        images::NAMES[0].0
    )?;
    writeln!(to, "  cargo xtask cluster kubectl logs hello")
}

fn nodes(count: usize) -> String {
    if count == 1 { "one node".to_owned() } else { format!("{count} nodes") }
}

/// One line that the next one replaces; where the output goes to a file, a line each, without repetitions.
fn progress(what: &str) {
    let mut output = io::stdout().lock();
    let shown = match (output.is_terminal(), what) {
        (true, what) => write!(output, "\r\x1b[K{what}"),
        (false, "") => Ok(()),
        (false, what) if what.contains("packages compiled") => Ok(()),
        (false, what) => writeln!(output, "{what}"),
    };
    // A terminal that is gone is noticed by the next line that matters.
    let _unseen = shown.and_then(|()| output.flush());
}
