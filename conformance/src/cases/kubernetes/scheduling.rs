use serde_json::json;

use super::{guest, kubernetes, limits};
use crate::case::Case;
use crate::cgroup::Setting;
use crate::failure::{Failure, Result, ensure};
use crate::kube::{BACKGROUND, GUEST, Kind, KubeStage, Pod, RUNTIME_CLASSES, text, with};

const MIB: u64 = 1 << 20;
const LIMIT: u64 = 128 * MIB;
const OVERHEAD: u64 = 64 * MIB;
const MEMORY_LIMIT: Setting = Setting { controller: "memory", v1: "memory.limit_in_bytes", v2: "memory.max" };

pub(super) fn cases() -> Vec<Case> {
    kubernetes(
        "scheduling",
        [
            Case::cluster("kubernetes/runtime-class-selects-the-shim", guest(["args", "one"]), selects),
            Case::cluster("kubernetes/an-unknown-runtime-class-is-refused", guest(["return"]), unknown),
            Case::cluster(
                "kubernetes/overhead-is-the-classes",
                guest(["hold", "16"]).memory(LIMIT),
                overhead,
            )
            .private(),
        ],
    )
}

fn selects(stage: &KubeStage<'_>) -> Result {
    let pod = stage.create(&stage.manifest([stage.guest(&stage.setup())]))?;
    pod.ended_with(GUEST, 0)?;
    pod.says(GUEST, "argv[2]=one\n")?;
    let object = pod.object()?;
    let class = text(&object, "/spec/runtimeClassName");
    ensure(class == stage.cluster.runtime_class, || format!("the pod has the RuntimeClass {class:?}"))
}

fn unknown(stage: &KubeStage<'_>) -> Result {
    let mut manifest = stage.manifest([stage.guest(&stage.setup())]);
    manifest["spec"]["runtimeClassName"] = json!("shimmer-no-such-class");
    match Pod::create(stage.cluster, &manifest) {
        Ok(_) => Err(Failure("a pod of a RuntimeClass that there is not was taken".into())),
        Err(refused) => ensure(refused.message.contains("shimmer-no-such-class"), || {
            format!("the refusal does not name the RuntimeClass: {refused}")
        }),
    }
}

/// The overhead of a RuntimeClass is the pod's, and its cgroup has it over and above the container's limit.
fn overhead(stage: &KubeStage<'_>) -> Result {
    let cluster = stage.cluster;
    let class = cluster.api().read(&format!("{RUNTIME_CLASSES}/{}", cluster.runtime_class))?;
    let name = format!("{}-with-overhead", cluster.namespace);
    let labels = cluster.object(Kind::Pod, &name, json!({}))["metadata"]["labels"].clone();
    let fat = json!({
        "apiVersion": "node.k8s.io/v1",
        "kind": "RuntimeClass",
        "metadata": { "name": name, "labels": labels },
        "handler": class["handler"],
        "overhead": { "podFixed": { "memory": OVERHEAD.to_string(), "cpu": "50m" } },
    });
    cluster.api().create(RUNTIME_CLASSES, &fat)?;
    let seen = with_overhead(stage, &name);
    cluster.api().delete(&format!("{RUNTIME_CLASSES}/{name}"), BACKGROUND, None)?;
    seen
}

fn with_overhead(stage: &KubeStage<'_>, class: &str) -> Result {
    let manifest = stage.manifest([stage.guest(&stage.setup())]);
    let manifest = with(manifest, json!({ "spec": { "runtimeClassName": class } }));
    let pod = stage.create(&manifest)?;
    let object = pod.runs(GUEST)?;
    let seen = &object["spec"]["overhead"];
    ensure(text(seen, "/cpu") == "50m" && seen.get("memory").is_some(), || {
        format!("the pod's overhead is {seen}")
    })?;
    pod.says(GUEST, "ready\n")?;
    limits::says(&limits::pod_cgroup(&pod)?, &MEMORY_LIMIT, &(LIMIT + OVERHEAD).to_string())
}
