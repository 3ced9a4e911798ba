//! A user with a cache folder of its own, and the commands that are typed.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::{Command, Output};

use shimmer_node::{Cluster, if_buildable};
use tempfile::TempDir;

/// A user's cache folder, in which Kubernetes is built and no cluster is known; nothing where this machine has no Go.
pub(crate) fn user() -> Option<TempDir> {
    let built = if_buildable(Cluster::builder().build(&|_| ()));
    built.unwrap_or_else(|error| panic!("Kubernetes is needed: {error}"))?;
    let home = tempfile::tempdir().expect("a folder");
    let (own, built) = (home.path().join("shimmer"), shimmer_node::cache().expect("a cache folder"));
    fs::create_dir_all(&own).expect("a folder");
    symlink(built.join("kubernetes"), own.join("kubernetes")).expect("a link");
    fs::create_dir(home.path().join("shims")).expect("a folder");
    Some(home)
}

pub(crate) fn command(home: &TempDir, arguments: &[&str]) -> Command {
    // A shell's background jobs ignore Ctrl-C, and so would all that a test in one of them starts.
    let mut command = Command::new("env");
    command.args(["--default-signal=INT", env!("CARGO_BIN_EXE_shimmer-cluster")]);
    command.args(arguments).env("XDG_CACHE_HOME", home.path());
    if arguments.first() == Some(&"up") {
        command.arg("--shims").arg(home.path().join("shims"));
    }
    command
}

pub(crate) fn run(home: &TempDir, arguments: &[&str]) -> Output {
    command(home, arguments).output().expect("the program runs")
}

#[track_caller]
pub(crate) fn succeed(home: &TempDir, arguments: &[&str]) -> String {
    let output = run(home, arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}");
    String::from_utf8(output.stdout).expect("text")
}
