//! `cargo xtask setup`: finds what is missing, says what it installs and why, then installs it. Where nothing is
//! missing it changes nothing, asks for no rights and says one line.

mod apt;
mod needs;
mod sources;
mod wasmedge;

use std::env;
use std::fs::{self, File};
use std::process::ExitCode;

use crate::setup::apt::Apt;
pub(crate) use crate::setup::needs::reference;
use crate::setup::needs::{NEEDS, Need};
pub(crate) use crate::setup::wasmedge::{find as wasmedge_library, headers as wasmedge_headers};
use crate::{Result, machine};

/// How much of Shimmer has to work.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Extent {
    /// Everything compiles.
    Build,
    /// Containers run, too.
    Run,
    /// Whatever the tests drive besides.
    Test,
}

/// Makes sure that nothing is missing, or says in a sentence what to do.
pub(crate) fn ensure(extent: Extent) -> Result<()> {
    if missing(extent).is_empty() {
        println!("setup: everything is here");
        return Ok(());
    }
    // Two runs at once would fail on each other's package locks; the second finds its work done.
    let _turn = wait_for_turn()?;
    let missing = missing(extent);
    if missing.is_empty() {
        println!("setup: everything is here");
        return Ok(());
    }
    announce(&missing);
    require_rights()?;
    install(&missing)?;
    verify(extent)
}

/// Lists everything that is needed, and whether it is here.
pub(crate) fn report() -> Result<ExitCode> {
    for need in &NEEDS {
        let state = if need.is_met() { "here   " } else { "MISSING" };
        println!("{state}  {:<18}  {}", need.name, need.purpose);
    }
    Ok(if missing(Extent::Test).is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn missing(extent: Extent) -> Vec<&'static Need> {
    NEEDS.iter().filter(|need| need.extent <= extent && !need.is_met()).collect()
}

fn wait_for_turn() -> Result<File> {
    let cache = machine::cache()?;
    fs::create_dir_all(&cache)?;
    let file = File::create(cache.join("setup.lock"))?;
    file.lock()?;
    Ok(file)
}

fn announce(missing: &[&Need]) {
    println!("setup: this machine lacks");
    for need in missing {
        println!("  {:<18}  {:<38}  {}", need.name, need.route, need.purpose);
    }
}

fn require_rights() -> Result<()> {
    if !Apt::is_here() {
        return Err("only Debian's apt-get is known here: install what is listed above with your own tools, WasmEdge \
                    from its official release"
            .into());
    }
    if machine::is_root() {
        return Ok(());
    }
    let program = env::current_exe()?;
    Err(format!("installing needs root: run `sudo {} setup`, then this again", program.display()).into())
}

fn install(missing: &[&Need]) -> Result<()> {
    let mut apt = Apt::default();
    for need in missing {
        match need.name {
            needs::CLANG => apt.request_clang(),
            needs::CONTAINERD => apt.request_version("containerd", needs::is_supported)?,
            needs::DOCKER => {
                apt.request(need.packages);
                apt.request_version("docker.io", needs::serves_containerd)?;
            }
            needs::WASMEDGE if wasmedge::install_release() => {}
            needs::WASMEDGE => apt.request_version(wasmedge::PACKAGE, wasmedge::is_wanted)?,
            _ => apt.request(need.packages),
        }
    }
    apt.install()?;
    wasmedge::register_with_the_loader()
}

fn verify(extent: Extent) -> Result<()> {
    let missing = missing(extent);
    if missing.is_empty() {
        println!("setup: done");
        return Ok(());
    }
    let names: Vec<&str> = missing.iter().map(|need| need.name).collect();
    let mut message = format!("after installing everything, this is still missing: {}", names.join(", "));
    if names.contains(&needs::WASMEDGE)
        && let Some(obstacle) = wasmedge::obstacle()
    {
        message.push_str(&format!("; {obstacle}"));
    }
    Err(message.into())
}
