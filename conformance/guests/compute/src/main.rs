//! `compute KERNEL N`: does one piece of work and prints `KERNEL N = RESULT`; exits 2 on wrong usage.

use std::env;
use std::process::ExitCode;

use compute::kernel::Kernel;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match parse(&arguments) {
        Ok((kernel, n)) => {
            println!("{} {n} = {}", kernel.name(), kernel.run(n));
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("compute: {message}");
            ExitCode::from(2)
        }
    }
}

fn parse(arguments: &[String]) -> Result<(Kernel, u32), String> {
    let [kernel, n] = arguments else {
        return Err("usage: compute fib|sieve|matmul|sha256|chase|clock N".to_owned());
    };
    let n = n.parse().map_err(|error| format!("\"{n}\" is no size: {error}"))?;
    Ok((kernel.parse()?, n))
}
