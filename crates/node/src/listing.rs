//! Tasks by their id alone, for whoever does not hold the [`Task`](crate::Task), or wants to see what
//! containerd says when it is gone.

use std::sync::Arc;

use containerd_client::services::v1::ListTasksRequest;

use crate::Node;
use crate::client::request;
use crate::error::Result;
use crate::handle::Handle;
use crate::status::{ExitStatus, State};

/// A task that a node lists.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Listed {
    /// Its container's id.
    pub id: String,
    /// The id of its first process, as the node counts processes.
    pub pid: u32,
    /// What it is doing.
    pub state: State,
}

impl Node {
    /// All tasks, by id.
    pub fn tasks(&self) -> Result<Vec<Listed>> {
        let message = ListTasksRequest { filter: String::new() };
        let found = self.client.wait("list the tasks", self.client.api().tasks().list(request(message)))?;
        let listed = |task: containerd_client::types::v1::Process| Listed {
            state: task.status().into(),
            id: task.id,
            pid: task.pid,
        };
        let mut tasks: Vec<_> = found.tasks.into_iter().map(listed).collect();
        tasks.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(tasks)
    }

    /// What the task `id` is doing, as its shim says.
    pub fn task_state(&self, id: &str) -> Result<State> {
        self.handle(id).state()
    }

    /// Sends a signal to the first process of the task `id`.
    pub fn kill_task(&self, id: &str, signal: u32) -> Result<()> {
        self.handle(id).kill(signal, false)
    }

    /// Deletes the task `id`, which must have ended.
    pub fn delete_task(&self, id: &str) -> Result<ExitStatus> {
        self.handle(id).delete()
    }

    fn handle(&self, id: &str) -> Handle {
        Handle::task(Arc::clone(&self.client), id)
    }
}
