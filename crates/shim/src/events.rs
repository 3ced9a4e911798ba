//! What containerd is told without having asked: in order, and again until it has been heard.

use std::collections::VecDeque;
use std::os::fd::IntoRawFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use containerd_shim_protos::api::Envelope;
use containerd_shim_protos::events::task::{
    TaskCreate, TaskDelete, TaskExecAdded, TaskExecStarted, TaskExit, TaskIO, TaskOOM, TaskPaused,
    TaskResumed, TaskStart,
};
use containerd_shim_protos::protobuf::well_known_types::any::Any;
use containerd_shim_protos::protobuf::well_known_types::timestamp::Timestamp;
use containerd_shim_protos::protobuf::{Message, MessageField};
use containerd_shim_protos::shim::events::ForwardRequest;
use containerd_shim_protos::shim_async::{Client, EventsClient};
use containerd_shim_protos::ttrpc::context;
use shimmer_container::EndedBy;
use tokio::sync::{mpsc, oneshot};
use tracing::{debug, warn};

use crate::stdio::Paths;

/// Where events are handed in.
#[derive(Clone, Debug)]
pub(crate) struct Events {
    queue: mpsc::UnboundedSender<Item>,
    namespace: String,
}

#[derive(Debug)]
enum Item {
    Event(Box<Envelope>),
    /// To be answered when all events before it have been told.
    Told(oneshot::Sender<()>),
}

/// How long containerd may be away before its events are forgotten: more events than this are of processes that nobody
/// will ever ask for.
const LONGEST: usize = 4096;
/// How long containerd may take to take an event.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long to wait before containerd is tried again.
const PAUSE: Duration = Duration::from_millis(500);

impl Events {
    /// Starts to tell events to the socket; to nobody where there is none.
    pub(crate) fn to(socket: Option<PathBuf>, namespace: &str) -> Self {
        let (queue, items) = mpsc::unbounded_channel();
        tokio::spawn(Teller { socket, client: None, items, waiting: VecDeque::new() }.tell());
        Self { queue, namespace: namespace.to_owned() }
    }

    pub(crate) fn created(&self, id: &str, bundle: &str, paths: &Paths, pid: u32) {
        let io = TaskIO {
            stdin: paths.stdin.clone(),
            stdout: paths.stdout.clone(),
            stderr: paths.stderr.clone(),
            terminal: paths.terminal,
            ..TaskIO::default()
        };
        let (container_id, bundle) = (id.to_owned(), bundle.to_owned());
        let event =
            TaskCreate { container_id, bundle, pid, io: MessageField::some(io), ..TaskCreate::default() };
        self.tell("create", "TaskCreate", &event);
    }

    /// The container's first process, or an exec, runs.
    pub(crate) fn started(&self, id: &str, exec: &str, pid: u32) {
        let (container_id, exec_id) = (id.to_owned(), exec.to_owned());
        if exec.is_empty() {
            self.tell("start", "TaskStart", &TaskStart { container_id, pid, ..TaskStart::default() });
        } else {
            let event = TaskExecStarted { container_id, exec_id, pid, ..TaskExecStarted::default() };
            self.tell("exec-started", "TaskExecStarted", &event);
        }
    }

    pub(crate) fn exec_added(&self, id: &str, exec: &str) {
        let (container_id, exec_id) = (id.to_owned(), exec.to_owned());
        let event = TaskExecAdded { container_id, exec_id, ..TaskExecAdded::default() };
        self.tell("exec-added", "TaskExecAdded", &event);
    }

    pub(crate) fn ended(&self, container: &str, exec: &str, pid: u32, end: EndedBy) {
        let event = TaskExit {
            container_id: container.to_owned(),
            id: if exec.is_empty() { container } else { exec }.to_owned(),
            pid,
            exit_status: end.status,
            exited_at: MessageField::some(timestamp(end)),
            ..TaskExit::default()
        };
        self.tell("exit", "TaskExit", &event);
    }

    pub(crate) fn out_of_memory(&self, id: &str) {
        self.tell("oom", "TaskOOM", &TaskOOM { container_id: id.to_owned(), ..TaskOOM::default() });
    }

