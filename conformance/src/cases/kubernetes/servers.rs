//! A program that answers on port 8080, by whatever the shim has for it.

use serde_json::{Value, json};

use crate::guests::HTTP_COMPONENT;
use crate::kube::KubeStage;
use crate::setup::{Setup, busybox};

pub(super) const PORT: u16 = 8080;
/// What every one of them answers, with `wasm` or `native` behind it.
pub(super) const ANSWER: &str = "hello from ";

/// busybox, which ends at once when it is asked to.
const NATIVE: &str = "echo 'hello from native' >/data/index.html; trap 'exit 0' TERM; \
                      /bin/busybox httpd -f -p 8080 -h /data & wait";

/// The server for a shim: a guest where it claims any way to serve, else a native program, and the report says so.
pub(super) fn server(stage: &KubeStage<'_>) -> Setup {
    let cluster = stage.cluster;
    let claimed = |capability| !cluster.is_native() && cluster.claims.cover(&[capability]);
    let (kind, setup) = match () {
        () if claimed("http") => ("wasi:http", http()),
        () if claimed("wasix") => ("WASIX sockets", wasix()),
        () if claimed("sockets") => ("WasmEdge sockets", wasmedge()),
        () => ("native", native()),
    };
    stage.note("server", kind);
    setup
}

/// All of them, for whoever makes the images.
pub(crate) fn servers() -> Vec<Setup> {
    vec![http(), wasix(), wasmedge(), native()]
}

/// A probe of the kubelet that asks over HTTP.
pub(super) fn http_probe() -> Value {
    json!({ "httpGet": { "path": "/", "port": PORT }, "periodSeconds": 1, "timeoutSeconds": 5 })
}

fn http() -> Setup {
    Setup::of(HTTP_COMPONENT)
}

fn wasix() -> Setup {
    Setup::of_text("wasix-server.wasm", include_str!("wasix-server.wat"))
}

fn wasmedge() -> Setup {
    Setup::of_text("wasmedge-server.wasm", include_str!("wasmedge-server.wat"))
}

pub(super) fn native() -> Setup {
    busybox(["sh", "-c", NATIVE])
}
