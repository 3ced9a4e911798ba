use std::cell::Cell;
use std::future::Future;
use std::path::Path;
use std::time::Duration;

use futures_util::io::AsyncReadExt;
use http::{Method, Request};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::json::text;
use crate::failure::{Failure, Result};

/// A connection with an API server.
pub(crate) struct Api {
    pub(super) runtime: Runtime,
    pub(super) client: Client,
    /// What the kubeconfig says where nothing else is asked for.
    pub(super) namespace: String,
    /// How long a call may take.
    pub(super) patience: Duration,
}

/// Why the server did not do it.
#[derive(Debug)]
pub(crate) struct Refused {
    /// HTTP's code; 0 where there was no answer.
    pub(crate) code: u16,
    pub(crate) message: String,
}

/// What a call gives.
pub(crate) type Answer<T> = std::result::Result<T, Refused>;

/// How an object is changed.
const MERGE: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const JSON: &str = "application/json";

pub(super) const NOT_FOUND: u16 = 404;
pub(super) const CONFLICT: u16 = 409;
/// How many calls are worked on at once, beside those who wait for them.
const WORKERS: usize = 2;

impl Api {
    /// Connects as a kubeconfig says.
    pub(crate) fn connect(kubeconfig: &Path, patience: Duration) -> Result<Self> {
        let at = |error: &dyn std::fmt::Display| Failure(format!("{}: {error}", kubeconfig.display()));
        let file = Kubeconfig::read_from(kubeconfig).map_err(|error| at(&error))?;
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build()?;
        let (client, namespace) = runtime.block_on(async {
            let mut config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
                .await
                .map_err(|error| at(&error))?;
            // A watch and a log that is followed are silent for as long as nothing happens.
            config.read_timeout = None;
            // "Too many requests" is how an eviction is refused.
            config.default_retry = false;
            let namespace = config.default_namespace.clone();
            Ok::<_, Failure>((Client::try_from(config).map_err(|error| at(&error))?, namespace))
        })?;
        Ok(Self { runtime, client, namespace, patience })
    }

    pub(crate) fn read(&self, path: &str) -> Answer<Value> {
        self.wait(self.get(path)).map_err(|refused| refused.at(path))
    }

    /// Makes an object; one that is there already is ours, where the server did not answer when it was asked first.
    pub(crate) fn create(&self, collection: &str, object: &Value) -> Answer<Value> {
        let calls = Cell::new(0);
        let call = repeated(|| {
            calls.set(calls.get() + 1);
            self.send(Method::POST, collection, JSON, object)
        });
        match self.wait(call) {
            Err(Refused { code: CONFLICT, .. }) if calls.get() > 1 => {
                let folder = collection.split('?').next().unwrap_or(collection);
                self.read(&format!("{folder}/{}", text(object, "/metadata/name")))
            }
            made => made.map_err(|refused| refused.at(collection)),
        }
    }

    /// Changes the fields that `change` has.
    pub(crate) fn merge(&self, path: &str, change: &Value) -> Answer<Value> {
        self.call(Method::PATCH, path, MERGE, change)
    }

    /// As [`merge`](Self::merge), for objects whose lists are merged by a key, as a pod's containers are by name.
    pub(crate) fn merge_lists(&self, path: &str, change: &Value) -> Answer<Value> {
        self.call(Method::PATCH, path, STRATEGIC, change)
    }

    /// Deletes an object, if there is one, and what belongs to it.
    pub(crate) fn delete(&self, path: &str, propagation: &str, grace: Option<u32>) -> Answer<()> {
        let options = json!({ "gracePeriodSeconds": grace, "propagationPolicy": propagation });
        match absent_is_none(self.call(Method::DELETE, path, JSON, &options)) {
            Err(Refused { code: CONFLICT, .. }) | Ok(_) => Ok(()),
            Err(refused) => Err(refused),
        }
    }

    /// What the server answers, which need not be JSON.
    pub(crate) fn bytes(&self, path: &str) -> Answer<Vec<u8>> {
        self.wait(repeated(|| async {
            let request = request(Method::GET, path, JSON, &Value::Null)?;
            let mut body = std::pin::pin!(self.client.request_stream(request).await?);
            let mut bytes = Vec::new();
            body.read_to_end(&mut bytes).await.map_err(kube::Error::ReadEvents)?;
            Ok(bytes)
        }))
    }

    /// What is at a path now.
    pub(super) async fn get(&self, path: &str) -> std::result::Result<Value, kube::Error> {
        repeated(|| self.send(Method::GET, path, JSON, &Value::Null)).await
    }

