//! `convert command|reactor|text INPUT OUTPUT`: what the guests' build does after the compiler, on the host.
//!
//! `command` and `reactor` make a component of a core module that speaks WASI preview 1; `text` turns .wat
//! into .wasm.

use std::error::Error;
use std::process::ExitCode;
use std::{env, fs};

use wasi_preview1_component_adapter_provider as adapter;
use wit_component::ComponentEncoder;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [kind, input, output] = arguments.as_slice() else {
        eprintln!("usage: convert command|reactor|text INPUT OUTPUT");
        return ExitCode::from(2);
    };
    match convert(kind, input).and_then(|wasm| Ok(fs::write(output, wasm)?)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("convert: {input} to {output}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn convert(kind: &str, input: &str) -> Result<Vec<u8>> {
    match kind {
        "command" => component(input, adapter::WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER),
        "reactor" => component(input, adapter::WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER),
        "text" => Ok(wat::parse_file(input)?),
        _ => Err(format!("no conversion is called \"{kind}\"").into()),
    }
}

fn component(input: &str, adapter: &[u8]) -> Result<Vec<u8>> {
    let component = ComponentEncoder::default()
        .validate(true)
        .module(&fs::read(input)?)
        .and_then(|encoder| encoder.adapter(adapter::WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, adapter))
        .and_then(|encoder| encoder.encode());
    component.map_err(|error| format!("{error:#}").into())
}
