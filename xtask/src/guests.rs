//! `cargo xtask guests`: compiles the guest programs of conformance/guests, or checks the committed ones.

mod toolchain;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::guests::toolchain::Toolchain;
use crate::process::{read, run};
use crate::{Result, cargo, machine};

/// Rebuilds the guests into conformance/guests/prebuilt with their checksums.
///
/// With `check` nothing in the tree changes: the committed files must fit their checksums and, where the
/// toolchain that made them is at hand, a rebuild must give the same bytes.
pub(crate) fn rebuild(check: bool) -> Result<()> {
    let build = Build::new()?;
    if check { build.check() } else { build.replace() }
}

struct Build {
    guests: PathBuf,
    prebuilt: PathBuf,
    cache: PathBuf,
    toolchain: Toolchain,
}

impl Build {
    fn new() -> Result<Self> {
        let guests = machine::workspace().join("conformance/guests");
        let cache = cargo::target()?.join("guests");
        let toolchain = Toolchain::new(cache.join("toolchain"));
        Ok(Self { prebuilt: guests.join("prebuilt"), guests, cache, toolchain })
    }

    fn check(&self) -> Result<()> {
        self.verify_checksums()?;
        let committed = fs::read_to_string(self.prebuilt.join("TOOLCHAIN"))?;
        if !self.toolchain.exists() {
            println!(
                "guests: checksums fit; `cargo xtask guests` fetches the compiler that a comparison needs"
            );
            return Ok(());
        }
        let present = self.toolchain.versions()?;
        if present != committed {
            println!("guests: checksums fit; not compared: built with\n{committed}and here is\n{present}");
            return Ok(());
        }
        let output = self.compile()?;
        for name in self.names()? {
            if fs::read(output.join(&name))? != fs::read(self.prebuilt.join(&name))? {
                return Err(format!("{name} is not what its source gives: run `cargo xtask guests`").into());
            }
        }
        println!("guests: checksums fit, and a rebuild gives the same bytes");
        Ok(())
    }

    fn replace(&self) -> Result<()> {
        self.toolchain.fetch()?;
        let output = self.compile()?;
        if self.prebuilt.exists() {
            fs::remove_dir_all(&self.prebuilt)?;
        }
        fs::create_dir_all(&self.prebuilt)?;
        let names = self.names()?;
        for name in &names {
            // Not fs::copy: it would bring along the executable bit that a linker sets.
            fs::write(self.prebuilt.join(name), fs::read(output.join(name))?)?;
        }
        let sums = read(Command::new("sha256sum").args(&names).current_dir(&self.prebuilt))?;
        fs::write(self.prebuilt.join("SHA256SUMS"), sums)?;
        fs::write(self.prebuilt.join("TOOLCHAIN"), self.toolchain.versions()?)?;
        println!("guests: {} files in {}", names.len(), self.prebuilt.display());
        Ok(())
    }

    fn verify_checksums(&self) -> Result<()> {
        let mut verify = Command::new("sha256sum");
        verify.args(["--check", "--quiet", "--strict", "SHA256SUMS"]).current_dir(&self.prebuilt);
        run(&mut verify)
            .map_err(|error| format!("a committed guest was changed by hand or is damaged: {error}"))?;
        let sums = fs::read_to_string(self.prebuilt.join("SHA256SUMS"))?;
        let listed: Vec<&str> =
            sums.lines().filter_map(|line| line.split_once("  ")).map(|(_, name)| name).collect();
        for present in files(&self.prebuilt, "wasm")?.iter().chain(&self.names()?) {
            if !listed.contains(&present.as_str()) {
                return Err(format!("{present} has no checksum: run `cargo xtask guests`").into());
            }
        }
        Ok(())
    }

