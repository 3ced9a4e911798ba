use serde_json::{Value, json};

use super::servers::{ANSWER, PORT, http_probe, server};
use super::{guest, kubernetes, program};
use crate::case::Case;
use crate::failure::{Failure, Result, ensure};
use crate::kube::{Exec, GUEST, KubeStage, Pod, Ran, status, with};
use crate::setup::busybox;

pub(super) fn cases() -> Vec<Case> {
    kubernetes(
        "exec",
        [
            Case::cluster("kubernetes/exec-reads-stdin", guest(["sleep"]), stdin),
            Case::cluster("kubernetes/exec-tells-the-exit-code", guest(["sleep"]), exit_code),
            Case::cluster("kubernetes/exec-with-a-terminal", guest(["sleep"]), terminal),
            Case::cluster("kubernetes/exec-of-what-is-not-there", guest(["sleep"]), missing),
            Case::cluster("kubernetes/attach", guest(["echo"]), attach),
            Case::cluster("kubernetes/port-forward", guest(["sleep"]), port_forward),
            Case::cluster("kubernetes/copy-into-a-sidecar", guest(["sleep"]), copy),
            Case::cluster("kubernetes/ephemeral-container", guest(["sleep"]), ephemeral),
        ],
    )
}

fn stdin(stage: &KubeStage<'_>) -> Result {
    let pod = stage.start(&stage.setup())?;
    let ran = pod.runs_in(GUEST, &Exec::new([program(stage), "stdin".into()]).stdin(b"one\ntwo\n"))?;
    expect(&ran, 0, "one\ntwo\n")?;
    let stderr = String::from_utf8_lossy(&ran.stderr).into_owned();
    ensure(stderr.contains("8 bytes"), || format!("its stderr is {stderr:?}"))
}

fn exit_code(stage: &KubeStage<'_>) -> Result {
    let pod = stage.start(&stage.setup())?;
    for code in [0, 7, 255] {
        let ran = pod.runs_in(GUEST, &Exec::new([program(stage), "exit".into(), code.to_string()]))?;
        expect(&ran, code, "")?;
    }
    expect(&pod.exec(GUEST, ["/bin/busybox", "sh", "-c", "exit 9"])?, 9, "")
}

fn terminal(stage: &KubeStage<'_>) -> Result {
    let pod = stage.start(&stage.setup())?;
    let ran = pod.runs_in(GUEST, &Exec::new([program(stage), "isatty".into()]).terminal(80, 24))?;
    expect(&ran, 0, "stdin: tty\r\nstdout: tty\r\nstderr: tty\r\n")?;
    // The size may come after the start, so that it is waited for.
    let size = "i=0; while [ \"$(/bin/busybox stty size 2>/dev/null)\" != '40 100' ] && [ $i -lt 6000 ]; do \
                i=$((i+1)); /bin/busybox usleep 10000; done; /bin/busybox stty size";
    let ran = pod.runs_in(GUEST, &Exec::new(["/bin/busybox", "sh", "-c", size]).terminal(100, 40))?;
    expect(&ran, 0, "40 100\r\n")
}

fn missing(stage: &KubeStage<'_>) -> Result {
    let pod = stage.start(&stage.setup())?;
    let said = match stage.cluster.exec(&pod.name, GUEST, &Exec::new(["/no-such-program"])) {
        Ok(Ran { code: Some(0), .. }) => {
            return Err(Failure("a program that is not there ended with 0".into()));
        }
        Ok(ran) => ran.message,
        Err(refused) => refused.message,
    };
    ensure(said.contains("no-such-program"), || format!("the refusal does not name the program: {said}"))
}

fn attach(stage: &KubeStage<'_>) -> Result {
    let container = with(stage.guest(&stage.setup()), json!({ "stdin": true, "stdinOnce": true }));
    let pod = stage.create(&stage.manifest([container]))?;
    pod.runs(GUEST)?;
    let said = stage.cluster.attach(&pod.name, GUEST, b"question\n", |said| said.contains("question\n"))?;
    // Once for each time that it was asked.
    let is_back = !said.is_empty() && said.replace("question\n", "").is_empty();
    ensure(is_back, || format!("expected the question back, but saw {said:?}"))?;
    // The end of stdin is its end.
    pod.ended_with(GUEST, 0).map(drop)
}

fn port_forward(stage: &KubeStage<'_>) -> Result {
    let container = with(stage.guest(&server(stage)), json!({ "readinessProbe": http_probe() }));
    let pod = stage.create(&stage.manifest([container]))?;
    pod.is_ready()?;
    let request = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let answer = stage.cluster.forward(&pod.name, PORT, request)?;
    ensure(answer.starts_with("HTTP/1.") && answer.contains(ANSWER), || format!("the answer is {answer:?}"))
}

/// What `kubectl cp` does, with a native container that has `tar`; the guest sees the file.
fn copy(stage: &KubeStage<'_>) -> Result {
    let pod = stage.create(&stage.manifest([stage.guest(&stage.setup()), stage.companion("sidecar")]))?;
    pod.runs(GUEST)?;
    pod.runs("sidecar")?;
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    header.set_size(8);
    archive.append_data(&mut header, "copied", b"content\n".as_slice())?;
    let unpack = Exec::new(["/bin/busybox", "tar", "xf", "-", "-C", "/data"]).stdin(&archive.into_inner()?);
    expect(&pod.runs_in("sidecar", &unpack)?, 0, "")?;
    let read = Exec::new([program(stage), "cwd-read".into(), "/data/copied".into()]);
    expect(&pod.runs_in(GUEST, &read)?, 0, "content\n")?;
    let pack = Exec::new(["/bin/busybox", "tar", "cf", "-", "-C", "/data", "copied"]);
    let ran = pod.runs_in("sidecar", &pack)?;
    let mut archive = tar::Archive::new(ran.stdout.as_slice());
    let found = archive
        .entries()?
        .any(|entry| entry.is_ok_and(|entry| entry.path().is_ok_and(|path| path.ends_with("copied"))));
    ensure(found, || format!("the way back has no file: {} bytes", ran.stdout.len()))
}

/// A native container with a shell, put into a pod of wasm that runs already.
fn ephemeral(stage: &KubeStage<'_>) -> Result {
    let pod = stage.start(&stage.setup())?;
    let mut debug = stage.cluster.container("debug", &busybox(["sh", "-c", "echo seen; exit 4"]));
    for field in ["resources", "volumeMounts"] {
        debug.as_object_mut().map(|debug| debug.remove(field));
    }
    debug["targetContainerName"] = json!(GUEST);
    add_ephemeral(&pod, debug)?;
    pod.ended_with("debug", 4)?;
    pod.says("debug", "seen\n")?;
    let object = pod.object()?;
    let state = &status(&object, GUEST)["state"];
    ensure(state.get("running").is_some(), || format!("the guest does not run any more: {state}"))
}

fn add_ephemeral(pod: &Pod<'_>, container: Value) -> Result {
    let change = json!({ "spec": { "ephemeralContainers": [container] } });
    let path = format!("{}/ephemeralcontainers", pod.path());
    pod.cluster.api().merge_lists(&path, &change)?;
    Ok(())
}

fn expect(ran: &Ran, code: u32, stdout: &str) -> Result {
    let seen = String::from_utf8_lossy(&ran.stdout).into_owned();
    ensure(ran.code == Some(code) && seen == stdout, || {
        let stderr = String::from_utf8_lossy(&ran.stderr).into_owned();
        format!(
            "expected {code} and {stdout:?}, but saw {:?} ({}), {seen:?} and {stderr:?}",
            ran.code, ran.message
        )
    })
}
