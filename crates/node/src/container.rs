//! Containers: a record and a writable snapshot in containerd, from which a task can be made.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use containerd_client::services::v1::container::Runtime;
use containerd_client::services::v1::{
    Container as Record, CreateContainerRequest, CreateTaskRequest, DeleteContainerRequest,
};
use containerd_client::types;
use prost_types::Any;

use crate::client::{Client, request};
use crate::error::{Error, Result};
use crate::handle::Handle;
use crate::image::unique;
use crate::snapshot::{self, SNAPSHOTTER};
use crate::spec::ContainerSpec;
use crate::status::Phases;
use crate::stdio::Stdio;
use crate::task::{Origin, Task};

/// A container that exists but does not run. Dropped, it is deleted.
#[derive(Debug)]
pub struct Container {
    client: Arc<Client>,
    spec: ContainerSpec,
    rootfs: Vec<types::Mount>,
    origin: Origin,
    prepare: Duration,
    is_deleted: bool,
}

impl Container {
    /// Makes the record and the snapshot. `parent` is the node's cgroup, `pipes` the folder of streams.
    pub(crate) fn new(
        client: Arc<Client>,
        spec: ContainerSpec,
        parent: &str,
        pipes: PathBuf,
    ) -> Result<Self> {
        let begin = Instant::now();
        let oci = spec.oci(parent)?;
        // From here on, dropping removes what was made. The record comes first: it keeps the snapshot, of
        // which nothing else knows, from being collected as garbage.
        let origin = Origin { process: oci["process"].clone(), pipes };
        let mut container =
            Self { client, spec, rootfs: Vec::new(), origin, prepare: Duration::ZERO, is_deleted: true };
        container.record(&oci)?;
        container.is_deleted = false;
        let spec = &container.spec;
        container.rootfs = snapshot::prepare(&container.client, &spec.id, spec.image.snapshot.as_deref())?;
        container.prepare = begin.elapsed();
        Ok(container)
    }

    /// The container's id.
    pub fn id(&self) -> &str {
        &self.spec.id
    }

    /// Makes the container's task: the shim is started and has loaded the program, which does not run yet.
    ///
    /// # Errors
    /// [`Containerd`](crate::ErrorKind::Containerd), with the shim's own words, where the shim refuses.
    pub fn create(&self) -> Result<Task> {
        self.create_within(self.client.limit())
    }

    /// As [`create`](Self::create), by a shim that may not answer at all.
    ///
    /// # Errors
    /// [`Timeout`](crate::ErrorKind::Timeout) besides, where it has not within `timeout`; containerd then removes
    /// what there is.
    pub fn create_within(&self, timeout: Duration) -> Result<Task> {
        let pipes = self.origin.pipes.join(unique(self.id()));
        let stdio = Stdio::new(pipes, self.spec.input.clone(), self.spec.terminal)?;
        let [stdin, stdout, stderr] = stdio.paths();
        let message = CreateTaskRequest {
            container_id: self.id().into(),
            rootfs: self.rootfs.clone(),
            stdin,
            stdout,
            stderr,
            terminal: self.spec.terminal,
            ..CreateTaskRequest::default()
        };
        let begin = Instant::now();
        let doing = format!("create the task {}", self.id());
        let call = async { self.client.api().tasks().create(request(message)).await };
        let created = self.client.wait_at_most(timeout, doing, call)?;
        let phases = Phases { prepare: self.prepare, create: begin.elapsed(), ..Phases::default() };
        let handle = Handle::task(Arc::clone(&self.client), self.id());
        Ok(Task::new(handle, created.pid, stdio, phases, self.origin.clone()))
    }

    /// Deletes the container, and its files with it. Its task must be deleted.
    pub fn delete(mut self) -> Result<()> {
        self.is_deleted = true;
        self.remove()
    }

    fn record(&self, oci: &serde_json::Value) -> Result<()> {
        let spec = &self.spec;
        let container = Record {
            id: spec.id.clone(),
            image: spec.image.name().into(),
            runtime: Some(Runtime { name: spec.runtime.clone(), options: None }),
            spec: Some(Any { type_url: SPEC_TYPE.into(), value: oci.to_string().into_bytes() }),
            snapshotter: SNAPSHOTTER.into(),
            snapshot_key: spec.id.clone(),
            ..Record::default()
        };
        let message = CreateContainerRequest { container: Some(container) };
        let doing = format!("create the container {}", spec.id);
        self.client.wait(doing, self.client.api().containers().create(request(message))).map(drop)
    }

    fn remove(&self) -> Result<()> {
        let message = DeleteContainerRequest { id: self.id().into() };
        let doing = format!("delete the container {}", self.id());
        let record = self.client.wait(doing, self.client.api().containers().delete(request(message)));
        let record = record.or_else(|error: Error| if error.is_not_found() { Ok(()) } else { Err(error) });
        // Both are tried, whatever became of the first.
        let snapshot = snapshot::remove(&self.client, self.id());
        record.and(snapshot)
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if !self.is_deleted {
            // A destructor has nobody to report to, and the node ends what stays.
            let _unreported = self.remove();
        }
    }
}

const SPEC_TYPE: &str = "types.containerd.io/opencontainers/runtime-spec/1/Spec";