    /// Compiles everything and returns the folder that holds the guests.
    fn compile(&self) -> Result<PathBuf> {
        println!("guests: compiling into {}", self.cache.display());
        let (target, output) = (self.cache.join("target"), self.cache.join("output"));
        let build = ["build", "--locked", "--release"];
        run(self.cargo(&target)?.args(build).arg("--package=convert"))?;
        let mut cargo = self.cargo(&target)?;
        self.toolchain.select(&mut cargo, &self.guests)?;
        run(cargo.args(build).args(["--workspace", "--exclude=convert", "--target=wasm32-wasip1"]))?;
        let mut cargo = self.cargo(&target)?;
        self.toolchain.select(&mut cargo, &self.guests)?;
        run(cargo.args(build).args(["--package=guests", "--bin=probe", "--target=wasm32-wasip2"]))?;
        fs::create_dir_all(&output)?;
        let convert = target.join("release/convert");
        for (step, module, name) in COMPILED {
            let (module, guest) = (target.join(module), output.join(name));
            match step {
                Step::Copy => fs::copy(module, guest).map(drop)?,
                Step::Command => run(Command::new(&convert).arg("command").args([module, guest]))?,
                Step::Reactor => run(Command::new(&convert).arg("reactor").args([module, guest]))?,
            }
        }
        for text in files(&self.guests.join("wat"), "wat")? {
            let text = self.guests.join("wat").join(text);
            run(Command::new(&convert).arg("text").arg(&text).arg(output.join(binary_name(&text))))?;
        }
        Ok(output)
    }

    fn cargo(&self, target: &Path) -> Result<Command> {
        let mut cargo = cargo::command()?;
        cargo.current_dir(&self.guests).env("CARGO_TARGET_DIR", target);
        // Whatever somebody sets for native code does not belong into a guest.
        cargo.env_remove("CARGO_ENCODED_RUSTFLAGS").env_remove("RUSTFLAGS");
        Ok(cargo)
    }

    fn names(&self) -> Result<Vec<String>> {
        let written = files(&self.guests.join("wat"), "wat")?;
        let written = written.iter().map(|text| binary_name(Path::new(text)));
        let mut names: Vec<String> =
            COMPILED.iter().map(|(_, _, name)| (*name).to_owned()).chain(written).collect();
        names.sort();
        Ok(names)
    }
}

enum Step {
    Copy,
    /// A component of a module whose `_start` the adapter calls.
    Command,
    /// A component of a module that exports a component's functions itself, as those for WASI 0.2 do.
    Reactor,
}

/// What happens to each compiled module, and the guest that it becomes.
const COMPILED: [(Step, &str, &str); 11] = [
    (Step::Copy, "wasm32-wasip1/release/checksum.wasm", "checksum.wasm"),
    (Step::Copy, "wasm32-wasip1/release/compute.wasm", "compute.wasm"),
    (Step::Copy, "wasm32-wasip1/release/hello.wasm", "hello.wasm"),
    (Step::Copy, "wasm32-wasip1/release/logs.wasm", "logs.wasm"),
    (Step::Copy, "wasm32-wasip1/release/probe.wasm", "probe.wasm"),
    (Step::Copy, "wasm32-wasip1/release/vectors.wasm", "vectors.wasm"),
    (Step::Command, "wasm32-wasip1/release/checksum.wasm", "checksum.component.wasm"),
    (Step::Command, "wasm32-wasip1/release/hello.wasm", "hello.component.wasm"),
    (Step::Reactor, "wasm32-wasip2/release/probe.wasm", "probe.component.wasm"),
    (Step::Reactor, "wasm32-wasip1/release/exit_err.wasm", "exit-err.component.wasm"),
    (Step::Reactor, "wasm32-wasip1/release/http.wasm", "http.component.wasm"),
];

fn binary_name(text: &Path) -> String {
    format!("{}.wasm", text.file_stem().unwrap_or_default().display())
}

fn files(folder: &Path, extension: &str) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        if Path::new(&name).extension() == Some(OsStr::new(extension)) {
            names.push(name.display().to_string());
        }
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_committed_guest_fits_its_checksum() {
        let build = Build::new().expect("there is a cache folder");
        build.verify_checksums().expect("prebuilt files, SHA256SUMS and the list of guests agree");
    }

    #[test]
    fn no_guest_names_a_folder_of_the_machine_that_built_it() {
        let build = Build::new().expect("there is a cache folder");
        for name in build.names().expect("the sources are there") {
            let bytes = fs::read(build.prebuilt.join(&name)).expect("every guest is committed");
            for folder in ["/home/", "/root/", "/registry/src/"] {
                let found = bytes.windows(folder.len()).any(|window| window == folder.as_bytes());
                assert!(!found, "{name} holds {folder}");
            }
        }
    }
}
