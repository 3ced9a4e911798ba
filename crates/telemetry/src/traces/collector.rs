//! A collector that is reached by HTTP/1.1 over TCP.

use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST, HeaderMap, USER_AGENT};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost_otlp::Message;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::traces::Protocol;

/// Takes spans. A connection lives for one request: they are rare, and an idle shim holds no socket.
#[derive(Debug)]
pub(crate) struct Collector {
    endpoint: Uri,
    protocol: Protocol,
    headers: HeaderMap,
    timeout: Duration,
}

/// Why a collector did not take spans.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("no connection: {0}")]
    Connect(#[from] std::io::Error),
    #[error("no answer: {0}")]
    Exchange(#[from] hyper::Error),
    #[error("spans that cannot be written: {0}")]
    Json(#[from] serde_json::Error),
    #[error("no valid request: {0}")]
    Request(#[from] hyper::http::Error),
    #[error("it answers {0}")]
    Refused(StatusCode),
    #[error("no answer within {} ms", .0.as_millis())]
    Late(Duration),
}

impl Collector {
    pub(crate) fn new(endpoint: Uri, protocol: Protocol, headers: HeaderMap, timeout: Duration) -> Self {
        Self { endpoint, protocol, headers, timeout }
    }

    /// Its host and port, for people. An address in a variable may hold a password.
    pub(crate) fn name(&self) -> String {
        format!("{}:{}", self.endpoint.host().unwrap_or_default(), self.port())
    }

    pub(crate) async fn send(&self, spans: &ExportTraceServiceRequest) -> Result<(), Failure> {
        let request = self.request(spans)?;
        match tokio::time::timeout(self.timeout, self.exchange(request)).await {
            Ok(Ok(status)) if status.is_success() => Ok(()),
            Ok(Ok(status)) => Err(Failure::Refused(status)),
            Ok(Err(failure)) => Err(failure),
            Err(_) => Err(Failure::Late(self.timeout)),
        }
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<StatusCode, Failure> {
        // Brackets mark an IPv6 address in a URI and nowhere else.
        let host = self.endpoint.host().unwrap_or_default().trim_matches(['[', ']']);
        let stream = TcpStream::connect((host, self.port())).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // Ends with this function, whatever the collector does.
        let mut tasks = JoinSet::new();
        tasks.spawn(connection);
        Ok(sender.send_request(request).await?.status())
    }

    fn request(&self, spans: &ExportTraceServiceRequest) -> Result<Request<Full<Bytes>>, Failure> {
        let (content, body) = match self.protocol {
            Protocol::Protobuf => ("application/x-protobuf", spans.encode_to_vec()),
            Protocol::Json => ("application/json", serde_json::to_vec(spans)?),
        };
        let path = self.endpoint.path_and_query().map_or("/", |path| path.as_str());
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(HOST, self.name())
            .header(USER_AGENT, concat!("shimmer/", env!("CARGO_PKG_VERSION")))
            .body(Full::from(body))?;
        request.headers_mut().extend(self.headers.clone());
        request.headers_mut().insert(CONTENT_TYPE, content.parse().map_err(hyper::http::Error::from)?);
        Ok(request)
    }

    fn port(&self) -> u16 {
        self.endpoint.port_u16().unwrap_or(80)
    }
}
