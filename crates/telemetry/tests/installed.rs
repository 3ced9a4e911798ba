//! Telemetry as a shim installs it. One test, since it is installed once in a process.

use std::fmt;
use std::fs::File;
use std::io::Read;

use rustix::pipe::{PipeFlags, pipe_with};
use shimmer_telemetry::{Identity, Settings, environment, install};
use tracing::{Level, info};

#[test]
fn a_variable_that_cannot_be_followed_is_told_of_and_a_value_that_logs_is_no_deadlock() {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    let traces = environment::traces(|name| {
        Some(if name.ends_with("PROTOCOL") { "grpc" } else { "http://127.0.0.1:1" }.to_owned())
            .filter(|_| name.contains("OTLP_TRACES"))
    });
    let identity = Identity { engine: "fake", namespace: "k8s.io", pod: "f5c1" };
    let _guard = install(writer, &identity, Settings { level: Level::INFO, traces });
    info!(target: "shimmer", "{Talker}");

    let mut text = [0; 4096];
    let length = File::from(reader).read(&mut text).unwrap();
    let lines: Vec<_> = std::str::from_utf8(&text[..length]).unwrap().lines().collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines[0].contains("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL is \\\"grpc\\\""), "{lines:?}");
    assert!(lines[1].contains("msg=inner") && lines[2].contains("msg=outer"), "{lines:?}");
}

struct Talker;

impl fmt::Display for Talker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        info!(target: "shimmer", "inner");
        f.write_str("outer")
    }
}