    pub(crate) fn paused(&self, id: &str) {
        self.tell(
            "paused",
            "TaskPaused",
            &TaskPaused { container_id: id.to_owned(), ..TaskPaused::default() },
        );
    }

    pub(crate) fn resumed(&self, id: &str) {
        self.tell(
            "resumed",
            "TaskResumed",
            &TaskResumed { container_id: id.to_owned(), ..TaskResumed::default() },
        );
    }

    pub(crate) fn deleted(&self, id: &str, exec: &str, pid: u32, end: EndedBy) {
        let event = TaskDelete {
            container_id: id.to_owned(),
            id: exec.to_owned(),
            pid,
            exit_status: end.status,
            exited_at: MessageField::some(timestamp(end)),
            ..TaskDelete::default()
        };
        self.tell("delete", "TaskDelete", &event);
    }

    /// Waits until all that has been handed in is told, or cannot be.
    pub(crate) async fn flush(&self) {
        let (told, when_told) = oneshot::channel();
        if self.queue.send(Item::Told(told)).is_ok() {
            let _whether_told_or_given_up = when_told.await;
        }
    }

    fn tell(&self, topic: &str, kind: &str, event: &impl Message) {
        let value = event.write_to_bytes();
        let value = value.expect("the messages have no required fields, and are far shorter than 2 GiB");
        let any = Any { type_url: format!("containerd.events.{kind}"), value, ..Any::default() };
        let envelope = Envelope {
            timestamp: MessageField::some(timestamp(EndedBy::now(0))),
            namespace: self.namespace.clone(),
            topic: format!("/tasks/{topic}"),
            event: MessageField::some(any),
            ..Envelope::default()
        };
        // The teller lives as long as the server.
        let _ = self.queue.send(Item::Event(Box::new(envelope)));
    }
}

pub(crate) fn timestamp(end: EndedBy) -> Timestamp {
    Timestamp { seconds: end.seconds, nanos: end.nanoseconds, ..Timestamp::default() }
}

struct Teller {
    socket: Option<PathBuf>,
    client: Option<EventsClient>,
    items: mpsc::UnboundedReceiver<Item>,
    waiting: VecDeque<Item>,
}

impl Teller {
    async fn tell(mut self) {
        while let Some(item) = self.next().await {
            match item {
                Item::Told(told) => {
                    // Nobody may wait any more.
                    let _ = told.send(());
                }
                Item::Event(envelope) => self.insist(*envelope).await,
            }
        }
    }

    async fn next(&mut self) -> Option<Item> {
        match self.waiting.pop_front() {
            Some(item) => Some(item),
            None => self.items.recv().await,
        }
    }

    /// Tells one event, however often containerd has to be tried, while others queue up behind it.
    async fn insist(&mut self, envelope: Envelope) {
        let Some(socket) = self.socket.clone() else { return };
        let mut is_first = true;
        let mut request = ForwardRequest::new();
        request.envelope = MessageField::some(envelope);
        loop {
            match self.attempt(&socket, &request).await {
                Ok(()) => return,
                Err(error) if is_first => {
                    let topic = &request.envelope.topic;
                    warn!(topic, "containerd does not take an event and will be tried again: {error}");
                }
                Err(error) => debug!("containerd does not take an event: {error}"),
            }
            is_first = false;
            self.client = None;
            while let Ok(item) = self.items.try_recv() {
                self.waiting.push_back(item);
            }
            if self.waiting.len() > LONGEST {
                warn!("containerd has been away for too long, and is not told of an event");
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn attempt(&mut self, socket: &PathBuf, request: &ForwardRequest) -> Result<(), String> {
        if self.client.is_none() {
            let stream = UnixStream::connect(socket).map_err(|error| error.to_string())?;
            self.client = Some(EventsClient::new(Client::new(stream.into_raw_fd())));
        }
        let client = self.client.as_ref().ok_or("there is no connection")?;
        let patience = i64::try_from(PATIENCE.as_nanos()).unwrap_or(i64::MAX);
        client
            .forward(context::with_timeout(patience), request)
            .await
            .map(drop)
            .map_err(|error| error.to_string())
    }
}
