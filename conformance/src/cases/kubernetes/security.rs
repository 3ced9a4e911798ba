use serde_json::json;

use super::{guest, kubernetes};
use crate::case::Case;
use crate::failure::{Failure, Result, ensure};
use crate::kube::{GUEST, KubeStage, Pod, Stream, with};
use crate::setup::Setup;

pub(super) fn cases() -> Vec<Case> {
    let status = || guest(["cwd-read", "/proc/1/status"]);
    kubernetes(
        "security",
        [
            Case::cluster("kubernetes/runs-as-the-user", status().user(2000, 3000), user),
            Case::cluster("kubernetes/capabilities-are-dropped", status(), capabilities),
            Case::cluster("kubernetes/gains-no-privileges", status(), |stage| says(stage, "NoNewPrivs", "1")),
            Case::cluster("kubernetes/seccomp-is-the-runtimes-default", status(), |stage| {
                says(stage, "Seccomp", "2")
            }),
            Case::cluster("kubernetes/root-is-read-only", read_only("/note"), root),
            Case::cluster("kubernetes/a-volume-is-not", read_only("/data/note"), volume),
            Case::cluster(
                "kubernetes/no-token-where-none-is-asked-for",
                guest(["list", "/var/run/secrets"]),
                token,
            ),
        ],
    )
}

fn read_only(path: &str) -> Setup {
    guest(["write", path, "text"]).read_only_root()
}

fn user(stage: &KubeStage<'_>) -> Result {
    let manifest = stage.manifest([stage.guest(&stage.setup())]);
    let groups = json!({ "spec": { "securityContext": { "supplementalGroups": [4000] } } });
    let pod = stage.create(&with(manifest, groups))?;
    let log = whole(&pod)?;
    let words =
        |name| field(&log, name).map(|value| value.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    for (name, id) in [("Uid", "2000"), ("Gid", "3000")] {
        let ids = words(name)?;
        ensure(ids.iter().all(|one| one == id), || format!("expected {name} to be {id}, but saw {ids:?}"))?;
    }
    let groups = words("Groups")?;
    ensure(groups.contains(&"4000".to_owned()), || format!("expected the group 4000, but saw {groups:?}"))
}

fn capabilities(stage: &KubeStage<'_>) -> Result {
    let log = log(stage)?;
    for name in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        let set = field(&log, name)?;
        ensure(set.chars().all(|digit| digit == '0'), || {
            format!("expected no capability in {name}, but saw {set}")
        })?;
    }
    Ok(())
}

fn root(stage: &KubeStage<'_>) -> Result {
    let pod = stage.create(&stage.manifest([stage.guest(&stage.setup())]))?;
    pod.ended_with(GUEST, 5)?;
    let missing = |log: &str| {
        (!log.starts_with("probe: /note: ")).then(|| format!("expected a refusal of /note, but saw {log:?}"))
    };
    pod.tells(GUEST, Stream::Merged, missing).map(drop)
}

fn volume(stage: &KubeStage<'_>) -> Result {
    let pod = stage.create(&stage.manifest([stage.guest(&stage.setup())]))?;
    pod.ended_with(GUEST, 0).map(drop)
}

fn token(stage: &KubeStage<'_>) -> Result {
    let pod = stage.create(&stage.manifest([stage.guest(&stage.setup())]))?;
    pod.ended_with(GUEST, 5)?;
    let missing = |log: &str| {
        (!log.contains("NotFound")).then(|| format!("expected nothing to be there, but saw {log:?}"))
    };
    pod.tells(GUEST, Stream::Merged, missing).map(drop)
}

fn says(stage: &KubeStage<'_>, name: &str, expected: &str) -> Result {
    let log = log(stage)?;
    let seen = field(&log, name)?;
    ensure(seen == expected, || format!("expected {name} to be {expected}, but saw {seen}"))
}

fn log(stage: &KubeStage<'_>) -> Result<String> {
    let pod = stage.create(&stage.manifest([stage.guest(&stage.setup())]))?;
    whole(&pod)
}

/// The log of a guest that has printed `/proc/1/status`, to its last line.
fn whole(pod: &Pod<'_>) -> Result<String> {
    pod.ended_with(GUEST, 0)?;
    let missing = |log: &str| {
        (!log.contains("\nnonvoluntary_ctxt_switches:")).then(|| format!("the status ends before: {log:?}"))
    };
    pod.tells(GUEST, Stream::Merged, missing)
}

/// A field of `/proc/1/status`.
fn field<'l>(log: &'l str, name: &str) -> Result<&'l str> {
    let mut lines = log.lines().filter_map(|line| line.split_once(':'));
    let found = lines.find(|(field, _)| *field == name).map(|(_, value)| value.trim());
    found.ok_or_else(|| Failure(format!("the status has no {name}: {log}")))
}
