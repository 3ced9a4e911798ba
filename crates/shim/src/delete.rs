use std::fs::{self, File};
use std::io;
use std::path::Path;

use containerd_shim_protos::api::DeleteResponse;
use containerd_shim_protos::protobuf::{Message, MessageField};
use rustix::fs::FlockOperation;
use shimmer_container::{EndedBy, KILLED};

use crate::arguments::Arguments;
use crate::bundle::Definition;
use crate::error::{Error, Kind, Result};
use crate::events::timestamp;
use crate::{mounts, pod, start};

/// Cleans up after a shim that is gone, and says how its container ended: the answer, encoded.
///
/// The monitor of a container whose shim is gone kills it, writes its end down and removes its cgroup and state; this
/// waits for that, and does the rest, or all of it where the monitor was killed too.
///
/// # Errors
///
/// Those of umount2(2), and of [`shimmer_container::sweep`].
pub(crate) fn delete(arguments: &Arguments) -> Result<Vec<u8>> {
    let bundle = if arguments.bundle.as_os_str().is_empty() {
        std::env::current_dir()?
    } else {
        arguments.bundle.clone()
    };
    await_monitor(&bundle)?;
    shimmer_container::sweep(&bundle, &pod::state(&bundle), &arguments.id)?;
    let end = end(&bundle).unwrap_or_else(|| EndedBy::now(KILLED));
    mounts::unmount_all(&bundle.join("rootfs"))?;
    remove_socket(arguments, &bundle);
    let exited_at = MessageField::some(timestamp(end));
    let response = DeleteResponse { exit_status: end.status, exited_at, ..DeleteResponse::default() };
    response.write_to_bytes().map_err(|error| Error::new(Kind::Internal, error.to_string()))
}

/// The end that the monitor has written down.
fn end(bundle: &Path) -> Option<EndedBy> {
    serde_json::from_slice(&fs::read(bundle.join(shimmer_container::RECORD)).ok()?).ok()
}

/// Waits until the monitor has ended, whose lock dies with it. containerd bounds how long this may take.
fn await_monitor(bundle: &Path) -> io::Result<()> {
    match File::open(bundle.join(shimmer_container::LOCK)) {
        Ok(lock) => Ok(rustix::fs::flock(&lock, FlockOperation::LockExclusive)?),
        // There is none: the container was never made.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Removes the socket of a shim that had this container alone. Where it was one of a pod, its sandbox is the group's.
fn remove_socket(arguments: &Arguments, bundle: &Path) {
    let group = Definition::read(bundle).ok().and_then(|definition| definition.group().map(str::to_owned));
    let group = group.unwrap_or_else(|| arguments.id.clone());
    if group == arguments.id {
        // It may be gone: a shim that ends by itself removes it.
        let _ = fs::remove_file(start::socket(arguments, &group));
    }
}