    /// Works on `call` for as long as a call may take.
    pub(super) fn wait<T>(
        &self,
        call: impl Future<Output = std::result::Result<T, kube::Error>>,
    ) -> Answer<T> {
        let patient = async { tokio::time::timeout(self.patience, call).await };
        match self.runtime.block_on(patient) {
            Ok(answer) => answer.map_err(Refused::from),
            Err(_) => Err(Refused::without_answer(format!("no answer in {:?}", self.patience))),
        }
    }

    fn call(&self, method: Method, path: &str, kind: &str, body: &Value) -> Answer<Value> {
        let call = repeated(|| self.send(method.clone(), path, kind, body));
        self.wait(call).map_err(|refused| refused.at(path))
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        kind: &str,
        body: &Value,
    ) -> std::result::Result<Value, kube::Error> {
        self.client.request(request(method, path, kind, body)?).await
    }
}

/// Asks once more where the server has not answered: it may close a connection of before just when it is used again.
pub(super) async fn repeated<T, F>(ask: impl Fn() -> F) -> std::result::Result<T, kube::Error>
where
    F: Future<Output = std::result::Result<T, kube::Error>>,
{
    match ask().await {
        Ok(answer) => Ok(answer),
        Err(refused @ kube::Error::Api(_)) => Err(refused),
        Err(_) => ask().await,
    }
}

pub(super) fn request(method: Method, path: &str, kind: &str, body: &Value) -> Answer<Request<Vec<u8>>> {
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    let built = Request::builder().method(method).uri(path).header("content-type", kind).body(body);
    built.map_err(|error| Refused::without_answer(format!("{path}: {error}")))
}

fn absent_is_none(answer: Answer<Value>) -> Answer<Option<Value>> {
    match answer {
        Ok(object) => Ok(Some(object)),
        Err(Refused { code: NOT_FOUND, .. }) => Ok(None),
        Err(refused) => Err(refused),
    }
}

impl Refused {
    pub(super) fn without_answer(message: String) -> Self {
        Self { code: 0, message }
    }

    fn at(self, path: &str) -> Self {
        let path = path.split('?').next().unwrap_or(path);
        Self { message: format!("{path}: {}", self.message), ..self }
    }
}

impl From<kube::Error> for Refused {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self { code: status.code, message: status.message.clone() },
            other => Self::without_answer(chain(&other)),
        }
    }
}

/// An error and what caused it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let next_text = next.to_string();
        if !text.contains(&next_text) {
            text = format!("{text}: {next_text}");
        }
        cause = next.source();
    }
    text
}

impl std::fmt::Display for Refused {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.code {
            0 => formatter.write_str(&self.message),
            code => write!(formatter, "{} ({code})", self.message),
        }
    }
}

impl std::fmt::Debug for Api {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Api").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Shutdown, TcpListener};
    use std::{fs, thread};

    use tempfile::TempDir;

    use super::*;

    const THERE: &str =
        r#"{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"AlreadyExists","code":409}"#;
    const OURS: &str = r#"{"metadata":{"name":"one","uid":"7"}}"#;

    /// A server that closes each connection after its answer, or without one where there is none.
    fn serve(listener: &TcpListener, answers: &[(&str, &str)]) {
        for (status, body) in answers {
            let (mut connection, _) = listener.accept().expect("a client");
            let mut request = [0; 8192];
            assert!(connection.read(&mut request).expect("a request") > 0);
            if !status.is_empty() {
                let length = body.len();
                let head =
                    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
                connection.write_all((head + body).as_bytes()).expect("a client");
                connection.shutdown(Shutdown::Write).expect("a client");
                // What is not read when a connection is closed takes the answer with it.
                connection.read_to_end(&mut Vec::new()).expect("a client");
            }
        }
    }

    fn created(answers: &[(&str, &str)]) -> Answer<Value> {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let server = format!("http://{}", listener.local_addr().expect("an address"));
        let folder = TempDir::new().expect("a folder");
        let file = folder.path().join("kubeconfig");
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "a",
            "clusters": [{ "name": "a", "cluster": { "server": server } }],
            "users": [{ "name": "a", "user": {} }],
            "contexts": [{ "name": "a", "context": { "cluster": "a", "user": "a" } }],
        });
        fs::write(&file, config.to_string()).expect("a file");
        thread::scope(|scope| {
            scope.spawn(|| serve(&listener, answers));
            let api = Api::connect(&file, Duration::from_secs(60)).expect("a kubeconfig");
            api.create("/things", &json!({ "metadata": { "name": "one" } }))
        })
    }

    #[test]
    fn what_is_there_when_it_is_made_once_more_is_what_was_made() {
        let lost = [("", ""), ("409 Conflict", THERE), ("200 OK", OURS)];
        assert_eq!(created(&lost).expect("it is made")["metadata"]["uid"], "7");
        let refused = created(&lost[1..2]).expect_err("another's");
        assert_eq!(refused.code, CONFLICT, "{refused}");
    }
}
