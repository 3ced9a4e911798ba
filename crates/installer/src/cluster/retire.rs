//! The end: every node loses its shims, one after the other, by a pod on each.
//!
//! First all nodes are asked whether pods use a shim, and only when none does, anything is touched. Then the DaemonSet
//! goes, since its pods would install again, and the nodes are undone. Each is marked before that, and loses its mark
//! when it is done: what was interrupted goes on where it was when it is run again.

mod affected;
mod errand;
mod pods;
mod template;

use std::fmt::Display;
use std::io::{self, Write};

use futures_util::stream::{self, StreamExt};
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Node;
use kube::Api;
use kube::api::{DeleteParams, ListParams};

use self::affected::Affected;
use self::errand::{Ending, run};
use self::pods::Pods;
use self::template::{Task, Template};
use crate::cluster::call::{Server, unless_absent};
use crate::cluster::label::{self, Said};
use crate::cluster::turn::slot_name;
use crate::cluster::{Cluster, say};
use crate::error::{Error, ErrorKind, Result};

/// What is to end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retirement<'a> {
    /// Whose pods install.
    pub(crate) daemonset: &'a str,
    /// The pod that does `leave` on a node, as JSON; see [`Template::parse`].
    pub(crate) template: &'a [u8],
    /// What the leases' names begin with; without it they are left.
    pub(crate) lease: Option<&'a str>,
    /// Also where pods use a shim, and although nodes cannot be reached.
    pub(crate) force: bool,
}

/// Takes the shims away from every node that has them.
pub(crate) fn retire(cluster: &Cluster, retirement: &Retirement<'_>) -> Result<()> {
    let template = Template::parse(retirement.template)?;
    let retiring = Retiring { server: &cluster.server, template, plan: *retirement };
    cluster.runtime.block_on(retiring.all())
}

struct Retiring<'a> {
    server: &'a Server,
    template: Template,
    plan: Retirement<'a>,
}

