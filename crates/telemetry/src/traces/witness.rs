//! A collector for tests, which tells what it was sent.

use std::collections::HashMap;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost_otlp::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Listens on a port of its own.
#[derive(Debug)]
pub(crate) struct Witness {
    address: String,
    requests: Mutex<UnboundedReceiver<Received>>,
}

/// A request, with its headers as they came.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) head: String,
    body: Vec<u8>,
}

impl Witness {
    pub(crate) async fn start() -> Self {
        Self::answering("200 OK").await
    }

    /// Gives its first answer, and says 200 afterwards.
    pub(crate) async fn answering(first: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (sender, requests) = unbounded_channel();
        tokio::spawn(async move {
            let mut answer = first;
            while let Ok((stream, _)) = listener.accept().await {
                if sender.send(Received::read(stream, answer).await).is_err() {
                    break;
                }
                answer = "200 OK";
            }
        });
        Self { address, requests: Mutex::new(requests) }
    }

    pub(crate) fn address(&self) -> String {
        self.address.clone()
    }

    /// Waits for the next request.
    pub(crate) async fn request(&self) -> Received {
        let mut requests = self.requests.lock().await;
        let request = tokio::time::timeout(SOON, requests.recv()).await.expect("somebody sends soon");
        request.expect("the witness listens")
    }
}

/// Far more than is needed, so that a failure is one also on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(600);

impl Received {
    async fn read(mut stream: TcpStream, answer: &str) -> Self {
        let mut bytes = Vec::new();
        let end = loop {
            if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                break end;
            }
            assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0, "a whole head");
        };
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        let mut body = bytes.split_off(end + 4);
        body.reserve(length.parse().unwrap());
        while body.len() < length.parse().unwrap() {
            assert_ne!(stream.read_buf(&mut body).await.unwrap(), 0, "a whole body");
        }
        let answer = format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\n\r\n");
        stream.write_all(answer.as_bytes()).await.unwrap();
        Self { head, body }
    }

    pub(crate) fn spans(&self) -> Vec<Span> {
        let scopes = self.decoded().resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
        scopes.flat_map(|scope| scope.spans).collect()
    }

    /// The attributes of the resource, of which there is one.
    pub(crate) fn resource(&self) -> HashMap<String, String> {
        let resource = self.decoded().resource_spans.remove(0).resource.unwrap();
        let text = |value| match value {
            Some(any_value::Value::StringValue(text)) => text,
            other => panic!("{other:?} is no text"),
        };
        resource
            .attributes
            .into_iter()
            .map(|attribute| (attribute.key, text(attribute.value.and_then(|value| value.value))))
            .collect()
    }

    fn decoded(&self) -> ExportTraceServiceRequest {
        if self.head.contains("content-type: application/json") {
            serde_json::from_slice(&self.body).unwrap()
        } else {
            ExportTraceServiceRequest::decode(self.body.as_slice()).unwrap()
        }
    }
}
