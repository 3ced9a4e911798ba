//! Native code, hosted by this program itself as engines are by theirs.

use std::io::Write;
use std::time::Instant;
use std::{env, io};

use shimmer_benches::host::{Answer, Result, peak};
use shimmer_benches::results::engines::NATIVE;

use crate::kernel::Kernel;

/// The first argument of the host.
const HOST: &str = "--native";

/// The arguments that ask for a kernel.
pub(crate) fn arguments(kernel: &Kernel, size: u32) -> Vec<String> {
    [HOST, kernel.name, &size.to_string()].map(str::to_owned).to_vec()
}

/// The answer to what the arguments ask for; none where they ask for no kernel.
pub(crate) fn answer() -> Option<Result<Answer>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [HOST, kernel, size] => Some(run(kernel, size)),
        _ => None,
    }
}

fn run(kernel: &str, size: &str) -> Result<Answer> {
    let size = size.parse()?;
    let kernel = Kernel::of_name(kernel).ok_or_else(|| format!("there is no kernel {kernel}"))?;
    let begin = Instant::now();
    // As the guest: what it prints is part of its time.
    io::stdout().write_all(kernel.line(size).as_bytes())?;
    Ok(Answer { name: NATIVE.into(), run: begin.elapsed(), peak: peak()?, ..Answer::default() })
}
