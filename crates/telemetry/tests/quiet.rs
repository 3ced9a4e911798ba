//! Without the variables, telemetry is a descriptor and nothing else. One test, since it counts what its process has.

use std::fs::{File, read_dir, read_link};
use std::io::Read;

use rustix::pipe::{PipeFlags, pipe_with};
use shimmer_telemetry::{Identity, Settings, environment, install};
use tracing::{Level, error, info_span};

#[test]
fn nothing_is_sent_and_no_socket_is_opened_without_the_variables() {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    let before = (threads(), descriptors());
    // No runtime: nothing here could run a task.
    let identity = Identity { engine: "fake", namespace: "k8s.io", pod: "f5c1" };
    let guard =
        install(writer, &identity, Settings { level: Level::INFO, traces: environment::traces(|_| None) });
    info_span!(target: "shimmer", "create", container = "c1")
        .in_scope(|| error!(target: "shimmer", "it did not work"));
    assert_eq!((threads(), descriptors()), before);

    let mut line = [0; 4096];
    let length = File::from(reader).read(&mut line).unwrap();
    let line = std::str::from_utf8(&line[..length]).unwrap();
    assert!(line.ends_with("pod=f5c1 container=c1\n"), "{line}");
    drop(guard);
}

fn threads() -> usize {
    read_dir("/proc/self/task").expect("a /proc").count()
}

fn descriptors() -> Vec<String> {
    let entries = read_dir("/proc/self/fd").expect("a /proc").flatten();
    let links = entries.filter_map(|entry| read_link(entry.path()).ok());
    let mut names: Vec<_> = links.map(|link| link.display().to_string()).collect();
    names.sort();
    names
}
