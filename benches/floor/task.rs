//! The task that is not there, and the answers to all calls about it.

use std::io;
use std::os::unix::net::UnixStream;

use containerd_shim_protos::api::{
    ConnectResponse, CreateTaskResponse, DeleteResponse, Empty, StartResponse, StateResponse, Status,
    WaitResponse,
};
use containerd_shim_protos::events::task::{TaskCreate, TaskDelete, TaskExit, TaskStart};
use containerd_shim_protos::protobuf::well_known_types::timestamp::Timestamp;
use containerd_shim_protos::ttrpc::proto::Request;

use crate::event::{self, Publisher};
use crate::wire::{self, Answer};

#[derive(Debug)]
pub(crate) struct Task {
    id: String,
    /// containerd wants one; the server's own is that of a process that does nothing.
    pid: u32,
    publisher: Publisher,
    exited_at: Option<Timestamp>,
    /// The calls that wait for the end.
    waiting: Vec<u32>,
}

impl Task {
    pub(crate) fn new(id: String, publisher: Publisher) -> Self {
        Self { id, pid: std::process::id(), publisher, exited_at: None, waiting: Vec::new() }
    }

    /// Answers until the connection is closed; whether the server is to end.
    pub(crate) fn serve(&mut self, mut connection: UnixStream) -> io::Result<bool> {
        self.waiting.clear();
        while let Some((call, request)) = wire::read::<Request>(&mut connection)? {
            if request.method == "Wait" && self.exited_at.is_none() {
                self.waiting.push(call);
                continue;
            }
            wire::answer(&mut connection, call, &*self.answer(&request.method))?;
            self.follow(&request.method, &mut connection)?;
            if request.method == "Shutdown" {
                self.publisher.finish()?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn answer(&self, method: &str) -> Box<dyn Answer> {
        let (pid, exited_at) = (self.pid, self.exited_at.clone().into());
        match method {
            "Create" => Box::new(CreateTaskResponse { pid, ..CreateTaskResponse::default() }),
            "Start" => Box::new(StartResponse { pid, ..StartResponse::default() }),
            "Wait" => Box::new(WaitResponse { exited_at, ..WaitResponse::default() }),
            "Delete" => Box::new(DeleteResponse { pid, exited_at, ..DeleteResponse::default() }),
            "Connect" => {
                Box::new(ConnectResponse { shim_pid: pid, task_pid: pid, ..ConnectResponse::default() })
            }
            "State" => Box::new(StateResponse {
                id: self.id.clone(),
                pid,
                status: if self.exited_at.is_some() { Status::STOPPED } else { Status::CREATED }.into(),
                exited_at,
                ..StateResponse::default()
            }),
            _ => Box::new(Empty::default()),
        }
    }

    /// What is told after a call was answered.
    fn follow(&mut self, method: &str, connection: &mut UnixStream) -> io::Result<()> {
        let (container_id, pid) = (self.id.clone(), self.pid);
        match method {
            "Create" => {
                let created = TaskCreate { container_id, pid, ..TaskCreate::default() };
                self.publisher.publish("/tasks/create", &created)
            }
            "Start" => {
                let started = TaskStart { container_id, pid, ..TaskStart::default() };
                self.publisher.publish("/tasks/start", &started)?;
                self.end(connection)
            }
            "Kill" if self.exited_at.is_none() => self.end(connection),
            "Delete" => {
                let exited_at = self.exited_at.clone().into();
                let deleted = TaskDelete { container_id, pid, exited_at, ..TaskDelete::default() };
                self.publisher.publish("/tasks/delete", &deleted)
            }
            _ => Ok(()),
        }
    }

    /// The task has ended: containerd is told, and whoever waits for it.
    fn end(&mut self, connection: &mut UnixStream) -> io::Result<()> {
        self.exited_at = Some(event::now());
        let (container_id, id, exited_at) = (self.id.clone(), self.id.clone(), self.exited_at.clone().into());
        let exited = TaskExit { container_id, id, pid: self.pid, exited_at, ..TaskExit::default() };
        self.publisher.publish("/tasks/exit", &exited)?;
        for call in std::mem::take(&mut self.waiting) {
            wire::answer(connection, call, &*self.answer("Wait"))?;
        }
        Ok(())
    }
}
