//! containerd's events: what it tells about tasks, in the order in which it does.

use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use containerd_client::events::{
    TaskCreate, TaskDelete, TaskExecAdded, TaskExecStarted, TaskExit, TaskOom, TaskPaused, TaskResumed,
    TaskStart,
};
use containerd_client::services::v1::{PublishRequest, SubscribeRequest};
use containerd_client::types::Envelope;
use prost::{DecodeError, Message};
use prost_types::Any;
use tonic::{Response, Status, Streaming};

use crate::PATIENCE;
use crate::client::{Client, request};
use crate::error::{Error, ErrorKind, Result};
use crate::image::unique;
use crate::status::time;

/// Something that containerd told. What its topic does not speak of is empty.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Event {
    /// What happened, for example `/tasks/exit`.
    pub topic: String,
    /// The containerd namespace in which it did.
    pub namespace: String,
    /// When, by the clock of whoever told it.
    pub timestamp: SystemTime,
    /// The container; empty for events that are not of tasks.
    pub container_id: String,
    /// The process executed in the container. On exit and deletion of the container's first process it is the
    /// container's id or empty, as the shim says.
    pub exec_id: String,
    /// The process id, as the node counts processes.
    pub pid: Option<u32>,
    /// The exit code of a program that ended.
    pub exit_status: Option<u32>,
}

/// A subscription to all events of a containerd. They are kept from the moment when it was made.
///
/// containerd passes on what shims tell it. A shim ends when its task is deleted and may end before it has told
/// that: `/tasks/delete` of a container can be missing.
#[derive(Debug)]
pub struct Events {
    /// A connection of its own: a stream that nobody reads would hold up others on the same one.
    client: Client,
    received: Mutex<Received>,
}

#[derive(Debug)]
struct Received {
    stream: Streaming<Envelope>,
    events: Vec<Event>,
}

impl Events {
    /// Subscribes, and returns when containerd has begun to tell.
    pub(crate) fn subscribe(socket: &Path) -> Result<Self> {
        let client = Client::connect(socket)?;
        let mark = mark();
        let stream = client.wait("subscribe to events", subscribe(&client, &mark))?;
        Ok(Self { client, received: Mutex::new(Received { stream, events: Vec::new() }) })
    }

