//! The network of a cluster, which is nowhere but in its nodes: a bridge in the first node, to which the others are
//! plugged, and a route to the pods of each.

use std::fs::File;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::cluster::member::ClusterNode;
use crate::environment;
use crate::error::{Error, ErrorKind, Result};

/// Address of a node, by its number, which counts from 1.
pub(crate) fn address(number: u8) -> Ipv4Addr {
    [10, 99, 0, number].into()
}

/// The network of a node's pods.
pub(crate) fn pods(number: u8) -> String {
    format!("10.88.{number}.0/24")
}

/// The network of Services, and the address of the API server in it.
pub(crate) const SERVICES: &str = "10.97.0.0/16";
pub(crate) const API_SERVICE: &str = "10.97.0.1";
/// All networks of pods.
pub(crate) const ALL_PODS: &str = "10.88.0.0/16";

/// Plugs the last of the nodes to the others; where it is the only one, makes what the others are plugged to.
pub(crate) fn connect(nodes: &[ClusterNode]) -> Result<()> {
    let Some((node, earlier)) = nodes.split_last() else { return Ok(()) };
    let init = node.node().init()?;
    inside(init, || {
        ip("link set lo up")?;
        std::fs::write(FORWARDING, "1").map_err(|error| Error::io(format!("write {FORWARDING}"), error))
    })?;
    let number = node.number();
    let Some(first) = earlier.first() else {
        return inside(init, || {
            ip("link add nodes type bridge")?;
            ip(&format!("address add {}/24 dev nodes", address(number)))?;
            ip("link set nodes up")?;
            // Packets to a Service are routed before kube-proxy rewrites them.
            ip("route add default dev nodes")
        });
    };
    inside(first.node().init()?, || {
        ip(&format!("link add node{number} type veth peer name eth0 netns {init}"))?;
        ip(&format!("link set node{number} master nodes up"))
    })?;
    inside(init, || {
        ip(&format!("address add {}/24 dev eth0", address(number)))?;
        ip("link set eth0 up")?;
        ip(&format!("route add default via {}", address(first.number())))?;
        earlier.iter().try_for_each(|other| route(other.number()))
    })?;
    earlier.iter().try_for_each(|other| inside(other.node().init()?, || route(number)))
}

/// Does something in the network of a process, on a thread of its own: a thread that has left its network does not find
/// back.
pub(crate) fn inside<T: Send>(init: u32, action: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    thread::scope(|scope| {
        let joined = scope.spawn(|| enter(init).and_then(|()| action())).join();
        joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Moves the calling thread into the network of a process.
pub(crate) fn enter(init: u32) -> Result<()> {
    let path = format!("/proc/{init}/ns/net");
    let network = File::open(&path).map_err(|error| Error::io(format!("open {path}"), error))?;
    let entered = move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network));
    entered.map_err(|error| Error::io("enter the network of a node", error.into()))
}

const FORWARDING: &str = "/proc/sys/net/ipv4/ip_forward";

fn route(number: u8) -> Result<()> {
    ip(&format!("route add {} via {}", pods(number), address(number)))
}

/// Configures the network that the calling thread is in.
fn ip(arguments: &str) -> Result<()> {
    let mut ip = Command::new(environment::program("ip")?);
    let output = ip.args(arguments.split(' ')).stdin(Stdio::null()).output();
    let output = output.map_err(|error| Error::io("run ip", error))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Error::new(ErrorKind::Environment, format!("`ip {arguments}` failed in a node's network: {said}")))
}
