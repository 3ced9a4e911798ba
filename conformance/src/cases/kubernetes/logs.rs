use serde_json::json;

use super::{guest, kubernetes};
use crate::case::Case;
use crate::failure::{Result, ensure};
use crate::kube::{GUEST, KubeStage, Log, Stream, refusal, restarts, status, text};
use crate::patience::{patience, until};

const TRAP: u32 = 134;

pub(super) fn cases() -> Vec<Case> {
    kubernetes(
        "logs",
        [
            Case::cluster("kubernetes/logs-are-followed", guest(["tick"]), followed),
            Case::cluster("kubernetes/logs-of-the-run-before", guest(["tick"]), previous),
            Case::cluster("kubernetes/logs-of-a-trap", guest(["trap", "unreachable"]), trap),
            Case::cluster("kubernetes/logs-keep-the-streams-apart", guest(["stderr", "complaint"]), streams),
            Case::cluster("kubernetes/logs-lose-nothing", guest(["flood", "20000"]), flood),
            Case::cluster("kubernetes/a-create-error-is-an-event", guest(["return"]), create_error),
        ],
    )
}

fn followed(stage: &KubeStage<'_>) -> Result {
    let pod = stage.start(&stage.setup())?;
    let log = pod.says(GUEST, "\n20\n")?;
    ensure(log.starts_with("1\n2\n3\n"), || format!("the log does not begin with its first lines: {log}"))
}

/// A guest that is told to end by its neighbour in the container, so that the run after it goes on.
fn previous(stage: &KubeStage<'_>) -> Result {
    let mut manifest = stage.manifest([stage.guest(&stage.setup())]);
    manifest["spec"]["restartPolicy"] = json!("Always");
    let pod = stage.create(&manifest)?;
    pod.runs(GUEST)?;
    pod.says(GUEST, "\n5\n")?;
    // Its own end may break the connection.
    let _ended = pod.exec(GUEST, ["/bin/busybox", "kill", "1"]);
    pod.until(|pod| {
        let again = restarts(pod, GUEST) == 1 && status(pod, GUEST)["state"].get("running").is_some();
        Ok((!again).then(|| "expected it to be started again".to_owned()))
    })?;
    let log = Log { pod: &pod.name, container: GUEST, stream: Stream::Merged, previous: true };
    until(patience(), || {
        let log = String::from_utf8_lossy(&stage.cluster.log(log)?).into_owned();
        let is_whole = log.starts_with("1\n2\n3\n4\n5\n");
        Ok((!is_whole).then(|| format!("the log of the run before is {log:?}")))
    })
}

fn trap(stage: &KubeStage<'_>) -> Result {
    let pod = stage.create(&stage.manifest([stage.guest(&stage.setup())]))?;
    pod.ended_with(GUEST, TRAP)?;
    // A shell has no trap whose words could be in a log.
    if !stage.cluster.is_native() {
        pod.says(GUEST, "unreachable")?;
    }
    Ok(())
}

fn streams(stage: &KubeStage<'_>) -> Result {
    let pod = stage.create(&stage.manifest([stage.guest(&stage.setup())]))?;
    pod.ended_with(GUEST, 0)?;
    pod.tells(GUEST, Stream::Stderr, |stderr| {
        (stderr != "complaint\n").then(|| format!("expected the complaint on stderr, but saw {stderr:?}"))
    })?;
    if !stage.cluster.splits_logs {
        stage.note("streams", "merged: the server does not tell them apart");
        return Ok(());
    }
    let stdout = pod.log(GUEST, Stream::Stdout)?;
    ensure(stdout.is_empty(), || format!("expected stderr alone, but stdout is {stdout:?}"))
}

fn flood(stage: &KubeStage<'_>) -> Result {
    let pod = stage.create(&stage.manifest([stage.guest(&stage.setup())]))?;
    pod.ended_with(GUEST, 0)?;
    let missing = |log: &str| {
        let lines = log.lines().count();
        (lines != 20_001).then(|| format!("expected 20001 lines, but there are {lines}"))
    };
    pod.tells(GUEST, Stream::Merged, missing).map(drop)
}

/// Who reads the events learns which file was not found.
fn create_error(stage: &KubeStage<'_>) -> Result {
    let pod = stage.create(&stage.manifest([stage.guest(&stage.setup().path("/no-such.wasm"))]))?;
    // What it says has ids in it that differ from run to run, so that it is not noted.
    stage.cluster.event(&pod.name, |event| {
        text(event, "/reason") == "Failed" && text(event, "/message").contains("no-such.wasm")
    })?;
    let object =
        pod.until(|pod| Ok(refusal(pod, GUEST).is_none().then(|| "expected a refusal".to_owned())))?;
    let sentence = refusal(&object, GUEST).unwrap_or_default();
    stage.note("refused", &sentence);
    ensure(sentence.contains("no-such.wasm"), || format!("the status does not name the file: {sentence}"))
}
