//! Nothing of the host is in reach: its environment, its open files, its files by any path.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use tempfile::TempDir;

use crate::case::Case;
use crate::cases::row;
use crate::expected::Expected;
use crate::failure::{Result, ensure};
use crate::guests::HELLO;
use crate::images::Form;
use crate::profile::Profile;
use crate::setup::{Setup, probe, probe_component};
use crate::stage::Stage;

/// What the probe ends with where a file could not be used.
const UNUSABLE: u32 = 5;
const SECRET: &str = "a file of the host";

pub(super) fn cases() -> Vec<Case> {
    [environment(), files(), entrypoints()].concat()
}

fn environment() -> Vec<Case> {
    let own = [("A", "1"), ("EQUALS", "a=b=c")];
    row(
        "host-process",
        Profile::Security,
        [
            Case::container("security/environment", probe(["env"]).env(own), only_own_environment).twin(),
            Case::container(
                "security/environment-of-a-component",
                probe_component(["env"]).env(own),
                only_own_environment,
            )
            .needs(&["components"]),
            Case::container("security/descriptors", probe(["sleep"]), only_own_descriptors).twin(),
        ],
    )
}

fn files() -> Vec<Case> {
    row(
        "host-files",
        Profile::Security,
        [
            Case::container("security/paths-above-the-root", probe([]), paths_above_the_root).twin(),
            Case::container(
                "security/paths-through-descriptors",
                probe(["sleep"]),
                paths_through_descriptors,
            )
            .twin(),
            Case::container("security/a-link-to-a-path-of-the-host", probe([]), a_link_out).twin(),
        ],
    )
}

fn entrypoints() -> Vec<Case> {
    let hello = || Setup::of(HELLO).form(Form::Rootfs);
    let refused = |id, setup: Setup, path| Case::new(id, setup.path(path)).refused([path]);
    row(
        "entrypoint-inside",
        Profile::Security,
        [
            Case::container("security/entrypoint-above-the-root", hello(), entrypoint_above_the_root),
            Case::container("security/entrypoint-is-a-link-out", hello(), entrypoint_is_a_link_out),
            refused("security/entrypoint-is-a-pipe", hello().pipe("app.wasm"), "/data/app.wasm"),
            refused("security/entrypoint-is-a-device", hello(), "/dev/zero"),
            refused(
                "security/entrypoint-is-a-link-to-a-device",
                hello().link("app.wasm", "/dev/zero"),
                "/data/app.wasm",
            ),
            refused("security/entrypoint-is-the-shim-itself", hello(), "/proc/self/exe"),
        ],
    )
}

/// What the process was started with, which any program may read, compared with what the guest was given. Not by
/// `/proc/self`: that is a link, and not every engine follows one.
fn only_own_environment(stage: &Stage<'_>) -> Result {
    let given = stage.start(&stage.setup())?.end_unnoted()?.stdout();
    let given: BTreeSet<&str> = given.lines().filter(|line| !is_own_name(line)).collect();
    let file = stage.start(&stage.setup().args(["cwd-read", "/proc/1/environ"]))?.end_unnoted()?;
    let readable = file.code == 0 || file.code == UNUSABLE;
    ensure(readable, || format!("expected status 0 or {UNUSABLE}, but saw {}", file.describe()))?;
    let seen = file.stdout();
    let foreign: Vec<&str> = seen
        .split('\0')
        .filter(|line| !line.is_empty() && !is_own_name(line) && !given.contains(line))
        .map(|line| line.split('=').next().unwrap_or_default())
        .collect();
    ensure(foreign.is_empty(), || format!("/proc/1/environ shows what the guest was not given: {foreign:?}"))
}

/// A pod's containers have its name in their environment, which differs from pod to pod.
fn is_own_name(line: &str) -> bool {
    line.starts_with("HOSTNAME=")
}

/// Judged from outside, where a file can be told from another of the same name.
fn only_own_descriptors(stage: &Stage<'_>) -> Result {
    let running = stage.start(&stage.setup())?;
    running.wait_for("ready\n")?;
    let process = running.process()?;
    let mut foreign = Vec::new();
    for (number, target) in descriptors(process)? {
        if number > 2 && !is_inside(process, number, &target)? {
            foreign.push(format!("{number} -> {target}"));
        }
    }
    ensure(foreign.is_empty(), || format!("the guest's process has descriptors of the host: {foreign:?}"))
}

/// Number and target of each open descriptor.
fn descriptors(process: u32) -> Result<Vec<(u32, String)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(format!("/proc/{process}/fd"))? {
        let entry = entry?;
        // One that was closed meanwhile is not open.
        let Ok(target) = fs::read_link(entry.path()) else { continue };
        let number = entry.file_name().to_string_lossy().parse()?;
        found.push((number, target.to_string_lossy().into_owned()));
    }
    Ok(found)
}

