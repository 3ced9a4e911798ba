//! `logs N`: prints `logs N = RESULT`; exits 2 on wrong usage.

use std::env;
use std::process::ExitCode;

use logs::access::access;

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    match (arguments.next().and_then(|number| number.parse().ok()), arguments.next()) {
        (Some(lines), None) => {
            println!("logs {lines} = {}", access(lines));
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("usage: logs N");
            ExitCode::from(2)
        }
    }
}
