//! The part that a node has in its cluster: whose turn it is, the labels by which pods find it, and the end of it all.
//!
//! What happens on the node itself is given to these functions as a closure; nothing here knows what it does.
//!
//! What each command may do in a cluster, and nothing else; a chart's roles are written from this table:
//!
//! | command | in the whole cluster | in its namespace |
//! |---|---|---|
//! | `join` | `nodes`: get, patch | `leases` of `coordination.k8s.io`: get, create, update, watch |
//! | `leave` | `nodes`: get, patch | |
//! | `retire` | `nodes`: get, list, patch | `daemonsets` of `apps`: delete; `pods`: get, list, watch, create, delete; `pods/log`: get; `leases`: delete |
//!
//! The leases are called `<lease>-0` to `<lease>-<slots - 1>`, and every call but create names one of them, the watch by
//! its field selector. `install`, `uninstall`, `status`, `verify` and `sleep` ask no API server.

mod call;
mod join;
mod label;
mod leave;
mod retire;
#[cfg(test)]
mod trial;
mod turn;

use std::fmt::{self, Display};
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

pub(crate) use self::join::{Join, join};
pub(crate) use self::leave::leave;
pub(crate) use self::retire::{Retirement, retire};
pub(crate) use self::turn::{DURATION, Slots};

use self::call::{Server, chain};
use crate::error::{Error, Result};

/// A connection with a cluster's API server. Nothing is asked before something is wanted.
pub(crate) struct Cluster {
    runtime: Runtime,
    server: Server,
}

impl Cluster {
    /// As this pod's service account, or as a kubeconfig says. Leases, pods and the DaemonSet are those of `namespace`.
    pub(crate) fn connect(kubeconfig: Option<&Path>, namespace: &str) -> Result<Self> {
        // One thread of its own, which renews a lease while this one works on the node.
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.map_err(|error| Error::io("make a runtime for calls to Kubernetes", error))?;
        let client = runtime.block_on(client(kubeconfig))?;
        let server = Server { client, namespace: namespace.to_owned(), patience: PATIENCE };
        Ok(Self { runtime, server })
    }
}

impl Cluster {
    /// From now on SIGTERM ends this process no more: what is begun on the node is finished. Pods are told so when they are
    /// deleted, and have their grace period then.
    fn begin_undisturbed(&self) -> Result<()> {
        let _inside = self.runtime.enter();
        signal(SignalKind::terminate()).map(drop).map_err(|error| Error::io("hold back SIGTERM", error))
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Cluster").field("namespace", &self.server.namespace).finish_non_exhaustive()
    }
}

/// For how long an API server that does not answer is asked again: a control plane that restarts takes a minute or two.
const PATIENCE: Duration = Duration::from_secs(300);

/// By what every label and annotation of ours begins.
const PREFIX: &str = "shimmer.dev/";

async fn client(kubeconfig: Option<&Path>) -> Result<Client> {
    let mut config = match kubeconfig {
        Some(path) => {
            let unusable = |error: &dyn std::error::Error| {
                Error::refused(format!("the kubeconfig {} cannot be used: {}", path.display(), chain(error)))
            };
            let file = Kubeconfig::read_from(path).map_err(|error| unusable(&error))?;
            let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await;
            config.map_err(|error| unusable(&error))?
        }
        None => Config::incluster().map_err(|error| {
            let why = chain(&error);
            Error::refused(format!("this is no pod with a service account ({why}): give --kubeconfig FILE"))
        })?,
    };
    // What is tried again, and how often, is said in one place: in `call`.
    config.default_retry = false;
    Client::try_from(config)
        .map_err(|error| Error::refused(format!("Kubernetes cannot be reached: {}", chain(&error))))
}

/// Tells whoever watches what is going on.
fn say(sentence: impl Display) {
    // Where stderr is closed nobody reads it, and the work goes on.
    let _unread = writeln!(io::stderr(), "{sentence}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn sigterm_does_not_end_what_is_begun() {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let config = Config::new("http://localhost".parse().expect("an address"));
        let client = runtime.block_on(async { Client::try_from(config) }).expect("a client");
        let server = Server { client, namespace: "default".into(), patience: PATIENCE };
        let cluster = Cluster { runtime, server };
        cluster.begin_undisturbed().expect("it is held back");
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM)
            .expect("a signal to ourselves");
    }

    #[test]
    fn refuses_a_kubeconfig_that_cannot_be_read_by_its_name() {
        let error =
            Cluster::connect(Some(Path::new("/nowhere/config")), "default").expect_err("it is not there");
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert!(error.to_string().starts_with("the kubeconfig /nowhere/config cannot be used: "), "{error}");
    }
}
