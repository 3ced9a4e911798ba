//! A holder that is alive says so.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use kube::api::PostParams;
use tokio::time::sleep;

use crate::cluster::call::{Server, unless_absent};
use crate::cluster::say;
use crate::cluster::turn::{chance, leases};

/// Renews a lease until it is lost; whoever gives it back aborts this.
pub(super) async fn renew(server: Server, mut lease: Lease, lasts: Duration) {
    let (name, leases, params) = (lease.name_any(), leases(&server), PostParams::default());
    let doing = format!("renew the lease {name}");
    // An attempt that takes longer than the lease lasts tells nothing more.
    let server = Server { patience: lasts, ..server };
    loop {
        sleep(lasts / RENEWALS).await;
        let renewed = chance::renewed(&lease, Timestamp::now());
        match server.ask(&doing, || leases.replace(&name, &params, &renewed)).await {
            Ok(written) => lease = written,
            Err(denied) if denied.is_conflict() || denied.is_absent() => {
                let Ok(now) = unless_absent(server.ask(&doing, || leases.get(&name)).await) else { continue };
                match now {
                    Some(now) if chance::holder(&now) == chance::holder(&lease) => lease = now,
                    now => return lost(&name, now.as_ref()),
                }
            }
            Err(denied) => say(denied),
        }
    }
}

/// How often a lease is renewed while it lasts.
const RENEWALS: u32 = 3;

fn lost(name: &str, now: Option<&Lease>) {
    let holder = now.and_then(chance::holder).map_or("nobody", chance::node_of);
    say(format!("the lease {name} was lost to {holder}: more nodes than wanted are being changed at once"));
}
