use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use shimmer_engine::Engine;

use crate::launch::ZYGOTE;
use crate::zygote;

/// The whole of an engine program's `main`.
///
/// `--version` and `--help` are for people; a shim executes it as the zygote of its engine.
#[must_use]
pub fn main<E: Engine + Default + 'static>() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    match (arguments.next(), arguments.next()) {
        (Some(word), Some(socket)) if word == ZYGOTE => {
            drop(arguments);
            zygote::serve(Some(Box::new(E::default())), Path::new(&socket))
        }
        (Some(word), None) if is_one_of(&word, ["--version", "-V"]) => {
            println!("{} ({})", E::default().info(), env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        _ => {
            let name = E::default().info().name;
            println!(
                "shimmer-{name}: the engine of containerd-shim-{name}-v1, which executes it and looks for it in its own \
                 folder\n\nOptions:\n  --version  version of the engine and of Shimmer\n  --help     this text"
            );
            ExitCode::SUCCESS
        }
    }
}

fn is_one_of(word: &OsString, words: [&str; 2]) -> bool {
    words.iter().any(|each| word == each)
}
