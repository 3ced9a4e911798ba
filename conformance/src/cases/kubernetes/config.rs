use serde_json::{Value, json};

use super::{guest, kubernetes, program};
use crate::case::Case;
use crate::failure::{Result, ensure};
use crate::kube::{Exec, GUEST, Kind, KubeStage, Made, Stream, base64, push, with};
use crate::patience::{patience, until};
use crate::setup::Setup;

const MIB: u64 = 1 << 20;

pub(super) fn cases() -> Vec<Case> {
    let limited = |setup: Setup| setup.memory(256 * MIB);
    kubernetes(
        "config",
        [
            Case::cluster("kubernetes/configuration-as-environment", limited(guest(["env"])), environment),
            Case::cluster("kubernetes/configuration-as-files", limited(guest(["sleep"])), files),
            Case::cluster(
                "kubernetes/configuration-as-single-files",
                limited(guest(["sleep"])),
                single_files,
            ),
            Case::cluster("kubernetes/a-changed-configmap-changes-the-file", guest(["sleep"]), change),
        ],
    )
}

fn made<'a>(stage: &KubeStage<'a>) -> Result<(Made<'a>, Made<'a>)> {
    let map = stage.make(Kind::ConfigMap, json!({ "data": { "color": "green\n" } }))?;
    let secret = stage.make(Kind::Secret, json!({ "data": { "password": base64(b"hush\n") } }))?;
    Ok((map, secret))
}

fn environment(stage: &KubeStage<'_>) -> Result {
    let (map, secret) = made(stage)?;
    let of = |name: &str, from: Value| json!({ "name": name, "valueFrom": from });
    let env = [
        of("COLOR", json!({ "configMapKeyRef": { "name": map.name, "key": "color" } })),
        of("PASSWORD", json!({ "secretKeyRef": { "name": secret.name, "key": "password" } })),
        of("POD", json!({ "fieldRef": { "fieldPath": "metadata.name" } })),
        of("MEMORY", json!({ "resourceFieldRef": { "resource": "limits.memory", "divisor": "1Mi" } })),
    ];
    let pod = stage.create(&stage.manifest([with(stage.guest(&stage.setup()), json!({ "env": env }))]))?;
    pod.ended_with(GUEST, 0)?;
    let name = format!("POD={}\n", pod.name);
    let lines = ["COLOR=green\n", "PASSWORD=hush\n", &name, "MEMORY=256\n"];
    let missing = |log: &str| {
        let missing = lines.iter().find(|line| !log.contains(**line))?;
        Some(format!("expected {missing:?} in the environment, but saw {log}"))
    };
    pod.tells(GUEST, Stream::Merged, missing).map(drop)
}

/// As Kubernetes makes them: each file is a link into a folder that is exchanged as a whole.
fn files(stage: &KubeStage<'_>) -> Result {
    let (map, secret) = made(stage)?;
    let mount = |name: &str| json!({ "name": name, "mountPath": format!("/{name}") });
    let mounts = ["config", "secret", "info"].map(mount);
    read(stage, &map, &secret, &mounts, ["/config/color", "/secret/password", "/info/name"])
}

/// As mounts of their own: then they are plain files.
fn single_files(stage: &KubeStage<'_>) -> Result {
    let (map, secret) = made(stage)?;
    let mount = |name: &str, file: &str| json!({ "name": name, "mountPath": format!("/app/{file}"), "subPath": file });
    let mounts = [mount("config", "color"), mount("secret", "password"), mount("info", "name")];
    read(stage, &map, &secret, &mounts, ["/app/color", "/app/password", "/app/name"])
}

fn read(
    stage: &KubeStage<'_>,
    map: &Made<'_>,
    secret: &Made<'_>,
    mounts: &[Value],
    paths: [&str; 3],
) -> Result {
    let mut container = stage.guest(&stage.setup());
    mounts.iter().for_each(|mount| push(&mut container["volumeMounts"], mount.clone()));
    let mut manifest = stage.manifest([container]);
    let info = json!([{ "path": "name", "fieldRef": { "fieldPath": "metadata.name" } }]);
    for volume in [
        json!({ "name": "config", "configMap": { "name": map.name } }),
        json!({ "name": "secret", "secret": { "secretName": secret.name } }),
        json!({ "name": "info", "downwardAPI": { "items": info } }),
    ] {
        push(&mut manifest["spec"]["volumes"], volume);
    }
    let pod = stage.create(&manifest)?;
    pod.runs(GUEST)?;
    for (path, expected) in paths.into_iter().zip(["green\n", "hush\n", &pod.name]) {
        let ran = pod.runs_in(GUEST, &Exec::new([program(stage), "cwd-read".into(), path.into()]))?;
        let (seen, why) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
        ensure(seen == expected, || {
            format!("expected {path} to say {expected:?}, but saw {seen:?} and {why:?}")
        })?;
    }
    Ok(())
}

fn change(stage: &KubeStage<'_>) -> Result {
    let (map, _secret) = made(stage)?;
    let mut container = stage.guest(&stage.setup());
    push(&mut container["volumeMounts"], json!({ "name": "config", "mountPath": "/config" }));
    let mut manifest = stage.manifest([container]);
    push(&mut manifest["spec"]["volumes"], json!({ "name": "config", "configMap": { "name": map.name } }));
    let pod = stage.create(&manifest)?;
    pod.runs(GUEST)?;
    map.merge(&json!({ "data": { "color": "blue\n" } }))?;
    let mut looks = 0_u32;
    until(patience(), || {
        // A changed annotation makes the kubelet look at the pod's volumes at once; it may hear of that before it hears of
        // the map.
        looks += 1;
        let looked = json!({ "metadata": { "annotations": { "looks": looks.to_string() } } });
        stage.cluster.api().merge(&pod.path(), &looked)?;
        let ran = pod.exec(GUEST, ["/bin/busybox", "cat", "/config/color"])?;
        Ok((ran.stdout != b"blue\n").then(|| format!("the file did not change: {ran:?}")))
    })?;
    let ran = pod.runs_in(GUEST, &Exec::new([program(stage), "cwd-read".into(), "/config/color".into()]))?;
    ensure(ran.stdout == b"blue\n", || format!("the guest does not see the change: {ran:?}"))
}
