//! A command whose `wasi:cli/run` returns an error, which is the other way to end with exit code 1.

struct ExitErr;

wasip2::cli::command::export!(ExitErr);

impl wasip2::exports::cli::run::Guest for ExitErr {
    fn run() -> Result<(), ()> {
        eprintln!("run returns an error");
        Err(())
    }
}
