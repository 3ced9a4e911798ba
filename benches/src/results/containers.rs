//! Containers under shims.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::summary::Summary;

/// All that was measured of containers.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Containers {
    /// containerd's version.
    pub containerd: String,
    /// By target, what its binary says of itself and the digest of the file.
    pub shims: BTreeMap<String, String>,
    /// Starts of each container that count.
    pub rounds: usize,
    /// Starts of a container before the first that counts.
    pub warm_ups: usize,
    /// The distance between the quartiles of the floor, as a part of its median.
    pub noise: Option<f64>,
    /// The shims by themselves.
    pub shim_starts: Vec<ShimStart>,
    /// One container at a time.
    pub starts: Vec<Starts>,
    /// Several at a time.
    pub throughput: Vec<Throughput>,
    /// What waiting containers hold.
    pub memory: Vec<Memory>,
    /// What servers answer.
    pub http: Vec<Http>,
    /// What went wrong, which no figure shows.
    pub failures: Vec<String>,
}

/// What runs in a container.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Program {
    /// Says hello and ends.
    Hello,
    /// Says that it is ready, and sleeps.
    Rest,
    /// An interpreter of 18 MB, which says hello and reads its input to the end.
    Python,
    /// Says what time it is, and ends.
    Stamp,
    /// The program that the user named.
    Module,
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Hello => "hello",
            Self::Rest => "rest",
            Self::Python => "python",
            Self::Stamp => "stamp",
            Self::Module => "module",
        })
    }
}

/// What kind of image it is in.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// The native twin, in a root filesystem.
    Native,
    /// A file in a root filesystem.
    Rootfs,
    /// The one layer of a CNCF Wasm artifact.
    Artifact,
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Native => "native",
            Self::Rootfs => "rootfs",
            Self::Artifact => "artifact",
        })
    }
}

/// Who asks for the containers.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// A client of containerd's task service.
    Task,
    /// CRI: each container in a pod of its own, with its pause container.
    Pod,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Task => "task",
            Self::Pod => "pod",
        })
    }
}

/// Whether the program has run before.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Heat {
    /// It has, on this node.
    Warm,
    /// Its image has just been unpacked, and nobody has seen these bytes before.
    Cold,
}

/// What containerd's root is on.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Store {
    /// A tmpfs.
    Memory,
    /// The machine's disk.
    Disk,
}

/// How long a shim takes until it can be asked for a container, which is a part of each creation.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ShimStart {
    /// The shim's name.
    pub target: String,
    /// From the execution of its program with `start` to its end, when its server listens; in milliseconds.
    pub took: Summary,
    /// Why there are no figures.
    pub failure: Option<String>,
}

/// What was measured of one program in one image on one target; times in milliseconds.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Starts {
    /// The shim's name.
    pub target: String,
    /// What runs.
    pub program: Program,
    /// What it is in.
    pub image: Form,
    /// Who asks.
    pub level: Level,
    /// Whether it has run before.
    pub heat: Heat,
    /// Where containerd keeps what it knows.
    pub store: Store,
    /// From the request to create it until the program has ended: of a pod, from that of its sandbox.
    pub to_exit: Summary,
    /// Making the pod's sandbox; empty for a task.
    pub sandbox: Summary,
    /// The call that creates it: the task, with its shim and the program loaded; in a pod, no more than its record.
    pub create: Summary,
    /// From the request to start it until its first output was read; empty where no output was awaited.
    pub output: Summary,
    /// From the request to start it until its first instruction, as the guest read the clock.
    pub instruction: Summary,
    /// From the guest's look at the clock until its end was told.
    pub event: Summary,
    /// From the request to start it until its end was told. In a pod that is where its task is created.
    pub exit: Summary,
    /// The call that deletes it: of a pod, all calls that remove it.
    pub delete: Summary,
    /// Why there are no figures.
    pub failure: Option<String>,
}

/// How many containers a target runs from their creation to their deletion.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Throughput {
    /// The shim's name.
    pub target: String,
    /// What hello is in.
    pub image: Form,
    /// How many at a time.
    pub at_once: usize,
    /// Containers of a burst.
    pub burst: usize,
    /// Containers in a second.
    pub per_second: Summary,
    /// Why there are no figures.
    pub failure: Option<String>,
}

/// What one waiting container holds, when there are `containers` of them; in MiB.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Memory {
    /// The shim's name.
    pub target: String,
    /// What waits.
    pub program: Program,
    /// What it is in.
    pub image: Form,
    /// Who asked for it.
    pub level: Level,
    /// How many there were.
    pub containers: usize,
    /// All that is there for one.
    pub total: Summary,
    /// The last look.
    pub held: Option<Held>,
    /// Why there are no figures.
    pub failure: Option<String>,
}

/// What processes hold, in MiB for each container.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Held {
    /// By what they are there for.
    pub roles: BTreeMap<Role, f64>,
    /// By the name of the program.
    pub programs: BTreeMap<String, f64>,
}

/// What a process is there for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// It serves containerd's calls.
    Shim,
    /// Whatever else a shim has besides its server: one for a container, or one for all.
    Helper,
    /// It is in a container.
    Guest,
    /// It is in a pod's sandbox.
    Pause,
}

/// What a server answers to clients that ask without a pause.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Http {
    /// The shim's name, or the command that serves in its place; that of the floor stands for a thread without a guest.
    pub target: String,
    /// How many clients there are, each with a connection that it keeps; none where nobody serves.
    pub clients: usize,
    /// Answers in a second.
    pub per_second: Summary,
    /// How long one answer takes, in milliseconds: the medians of the rounds.
    pub latency: Summary,
    /// One answer in a hundred takes longer: so in the rounds, in milliseconds.
    pub p99: Summary,
    /// Why there are no figures.
    pub failure: Option<String>,
}

/// The reason of a row that has no figures because the program that serves is not on this machine.
pub const NOT_INSTALLED: &str = "it is not installed";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let throughput = Throughput {
            target: "wasmtime".into(),
            image: Form::Artifact,
            at_once: 4,
            burst: 12,
            per_second: Summary::of(vec![1.0, 2.0]),
            failure: None,
        };
        let held = Held { roles: BTreeMap::from([(Role::Shim, 1.5)]), ..Held::default() };
        let memory = Memory {
            target: "wasmtime".into(),
            program: Program::Rest,
            image: Form::Rootfs,
            level: Level::Pod,
            containers: 20,
            total: Summary::of(Vec::new()),
            held: Some(held),
            failure: Some("it did not wait".into()),
        };
        let found =
            Containers { throughput: vec![throughput], memory: vec![memory], ..Containers::default() };
        let json = serde_json::to_string(&found).expect("it is data");
        let read: Containers = serde_json::from_str(&json).expect("it was written");
        assert_eq!(serde_json::to_string(&read).expect("it is data"), json);
        assert!(json.contains(r#""level":"pod""#) && json.contains(r#""roles":{"shim":1.5}"#), "{json}");
    }
}
