use std::io::Write;
use std::os::fd::AsFd;
use std::sync::Arc;

use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use shimmer_engine::{Error, ErrorKind, Exit, Guest, Instance, Result, Stop};
use tokio::net::TcpListener;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::{Semaphore, oneshot};
use wasmtime::Store;
use wasmtime::component::Component;
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::p2::bindings::ProxyPre;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;

use crate::wasi::State;
use crate::{component, exit, settings};

/// A component that exports `wasi:http/incoming-handler`, behind an HTTP server.
pub(crate) struct Server {
    linked: ProxyPre<State>,
}

impl Server {
    pub(crate) fn link(component: &Component) -> Result<Self> {
        Ok(Self { linked: ProxyPre::new(component::link(component)?).map_err(exit::unlinkable)? })
    }
}

impl Instance for Server {
    fn drains(&self) -> bool {
        true
    }

    fn run(self: Box<Self>, guest: &Guest) -> Result<Exit> {
        // As many threads as the container may use processors; the standard library knows its CPU quota.
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let handler = Handler {
            linked: self.linked,
            guest: guest.clone(),
            slots: Semaphore::new(settings::CONCURRENT_REQUESTS as usize),
        };
        runtime.block_on(serve(Arc::new(handler)))?;
        runtime.shutdown_background();
        Ok(Exit::Drained)
    }
}

/// Accepts connections until the guest is asked to stop, then lets those that are open finish.
async fn serve(handler: Arc<Handler>) -> Result<()> {
    let listener = TcpListener::bind(handler.guest.http).await.map_err(|error| {
        Error::new(ErrorKind::Io, "the HTTP server cannot listen")
            .with("address", handler.guest.http.to_string())
            .because(error)
            .advise("choose another one with SHIMMER_HTTP_ADDR")
    })?;
    let connections = GracefulShutdown::new();
    let server = Builder::new(TokioExecutor::new());
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            stopped = stopped(&handler.guest.stop) => { stopped?; break }
        };
        // A client that is gone already is no reason to stop serving others.
        let Ok((stream, _)) = accepted else { continue };
        let handler = handler.clone();
        let service = service_fn(move |request| handler.clone().answer(request));
        let connection =
            connections.watch(server.serve_connection(TokioIo::new(stream), service).into_owned());
        // Its error is the client's breaking off; a request that fails is reported by `answer`.
        tokio::spawn(connection);
    }
    drop(listener);
    connections.shutdown().await;
    Ok(())
}

async fn stopped(stop: &Stop) -> std::io::Result<()> {
    Receiver::from_owned_fd(stop.as_fd().try_clone_to_owned()?)?.readable().await
}

struct Handler {
    linked: ProxyPre<State>,
    guest: Guest,
    slots: Semaphore,
}

impl Handler {
    /// Answers one request by an instance of its own; a guest that fails to is a 500.
    async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> std::result::Result<Response<HyperOutgoingBody>, hyper::http::Error> {
        match self.handle(request).await {
            Ok(response) => Ok(response),
            Err(failure) => {
                // Stderr is the guest's log. Where it is closed there is nobody left to tell.
                let _ = writeln!(std::io::stderr(), "{failure}");
                let body = Full::from("the component failed to answer\n").map_err(|never| match never {});
                Response::builder().status(StatusCode::INTERNAL_SERVER_ERROR).body(body.boxed_unsync())
            }
        }
    }

    async fn handle(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> std::result::Result<Response<HyperOutgoingBody>, String> {
        let state = State::new(&self.guest).map_err(|error| error.to_string())?;
        let mut store = Store::new(self.linked.engine(), state);
        let (sender, receiver) = oneshot::channel();
        let request = store.data_mut().http().new_incoming_request(Scheme::Http, request).map_err(trap)?;
        let response = store.data_mut().http().new_response_outparam(sender).map_err(trap)?;
        // The guest may go on after its response has begun, to stream the body or to log: it runs beside the answer.
        let call = tokio::spawn(async move {
            let _slot = self.slots.acquire().await;
            let proxy = self.linked.instantiate_async(&mut store).await?;
            proxy.wasi_http_incoming_handler().call_handle(store, request, response).await
        });
        match receiver.await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(code)) => Err(format!("the component answered with an error: {code:?}")),
            Err(_) => Err(match call.await {
                Ok(Ok(())) => "the component returned without a response".to_owned(),
                Ok(Err(error)) => trap(error),
                Err(panic) => panic.to_string(),
            }),
        }
    }
}

fn trap(error: wasmtime::Error) -> String {
    format!("{error:?}")
}