    /// Waits for the first event since the subscription that `is_wanted`: also one that was told long ago.
    ///
    /// # Errors
    /// [`Timeout`](ErrorKind::Timeout), with the events that were told, where there is none within `timeout`;
    /// [`Containerd`](ErrorKind::Containerd) where the subscription has ended, as it does when containerd is
    /// restarted.
    pub fn wait_for(&self, is_wanted: impl Fn(&Event) -> bool, timeout: Duration) -> Result<Event> {
        let deadline = Instant::now() + timeout;
        let mut received = self.lock();
        if let Some(event) = received.events.iter().find(|event| is_wanted(event)) {
            return Ok(event.clone());
        }
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.next(&mut received, left) {
                Ok(Told::Event(event)) if is_wanted(&event) => return Ok(event),
                Ok(_) => {}
                Err(error) if *error.kind() == ErrorKind::Timeout => {
                    let told: Vec<_> = received.events.iter().map(Event::summary).collect();
                    let message = format!(
                        "the event did not happen within {timeout:?}; these did:
{}",
                        told.join(
                            "
"
                        )
                    );
                    return Err(Error::new(ErrorKind::Timeout, message));
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// All events that containerd has told from the subscription until now.
    ///
    /// # Errors
    /// [`Containerd`](ErrorKind::Containerd) where the subscription has ended.
    pub fn so_far(&self) -> Result<Vec<Event>> {
        let mark = mark();
        let mut received = self.lock();
        self.client.wait("publish an event", publish(&self.client, &mark))?;
        while self.next(&mut received, PATIENCE)? != Told::Mark(mark.clone()) {}
        Ok(received.events.clone())
    }

    fn next(&self, received: &mut Received, timeout: Duration) -> Result<Told> {
        let call = async { received.stream.message().await.map(Response::new) };
        let envelope = self.client.wait_at_most(timeout, "wait for events", call)?;
        let envelope = envelope.ok_or_else(|| {
            Error::containerd("wait for events", &Status::unavailable("the subscription has ended"))
        })?;
        if envelope.topic == MARK {
            return Ok(Told::Mark(envelope.event.unwrap_or_default().value));
        }
        let event = Event::read(envelope)?;
        received.events.push(event.clone());
        Ok(Told::Event(event))
    }

    /// The state is whole after every statement, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, Received> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What comes out of a subscription.
#[derive(Debug, Eq, PartialEq)]
enum Told {
    Event(Event),
    /// One of our own, by which we know how far containerd has told.
    Mark(Vec<u8>),
}

impl Event {
    fn read(envelope: Envelope) -> Result<Self> {
        let message = envelope.event.unwrap_or_default();
        let mut event = Self {
            topic: envelope.topic,
            namespace: envelope.namespace,
            timestamp: time(envelope.timestamp),
            container_id: String::new(),
            exec_id: String::new(),
            pid: None,
            exit_status: None,
        };
        event.take(&message).map_err(|error| {
            let (topic, kind) = (&event.topic, &message.type_url);
            Error::new(ErrorKind::Answer, format!("the {kind} of the event {topic} cannot be read: {error}"))
        })?;
        Ok(event)
    }

    fn summary(&self) -> String {
        let Self { topic, namespace, container_id, exec_id, .. } = self;
        format!("{topic} {container_id} {exec_id} ({namespace})")
    }

    fn take(&mut self, message: &Any) -> Result<(), DecodeError> {
        let bytes = message.value.as_slice();
        match message.type_url.rsplit('/').next().unwrap_or_default() {
            "containerd.events.TaskCreate" => {
                let it = TaskCreate::decode(bytes)?;
                (self.container_id, self.pid) = (it.container_id, Some(it.pid));
            }
            "containerd.events.TaskStart" => {
                let it = TaskStart::decode(bytes)?;
                (self.container_id, self.pid) = (it.container_id, Some(it.pid));
            }
            "containerd.events.TaskExit" => {
                let it = TaskExit::decode(bytes)?;
                (self.container_id, self.exec_id) = (it.container_id, it.id);
                (self.pid, self.exit_status) = (Some(it.pid), Some(it.exit_status));
            }
            "containerd.events.TaskDelete" => {
                let it = TaskDelete::decode(bytes)?;
                (self.container_id, self.exec_id) = (it.container_id, it.id);
                (self.pid, self.exit_status) = (Some(it.pid), Some(it.exit_status));
            }
            "containerd.events.TaskExecAdded" => {
                let it = TaskExecAdded::decode(bytes)?;
                (self.container_id, self.exec_id) = (it.container_id, it.exec_id);
            }
            "containerd.events.TaskExecStarted" => {
                let it = TaskExecStarted::decode(bytes)?;
                (self.container_id, self.exec_id, self.pid) = (it.container_id, it.exec_id, Some(it.pid));
            }
            "containerd.events.TaskOOM" => self.container_id = TaskOom::decode(bytes)?.container_id,
            "containerd.events.TaskPaused" => self.container_id = TaskPaused::decode(bytes)?.container_id,
            "containerd.events.TaskResumed" => self.container_id = TaskResumed::decode(bytes)?.container_id,
            _ => {}
        }
        Ok(())
    }
}

/// containerd answers a subscription with its first event, so we make one happen. It is lost where it comes
/// before the subscription, hence the repetition.
async fn subscribe(client: &Client, mark: &[u8]) -> Result<Response<Streaming<Envelope>>, Status> {
    let mut events = client.api().events();
    let mut subscribed = pin!(events.subscribe(request(SubscribeRequest { filters: Vec::new() })));
    loop {
        match tokio::time::timeout(STEP, &mut subscribed).await {
            Ok(answer) => return answer,
            Err(_elapsed) => drop(publish(client, mark).await?),
        }
    }
}

fn publish(client: &Client, mark: &[u8]) -> impl Future<Output = Result<Response<()>, Status>> {
    let event = Some(Any { type_url: MARK_TYPE.into(), value: mark.to_owned() });
    let message = PublishRequest { topic: MARK.into(), event };
    let mut events = client.api().events();
    async move { events.publish(request(message)).await }
}

/// Bytes that nobody else marks events with: several owners may share one containerd.
fn mark() -> Vec<u8> {
    unique(&format!("{}", std::process::id())).into_bytes()
}

const MARK: &str = "/shimmer/mark";
const MARK_TYPE: &str = "shimmer.Mark";
const STEP: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use super::*;

    fn read(topic: &str, kind: &str, value: Vec<u8>) -> Result<Event> {
        let event = Some(Any { type_url: kind.into(), value });
        Event::read(Envelope { topic: topic.into(), namespace: "n".into(), event, ..Envelope::default() })
    }

    #[test]
    fn reads_who_ended_and_how() {
        let exit =
            TaskExit { container_id: "c".into(), id: "e".into(), pid: 7, exit_status: 3, exited_at: None };
        let event =
            read("/tasks/exit", "containerd.events.TaskExit", exit.encode_to_vec()).expect("an event");
        assert_eq!((event.container_id.as_str(), event.exec_id.as_str()), ("c", "e"));
        assert_eq!((event.pid, event.exit_status, event.namespace.as_str()), (Some(7), Some(3), "n"));
    }

    #[test]
    fn keeps_the_topic_of_an_event_that_is_not_of_a_task() {
        let event = read("/images/create", "containerd.events.ImageCreate", vec![1]).expect("an event");
        assert_eq!((event.topic.as_str(), event.container_id.as_str()), ("/images/create", ""));
    }

    #[test]
    fn refuses_an_event_that_is_not_what_it_says() {
        let error = read("/tasks/oom", "containerd.events.TaskOOM", vec![0xff]).expect_err("no message");
        assert!(error.to_string().contains("/tasks/oom"), "{error}");
    }
}
