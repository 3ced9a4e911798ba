//! The manifests of examples/kubernetes, which run on a new cluster as they are, in the restricted pod security level. Needs
//! the shims, which cargo puts beside the programs of a workspace that is built as a whole.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Instant;

use tempfile::TempDir;

use crate::user::{succeed, user};

#[test]
fn every_example_runs_on_a_new_cluster() {
    let Some(home) = user() else { return };
    shims(&home);
    succeed(&home, &["up"]);
    let kubectl =
        |arguments: &[&str]| succeed(&home, &[&["kubectl", "--namespace", "examples"], arguments].concat());
    kubectl(&["create", "namespace", "examples"]);
    // Pods are refused until the namespace has its service account.
    kubectl(&["wait", "--for=create", "serviceaccount/default", SOON]);
    kubectl(&["label", "namespace", "examples", "pod-security.kubernetes.io/enforce=restricted"]);
    kubectl(&["apply", "--validate=strict", "--filename", EXAMPLES]);
    kubectl(&["wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/hello", SOON]);
    assert_eq!(kubectl(&["logs", "hello"]), "hello from wasm: cluster\n");
    kubectl(&["wait", "--for=condition=Ready", "pod/sidecar", "pod/exec-probe", SOON]);
    for server in ["http", "http-wasmedge", "http-wasix"] {
        kubectl(&["rollout", "status", &format!("deployment/{server}"), SOON]);
        // kube-proxy and CoreDNS need a moment for what is new, and tell nobody when they have had it.
        let ask = format!("until timeout 5 wget -q -O- http://{server}/ 2>/dev/null; do sleep 0.1; done");
        let shell = ["exec", "sidecar", "--container=watcher", "--", "timeout", "600", "sh", "-c", &ask];
        let said = kubectl(&shell);
        assert!(said.starts_with("hello from wasm"), "{server}: {said}");
    }
    // The watcher asks once in a second, and its first answers may be that there is none yet.
    let begin = Instant::now();
    while !kubectl(&["logs", "sidecar", "--container=watcher"]).contains("hello from wasm") {
        assert!(begin.elapsed() < crate::SOON, "the sidecar reaches the guest");
    }
    succeed(&home, &["down"]);
}

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/kubernetes");
const SOON: &str = "--timeout=600s";

/// Gives the user the shims.
fn shims(home: &TempDir) {
    let built = Path::new(env!("CARGO_BIN_EXE_shimmer-cluster")).parent().expect("a folder");
    for engine in ["wasmedge", "wasmer", "wasmtime"] {
        for program in [format!("containerd-shim-{engine}-v1"), format!("shimmer-{engine}")] {
            let built: PathBuf = built.join(&program);
            assert!(built.exists(), "build all shims first: `cargo test --release --workspace --no-run`");
            symlink(built, home.path().join("shims").join(program)).expect("it is ours");
        }
    }
}
