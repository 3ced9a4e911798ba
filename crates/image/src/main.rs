//! `shimmer-image`: writes a release from folders of programs. `cargo xtask image` builds those and calls it.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use shimmer_image::{Architecture, Glibc, Order, Promise, Written, write};

/// Writes a release: the installer's OCI image, archives for installing by hand, checksums, and what is inside.
#[derive(Debug, Parser)]
#[command(after_help = "Exit codes: 0 written, 1 not, 2 wrong usage.")]
struct Arguments {
    /// The programs for x86 of 64 bits
    #[arg(long, value_name = "DIR", required_unless_present = "arm64")]
    amd64: Option<PathBuf>,
    /// The programs for ARM of 64 bits
    #[arg(long, value_name = "DIR")]
    arm64: Option<PathBuf>,
    /// Where libraries are found that the folders do not have in their `lib`; may be repeated
    #[arg(long, value_name = "DIR")]
    libraries: Vec<PathBuf>,
    /// The oldest C library of nodes that the release is for
    #[arg(long, value_name = "VERSION", default_value = "2.28")]
    glibc: Glibc,
    /// The programs are for this machine: nothing is promised to another
    #[arg(long, conflicts_with = "glibc")]
    host_libc: bool,
    /// The release's version
    #[arg(long, value_name = "VERSION")]
    version: String,
    /// The commit that was built
    #[arg(long, value_name = "COMMIT")]
    revision: String,
    /// When that was made
    #[arg(long, value_name = "TIME", default_value = "1970-01-01T00:00:00Z")]
    created: String,
    /// The image's name; without a tag, it gets the version for one
    #[arg(long, default_value = "localhost/shimmer-installer")]
    name: String,
    /// The WebAssembly program by which the image is tried
    #[arg(long, value_name = "FILE")]
    hello: PathBuf,
    /// What `cargo metadata --format-version 1` printed
    #[arg(long, value_name = "FILE")]
    metadata: PathBuf,
    /// The workspace's Cargo.lock
    #[arg(long, value_name = "FILE")]
    lock: PathBuf,
    /// The folder of what is written
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
}

impl Arguments {
    fn order(self) -> Order {
        let folders = [(Architecture::Amd64, self.amd64), (Architecture::Arm64, self.arm64)];
        Order {
            folders: folders.into_iter().filter_map(|(which, folder)| Some((which, folder?))).collect(),
            libraries: self.libraries,
            promise: if self.host_libc { Promise::ThisHost } else { Promise::From(self.glibc) },
            version: self.version,
            revision: self.revision,
            created: self.created,
            name: self.name,
            hello: self.hello,
            metadata: self.metadata,
            lock: self.lock,
            output: self.output,
        }
    }
}

fn main() -> ExitCode {
    let outcome = write(&Arguments::parse().order()).map_err(|error| error.to_string());
    match outcome.and_then(|written| report(&written).map_err(|error| error.to_string())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A closed stderr leaves nobody to tell.
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn report(written: &Written) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{} {}", written.name, written.digest)?;
    for (file, size) in &written.files {
        writeln!(stdout, "  {:>7.1} MB  {}", megabytes(*size), file.display())?;
    }
    for (architecture, notes) in &written.notes {
        for note in notes {
            writeln!(stdout, "  note for {architecture}: {note}")?;
        }
    }
    Ok(())
}

fn megabytes(bytes: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "the first digits are shown")]
    let bytes = bytes as f64;
    bytes / 1e6
}
