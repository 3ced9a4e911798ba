//! The large component: CPython with a program of three lines, made on this machine because it is too large to commit.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};

use crate::host::Result;

/// The release that makes it, so that the same component is measured everywhere.
const COMPONENTIZE: &str = "componentize-py==0.25.1";
/// Its sources, and where componentize-py looks for them.
const SOURCES: [(&str, &str); 3] = [
    ("app.py", include_str!("python/app.py")),
    ("wit/hello.wit", include_str!("python/wit/hello.wit")),
    ("wit/deps/cli/run.wit", include_str!("python/wit/deps/cli/run.wit")),
];

/// The component, made in `cache` unless it is there already, which takes half a minute and PyPI.
///
/// # Errors
/// A sentence that says why it cannot be made: PyPI cannot be reached, or there is no Python.
pub fn component(cache: &Path) -> Result<Vec<u8>> {
    let component = cache.join(name());
    if !component.exists() {
        build(cache, &component)?;
    }
    Ok(fs::read(component)?)
}

/// The file's name, which is another one for each component: an old one must not be measured for a new one.
fn name() -> String {
    let mut hash = Sha256::new();
    for text in SOURCES.iter().flat_map(|(path, text)| [*path, *text]).chain([COMPONENTIZE]) {
        // What ends where is part of it.
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    }
    let digest: String = hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    format!("python-{digest}.wasm")
}

fn build(cache: &Path, component: &Path) -> Result<()> {
    fs::create_dir_all(cache)?;
    for (path, text) in SOURCES {
        let path = cache.join(path);
        fs::create_dir_all(path.parent().unwrap_or(cache))?;
        fs::write(path, text)?;
    }
    let (venv, unfinished) = (cache.join("venv"), cache.join("python.wasm.new"));
    run(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
    run(Command::new(venv.join("bin/pip")).args(["install", "--quiet", COMPONENTIZE]))?;
    let mut componentize = Command::new(venv.join("bin/componentize-py"));
    componentize.current_dir(cache).args(["--wit-path", "wit", "--world", "hello", "componentize", "app"]);
    run(componentize.arg("--output").arg(&unfinished))?;
    // Complete, or not there.
    Ok(fs::rename(unfinished, component)?)
}

fn run(command: &mut Command) -> Result<()> {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default().display().to_string();
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default().to_owned();
    Err(format!("{program} failed: {last}").into())
}