/// Whether a descriptor leads nowhere outside: it is anonymous, a pipe or socket that nobody else has, compiled code that
/// nobody can write to through it, or a file that the guest could have opened by its name.
fn is_inside(process: u32, number: u32, target: &str) -> Result<bool> {
    if target.starts_with("anon_inode:") || target.starts_with("/memfd:") {
        return Ok(true);
    }
    if target.starts_with("pipe:") || target.starts_with("socket:") {
        return Ok(!is_shared(process, target)?);
    }
    let descriptor = format!("/proc/{process}/fd/{number}");
    let open = match fs::metadata(&descriptor) {
        // It was closed meanwhile.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(true),
        open => open?,
    };
    if target == "/" && open.is_file() {
        // A file on a mount that is in no tree, and must be read-only.
        let written = fs::File::options().write(true).open(&descriptor);
        return Ok(written.is_err_and(|error| error.kind() == std::io::ErrorKind::ReadOnlyFilesystem));
    }
    let root = format!("/proc/{process}/root");
    let named = fs::metadata(Path::new(&root).join(target.trim_start_matches('/')));
    Ok(named.is_ok_and(|named| (named.dev(), named.ino()) == (open.dev(), open.ino())))
}

/// Whether a process outside of the container has the same open.
fn is_shared(process: u32, target: &str) -> Result<bool> {
    let namespace = |process: &str| fs::read_link(format!("/proc/{process}/ns/pid")).ok();
    let own = namespace(&process.to_string());
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let Ok(other) = name.parse::<u32>() else { continue };
        // A process that ends meanwhile shares nothing any more.
        let open = descriptors(other).unwrap_or_default();
        let is_outside = namespace(&name).is_some_and(|theirs| Some(theirs) != own);
        if is_outside && open.iter().any(|(_, theirs)| theirs == target) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A folder of the host with a file that no container may see, and the file's path.
fn secret(name: &str, content: &[u8]) -> Result<(TempDir, String)> {
    let folder = TempDir::new()?;
    let file = folder.path().join(name);
    fs::write(&file, content)?;
    Ok((folder, file.display().to_string()))
}

fn paths_above_the_root(stage: &Stage<'_>) -> Result {
    let (_folder, file) = secret("secret", SECRET.as_bytes())?;
    for above in ["", "/../../../../..", "../../../../..", "/proc/1/root/../.."] {
        cannot_read(stage, &stage.setup(), &format!("{above}{file}"))?;
    }
    Ok(())
}

/// A folder of the host that is open in the guest's process would be a way out, if a path could lead through it: to
/// the host's files, or to its processes.
fn paths_through_descriptors(stage: &Stage<'_>) -> Result {
    let (_folder, file) = secret("secret", SECRET.as_bytes())?;
    let running = stage.start(&stage.setup())?;
    running.wait_for("ready\n")?;
    let process = running.process()?;
    let is_folder =
        |number: u32| fs::metadata(format!("/proc/{process}/fd/{number}")).is_ok_and(|it| it.is_dir());
    let open = descriptors(process)?.into_iter().map(|(number, _)| number);
    for number in open.filter(|number| is_folder(*number)) {
        for path in [file.as_str(), "/1/cmdline"] {
            cannot_read(stage, &stage.setup(), &format!("/proc/1/fd/{number}{path}"))?;
        }
    }
    Ok(())
}

fn a_link_out(stage: &Stage<'_>) -> Result {
    let (_folder, file) = secret("secret", SECRET.as_bytes())?;
    let upwards = format!("../../../../../..{file}");
    let setup = stage.setup().link("absolute", file).link("relative", upwards);
    cannot_read(stage, &setup, "/data/absolute")?;
    cannot_read(stage, &setup, "/data/relative")
}

fn cannot_read(stage: &Stage<'_>, setup: &Setup, path: &str) -> Result {
    let ended = stage.start(&setup.clone().args(["cwd-read", path]))?.end_unnoted()?;
    let hidden = ended.code == UNUSABLE && !ended.stdout().contains(SECRET);
    ensure(hidden, || format!("expected nothing to be read by {path}, but saw {}", ended.describe()))
}

fn entrypoint_above_the_root(stage: &Stage<'_>) -> Result {
    let (_folder, file) = secret("app.wasm", HELLO.bytes)?;
    for above in ["/../../../..", "../../../../.."] {
        refuses(stage, &stage.setup().path(format!("{above}{file}")), "does not exist")?;
    }
    Ok(())
}

fn entrypoint_is_a_link_out(stage: &Stage<'_>) -> Result {
    let (_folder, file) = secret("app.wasm", HELLO.bytes)?;
    refuses(stage, &stage.setup().path("/data/app.wasm").link("app.wasm", file), "/data/app.wasm")
}

/// The sentence names a folder of this run, and so is not noted.
fn refuses(stage: &Stage<'_>, setup: &Setup, says: &str) -> Result {
    let expected = Expected::Refused { says: vec![says.to_owned()] };
    let seen = stage.observe_unnoted(setup, None)?;
    Ok(expected.compare(&seen)?)
}
