use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;

use shimmer_node::cri::CriContainerSpec;

use super::row;
use crate::address::{free_address, own_address};
use crate::case::Case;
use crate::expected::Ended;
use crate::failure::{Failure, Result, ensure};
use crate::patience::patience;
use crate::profile::Profile;
use crate::running::Running;
use crate::setup::{Setup, probe, probe_component};
use crate::stage::Stage;

/// More than the buffers of a connection hold, so that both sides have to take turns.
const LONG: usize = 4 << 20;
/// In a pod the network is the pod's own, so any port is free.
const PORT: u16 = 7000;

pub(super) fn cases() -> Vec<Case> {
    let shared = |id, steps| Case::container(id, probe_component([]).network(), steps).needs(&["components"]);
    let in_pod = |id, steps| Case::cri(id, probe_component([]), steps).needs(&["components"]);
    row(
        "sockets",
        Profile::Sockets,
        [
            shared("socket/tcp-client", tcp_client),
            shared("socket/tcp-server", tcp_server),
            shared("socket/udp", udp),
            Case::container("socket/resolves-a-name", named(), resolves_a_name).needs(&["components"]),
            Case::task("socket/network-is-the-containers", probe_component([]), network_is_the_containers)
                .needs(&["components"]),
            in_pod("socket/refused-connection", refused_connection),
            in_pod("socket/server-in-a-pod", server_in_a_pod),
            in_pod("socket/containers-of-a-pod-talk", containers_of_a_pod_talk),
            Case::new("socket/none-in-preview-1", probe(["tcp-connect", "127.0.0.1:1", "text"]))
                .ends_with(5)
                .complains("Unsupported"),
        ],
    )
}

/// 192.0.2.0/24 is for documentation, and the name is in no other list of names.
fn named() -> Setup {
    probe_component(["resolve", "service.example"])
        .file("hosts", "192.0.2.7 service.example\n")
        .mounted("hosts", "/etc/hosts")
}

fn tcp_client(stage: &Stage<'_>) -> Result {
    let listener = TcpListener::bind((own_address(), 0))?;
    let address = listener.local_addr()?.to_string();
    let answering = thread::spawn(move || answer_once(&listener));
    let ended = run(stage, ["tcp-connect", &address, "question"])?;
    expect(&ended, 0, "answer to question")?;
    Ok(answering.join().map_err(|_| "the listener panicked")??)
}

fn tcp_server(stage: &Stage<'_>) -> Result {
    let address = free_address()?;
    let running = serve(stage, address)?;
    echo(address)?;
    expect(&running.end_unnoted()?, 0, "listening on")
}

fn udp(stage: &Stage<'_>) -> Result {
    let socket = UdpSocket::bind((own_address(), 0))?;
    socket.set_read_timeout(Some(patience()))?;
    let address = socket.local_addr()?.to_string();
    let answering = thread::spawn(move || {
        let mut datagram = [0; 64];
        let (length, peer) = socket.recv_from(&mut datagram)?;
        socket.send_to(&[b"answer to ", &datagram[..length]].concat(), peer)
    });
    expect(&run(stage, ["udp", &address, "question"])?, 0, "answer to question")?;
    answering.join().map_err(|_| "the peer panicked")??;
    Ok(())
}

/// Nobody else listens in the pod's network.
fn refused_connection(stage: &Stage<'_>) -> Result {
    let ended = run(stage, ["tcp-connect", &format!("127.0.0.1:{PORT}"), "question"])?;
    ensure(ended.code == 1 && ended.stderr().contains("ConnectionRefused"), || {
        format!("expected status 1 and ConnectionRefused, but saw {}", ended.describe())
    })
}

fn resolves_a_name(stage: &Stage<'_>) -> Result {
    expect(&stage.run(&stage.setup())?, 0, "192.0.2.7\n")
}

/// A listener on this machine is not within reach of a container with a network of its own.
fn network_is_the_containers(stage: &Stage<'_>) -> Result {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let ended = run(stage, ["tcp-connect", &listener.local_addr()?.to_string(), "question"])?;
    ensure(ended.code == 1, || format!("expected status 1, but saw {}", ended.describe()))?;
    ensure(listener.accept().is_err(), || "the guest reached this machine's loopback".to_owned())
}

fn server_in_a_pod(stage: &Stage<'_>) -> Result {
    let mut running = serve(stage, (Ipv4Addr::UNSPECIFIED, PORT).into())?;
    let address = ip(&mut running)?;
    echo(SocketAddr::new(address, PORT))?;
    expect(&running.end_unnoted()?, 0, "listening on")
}

/// The containers of a pod share its loopback.
fn containers_of_a_pod_talk(stage: &Stage<'_>) -> Result {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
    let mut server = serve(stage, address)?;
    let client = stage.setup().args(["tcp-connect", &address.to_string(), "question"]);
    let spec = CriContainerSpec::new("client", &stage.image(&client)?).command(client.command());
    let (_, pod) = server.in_pod()?;
    let container = pod.container(spec)?;
    container.start()?;
    let ended = container.wait(patience())?;
    let answer = String::from_utf8_lossy(&container.log()?.stdout).into_owned();
    ensure((ended.code, answer.as_str()) == (0, "question"), || {
        format!("expected status 0 and the question, but saw status {} and {answer:?}", ended.code)
    })?;
    container.delete()?;
    expect(&server.end_unnoted()?, 0, "listening on")
}

fn run<const N: usize>(stage: &Stage<'_>, args: [&str; N]) -> Result<Ended> {
    stage.start(&stage.setup().args(args))?.end_unnoted()
}

/// A guest that listens.
fn serve<'a>(stage: &'a Stage<'a>, address: SocketAddr) -> Result<Running<'a>> {
    let running = stage.start(&stage.setup().args(["tcp-serve", &address.to_string()]))?;
    running.wait_for(&format!("listening on {address}\n"))?;
    Ok(running)
}

/// Sends a lot to a guest that sends it back.
fn echo(address: SocketAddr) -> Result {
    let mut stream = TcpStream::connect_timeout(&address, patience())?;
    stream.set_read_timeout(Some(patience()))?;
    let sent: Vec<u8> = (0..LONG).map(|i| i.to_le_bytes()[i % 3]).collect();
    let mut writer = stream.try_clone()?;
    let mut received = Vec::new();
    thread::scope(|scope| {
        let writing = scope.spawn(|| writer.write_all(&sent).and_then(|()| writer.shutdown(Shutdown::Write)));
        stream.read_to_end(&mut received)?;
        writing.join().map_err(|_| Failure("the writer panicked".into()))?.map_err(Failure::from)
    })?;
    ensure(received == sent, || format!("sent {LONG} bytes, but {} came back, or others", received.len()))
}

fn answer_once(listener: &TcpListener) -> std::io::Result<()> {
    let (mut stream, _) = listener.accept()?;
    let mut question = Vec::new();
    stream.read_to_end(&mut question)?;
    stream.write_all(&[b"answer to ".as_slice(), &question].concat())
}

fn ip(running: &mut Running<'_>) -> Result<IpAddr> {
    let (_, pod) = running.in_pod()?;
    pod.ip().ok_or_else(|| Failure("the pod has no address".into()))
}

fn expect(ended: &Ended, code: u32, stdout: &str) -> Result {
    ensure(ended.code == code && ended.stdout().contains(stdout), || {
        format!("expected status {code} and {stdout:?}, but saw {}", ended.describe())
    })
}
