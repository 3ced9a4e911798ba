//! `vectors blend N`: prints `blend N = RESULT`; exits 2 on wrong usage.

use std::env;
use std::process::ExitCode;

use vectors::blend::blend;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["blend", number] if let Ok(pictures) = number.parse() => {
            println!("blend {pictures} = {}", blend(pictures));
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("usage: vectors blend N");
            ExitCode::from(2)
        }
    }
}
