//! Telling containerd what happens, as a shim has to.

use std::io;
use std::os::unix::net::UnixStream;
use std::time::{SystemTime, UNIX_EPOCH};

use containerd_shim_protos::api::{Envelope, ForwardRequest};
use containerd_shim_protos::protobuf::Message;
use containerd_shim_protos::protobuf::well_known_types::any::Any;
use containerd_shim_protos::protobuf::well_known_types::timestamp::Timestamp;
use containerd_shim_protos::ttrpc::proto::{Request, Response};

use crate::arguments::Arguments;
use crate::wire::{self, Answer};

/// A connection to containerd's own service. Nobody waits for its answers before the end.
#[derive(Debug)]
pub(crate) struct Publisher {
    connection: UnixStream,
    namespace: String,
    published: u32,
}

impl Publisher {
    pub(crate) fn connect(arguments: &Arguments) -> io::Result<Self> {
        let connection = UnixStream::connect(format!("{}.ttrpc", arguments.address))?;
        Ok(Self { connection, namespace: arguments.namespace.clone(), published: 0 })
    }

    /// Tells of `event` under `topic`.
    pub(crate) fn publish<M: Message>(&mut self, topic: &str, event: &M) -> io::Result<()> {
        let type_url = format!("containerd.events.{}", M::NAME);
        let envelope = Envelope {
            timestamp: Some(now()).into(),
            namespace: self.namespace.clone(),
            topic: topic.to_owned(),
            event: Some(Any { type_url, value: event.bytes()?, ..Any::default() }).into(),
            ..Envelope::default()
        };
        let request = ForwardRequest { envelope: Some(envelope).into(), ..ForwardRequest::default() };
        let request = Request {
            service: "containerd.services.events.ttrpc.v1.Events".to_owned(),
            method: "Forward".to_owned(),
            payload: request.bytes()?,
            ..Request::default()
        };
        self.published += 1;
        // A client's calls have odd ids.
        wire::call(&mut self.connection, 2 * self.published - 1, &request)
    }

    /// Waits until containerd has taken all of them.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        for _ in 0..std::mem::take(&mut self.published) {
            wire::read::<Response>(&mut self.connection)?;
        }
        Ok(())
    }
}

pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp {
        seconds: i64::try_from(since.as_secs()).unwrap_or_default(),
        nanos: i32::try_from(since.subsec_nanos()).unwrap_or_default(),
        ..Timestamp::default()
    }
}
