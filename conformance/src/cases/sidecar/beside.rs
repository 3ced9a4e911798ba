//! A native container and a WebAssembly one in one pod.

use shimmer_node::cri::PodContainer;

use super::super::row;
use super::{SIGTERM, native};
use crate::case::Case;
use crate::failure::{Result, ensure};
use crate::guests::HTTP_COMPONENT;
use crate::patience::patience;
use crate::profile::Profile;
use crate::setup::{Setup, busybox, probe, probe_component};
use crate::stage::Stage;

pub(super) fn cases() -> Vec<Case> {
    let request = "GET /probe.sh HTTP/1.0\r\n\r\n";
    row(
        "sidecar-pod",
        Profile::Sidecar,
        [
            Case::cri("sidecar/beside-a-guest", probe(["sleep"]), beside_a_guest).twin(),
            Case::cri("sidecar/goes-on-when-the-guest-ends", probe(["return"]), goes_on).twin(),
            Case::cri("sidecar/reaches-the-guests-server", Setup::of(HTTP_COMPONENT), reaches_the_guest)
                .needs(&["http"]),
            Case::cri(
                "sidecar/is-reached-by-the-guest",
                probe_component(["tcp-connect", "127.0.0.1:8081", request]),
                is_reached_by_the_guest,
            )
            .needs(&["components"]),
        ],
    )
}

fn beside_a_guest(stage: &Stage<'_>) -> Result {
    let mut running = stage.start(&stage.setup())?;
    running.wait_for("ready\n")?;
    let sidecar = running.beside("sidecar", &native(["args", "x"]))?;
    expect(&sidecar, 0, "argv[0]=/probe.sh\nargv[1]=args\nargv[2]=x\n")?;
    running.kill(SIGTERM)?;
    let ended = running.end()?;
    ensure(ended.code == 128 + SIGTERM, || format!("expected status 143, but saw {}", ended.describe()))
}

fn goes_on(stage: &Stage<'_>) -> Result {
    let mut running = stage.create(&stage.setup())?;
    let sidecar = running.beside("sidecar", &native(["tick"]))?;
    running.start()?;
    let ended = running.in_pod()?.0.wait(patience())?;
    ensure(ended.code == 0, || format!("expected status 0, but saw {ended:?}"))?;
    let lines = String::from_utf8_lossy(&sidecar.log()?.stdout).lines().count();
    Ok(sidecar.wait_for(&format!("{}\n", lines + 2), patience())?)
}

fn reaches_the_guest(stage: &Stage<'_>) -> Result {
    let mut running = stage.start(&stage.setup())?;
    let script = "until /busybox wget -q -O - http://127.0.0.1:8080/; do :; done";
    let sidecar = running.beside("sidecar", &busybox(["sh", "-c", script]))?;
    expect(&sidecar, 0, "hello from wasm\n")
}

fn is_reached_by_the_guest(stage: &Stage<'_>) -> Result {
    let mut running = stage.create(&stage.setup())?;
    let script = "/busybox httpd -p 127.0.0.1:8081 -h / && echo ready && exec /busybox sleep 1000000";
    let sidecar = running.beside("sidecar", &busybox(["sh", "-c", script]))?;
    sidecar.wait_for("ready\n", patience())?;
    running.start()?;
    let ended = running.in_pod()?.0.wait(patience())?;
    let answer = String::from_utf8_lossy(&running.in_pod()?.0.log()?.stdout).into_owned();
    ensure(ended.code == 0 && answer.contains("200 OK") && answer.contains("#!/bin/busybox sh"), || {
        format!("expected status 0 and the file, but saw {ended:?} and {answer}")
    })
}

fn expect(container: &PodContainer, code: u32, stdout: &str) -> Result {
    let ended = container.wait(patience())?;
    let log = container.log()?;
    ensure(ended.code == code && log.stdout == stdout.as_bytes(), || {
        format!("expected status {code} and {stdout:?}, but saw {ended:?} and {log}")
    })
}