impl Retiring<'_> {
    async fn all(&self) -> Result<()> {
        let nodes = self.affected().await?;
        let unreachable: Vec<&str> =
            nodes.iter().filter(|node| !node.ready).map(|node| &*node.name).collect();
        if !unreachable.is_empty() && !self.plan.force {
            return Err(Error::refused(format!(
                "not ready, so that nothing can be undone there: {}. Nothing was touched; bring them back, remove them \
                 from the cluster, or skip them by --force, and uninstall by hand there",
                unreachable.join(", ")
            )));
        }
        if !self.plan.force {
            self.check(&nodes).await?;
        }
        self.mark(&nodes).await?;
        self.delete_daemonset().await?;
        // Some may have come while the others were asked.
        let nodes = self.affected().await?;
        self.mark(&nodes).await?;
        let reachable = |node: &str| nodes.iter().any(|known| known.name == node && known.ready);
        Pods::new(self.server).without(self.plan.daemonset, reachable).await?;
        self.undo(&nodes).await?;
        self.delete_leases().await;
        Ok(())
    }

    /// The nodes that have something of ours, or a pod of the DaemonSet.
    async fn affected(&self) -> Result<Vec<Affected>> {
        let (mut nodes, mut page) = (Vec::<Node>::new(), ListParams::default().limit(PAGE));
        let all = label::nodes(self.server);
        loop {
            let list = self.server.ask("list the nodes", || all.list(&page)).await?;
            nodes.extend(list.items);
            match list.metadata.continue_.filter(|more| !more.is_empty()) {
                Some(more) => page = page.continue_token(&more),
                None => break,
            }
        }
        Ok(affected::find(&nodes, &Pods::new(self.server).all().await?, self.plan.daemonset))
    }

    /// Asks all nodes; fails with what those say that cannot be undone.
    async fn check(&self, nodes: &[Affected]) -> Result<()> {
        let asked = nodes
            .iter()
            .filter(|node| node.ready)
            .map(|node| async { (&node.name, self.errand(Task::Check, &node.name).await) });
        let answers: Vec<_> = stream::iter(asked).buffered(AT_ONCE).collect().await;
        let mut against = Vec::new();
        for (node, answer) in answers {
            match answer? {
                Ending::Done(_) | Ending::NodeIsGone => {}
                Ending::Failed { message, .. } => against.push(format!("{node}: {}", indented(&message))),
            }
        }
        if against.is_empty() {
            return Ok(());
        }
        let against = against.join("\n  ");
        Err(Error::refused(format!("nothing was touched, since not all nodes can be undone:\n  {against}")))
    }

    /// Does a task on a node; an error names the node.
    async fn errand(&self, task: Task, node: &str) -> Result<Ending> {
        let ending = run(self.server, &self.template, task, node).await;
        ending.map_err(|error| Error::new(error.kind(), format!("{node}: {error}")))
    }

    async fn mark(&self, nodes: &[Affected]) -> Result<()> {
        for node in nodes {
            let new = node.said.clone().retiring();
            label::say(self.server, &node.name, &node.said, &new).await?;
        }
        Ok(())
    }

    async fn delete_daemonset(&self) -> Result<()> {
        let sets: Api<DaemonSet> = Api::namespaced(self.server.client.clone(), &self.server.namespace);
        let (name, params) = (self.plan.daemonset, DeleteParams::background());
        let doing = format!("delete the DaemonSet {name}");
        let gone = self.server.ask(&doing, || sets.delete(name, &params)).await;
        Ok(unless_absent(gone).map(drop)?)
    }

    /// Undoes node after node. One that refuses is passed over; one that fails ends it, lest the others fail as well.
    async fn undo(&self, nodes: &[Affected]) -> Result<()> {
        let (mut left, mut worst) = (Vec::new(), None);
        for node in nodes {
            if worst.is_some_and(|kind| kind != ErrorKind::Refused) {
                left.push(format!("{}: not tried after that", node.name));
                continue;
            }
            if !node.ready {
                self.skip(node).await?;
                continue;
            }
            let task = Task::Leave { force: self.plan.force };
            match self.errand(task, &node.name).await? {
                Ending::Done(message) => {
                    tell(&node.name, &message);
                    self.unmark(&node.name).await?;
                }
                Ending::NodeIsGone => tell(&node.name, "the node is gone"),
                Ending::Failed { kind, message } => {
                    tell(&node.name, &message);
                    left.push(format!("{}: {}", node.name, indented(&message)));
                    worst = Some(kind);
                }
            }
        }
        let Some(kind) = worst else { return Ok(()) };
        // Other nodes were touched, even if this one refused.
        let kind = if kind == ErrorKind::Refused { ErrorKind::Failed } else { kind };
        let left = left.join("\n  ");
        Err(Error::new(
            kind,
            format!("these nodes still have shims; run it again when they can be undone:\n  {left}"),
        ))
    }

    /// A node that cannot be reached: no pod finds it, and somebody has to look after it.
    async fn skip(&self, node: &Affected) -> Result<()> {
        tell(
            &node.name,
            "skipped, since it is not ready: run `shimmer-installer uninstall` there when it is back",
        );
        self.unmark(&node.name).await
    }

    /// The node says nothing any more.
    async fn unmark(&self, name: &str) -> Result<()> {
        if let Some(node) = label::look(self.server, name).await? {
            label::say(self.server, name, &Said::by(&node), &Said::default()).await?;
        }
        Ok(())
    }

    /// Leases are in nobody's way: where they cannot be deleted, that is said.
    async fn delete_leases(&self) {
        let Some(lease) = self.plan.lease else { return };
        let leases: Api<Lease> = Api::namespaced(self.server.client.clone(), &self.server.namespace);
        let params = DeleteParams::default();
        for slot in 0.. {
            let name = slot_name(lease, slot);
            let doing = format!("delete the lease {name}");
            match self.server.ask(&doing, || leases.delete(&name, &params)).await {
                Ok(_) => {}
                Err(denied) if denied.is_absent() => return,
                Err(denied) => return say(denied),
            }
        }
    }
}

/// How many nodes are read by one call.
const PAGE: u32 = 500;
/// How many nodes are asked at once, which touches nothing there.
const AT_ONCE: usize = 16;

/// A message of several lines, in a list.
fn indented(message: &str) -> String {
    message.replace('\n', "\n    ")
}

/// What a node has to say, line for line, on stdout.
fn tell(node: &str, message: impl Display) {
    let message = message.to_string();
    for line in message.lines() {
        // Where stdout is closed nobody reads it, and the work goes on.
        let _unread = writeln!(io::stdout(), "{node}: {line}");
    }
}
