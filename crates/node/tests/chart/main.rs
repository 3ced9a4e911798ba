//! The chart, by both generations of Helm: what it renders, what it refuses, and what an API server says of it. Helm is built
//! by Go the first time; without Go these tests are left out, and say so.

mod examples;
mod manifest;
mod server;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use shimmer_node::{Helm, if_buildable};

use self::manifest::{Manifest, find};

/// The chart of this tree.
fn chart() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../charts/shimmer")
}

/// Both Helms, or nothing where this machine has no Go.
fn helms() -> Option<Vec<PathBuf>> {
    let cache = shimmer_node::cache().expect("a cache");
    let helms = Helm::ALL.iter().map(|version| shimmer_node::helm(*version, &cache, &|_| ()));
    if_buildable(helms.collect()).unwrap_or_else(|error| panic!("Helm is needed: {error}"))
}

/// The values that the chart is tested with: the defaults, and each of its files for that.
fn values() -> Vec<Vec<String>> {
    let files =
        fs::read_dir(chart().join("ci")).expect("values for tests").map(|file| file.expect("a file").path());
    let files = files.map(|file| vec!["--values".to_owned(), file.display().to_string()]);
    let values: Vec<_> = std::iter::once(Vec::new()).chain(files).collect();
    assert!(values.len() > 5, "{values:?}");
    values
}

fn of_file(name: &str) -> [String; 2] {
    ["--values".to_owned(), chart().join("ci").join(name).display().to_string()]
}

/// A command of Helm's on the chart. It finds no cluster, unless it is told of one, and no settings of the user.
fn helm<S: AsRef<str>>(helm: &Path, command: &str, arguments: &[S]) -> Command {
    let mut run = Command::new(helm);
    run.args(command.split(' ')).arg(chart()).args(["--namespace", "shimmer"]);
    run.args(arguments.iter().map(AsRef::as_ref)).env_clear().env("HOME", env!("CARGO_TARGET_TMPDIR"));
    run
}

fn run<S: AsRef<str>>(program: &Path, command: &str, arguments: &[S]) -> Output {
    helm(program, command, arguments).output().expect("helm runs")
}

#[track_caller]
fn render<S: AsRef<str>>(helm: &Path, arguments: &[S]) -> Vec<Manifest> {
    let output = run(helm, "template shimmer", arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    manifest::all(&String::from_utf8(output.stdout).expect("text"))
}

/// Why it does not render.
#[track_caller]
fn refusal(helm: &Path, values: &[&str]) -> String {
    let arguments: Vec<_> = values.iter().flat_map(|value| ["--set-json", value]).collect();
    let output = run(helm, "template shimmer", &arguments);
    assert!(!output.status.success(), "{values:?} is rendered");
    String::from_utf8(output.stderr).expect("text")
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

#[test]
fn lints_strictly() {
    let Some(helms) = helms() else { return };
    for helm in &helms {
        for values in values() {
            let output = run(helm, "lint --strict", &values);
            assert!(output.status.success(), "{values:?}: {}", String::from_utf8_lossy(&output.stdout));
        }
    }
}

#[test]
fn every_manifest_is_of_its_schema_and_both_helms_render_the_same() {
    let Some(helms) = helms() else { return };
    for values in values() {
        let [old, new] = [0, 1].map(|helm| render(&helms[helm], &values));
        let sorted = |manifests: &[Manifest]| {
            let mut all: Vec<_> = manifests.iter().map(|manifest| manifest.0.to_string()).collect();
            all.sort();
            all
        };
        assert_eq!(sorted(&old), sorted(&new), "{values:?}");
        assert!(new.len() > 15, "{values:?}: {new:?}");
        for manifest in &new {
            manifest.check().unwrap_or_else(|error| panic!("{values:?}: {error}"));
        }
    }
}

#[test]
fn only_the_container_that_installs_has_rights() {
    let Some(helms) = helms() else { return };
    for values in values() {
        let manifests = render(&helms[1], &values);
        let pod = &find(&manifests, "DaemonSet").0["spec"]["template"]["spec"];
        let (install, sleep) = (&pod["initContainers"][0], &pod["containers"][0]);
        assert_eq!(install["securityContext"]["privileged"], true);
        assert_eq!(texts(&sleep["args"]), ["sleep"]);
        assert_eq!(["volumeMounts", "env", "envFrom"].map(|field| sleep.get(field)), [None; 3]);
        assert_eq!(pod["automountServiceAccountToken"], false);
        let others =
            manifests.iter().filter(|manifest| ["Job", "Pod"].contains(&manifest.kind())).map(|manifest| {
                let spec = &manifest.0["spec"];
                spec.pointer("/template/spec").unwrap_or(spec)
            });
        let restricted: Vec<_> = others.map(|pod| &pod["containers"][0]).chain([sleep]).collect();
        assert!(restricted.len() > 2);
        for container in restricted {
            let context = &container["securityContext"];
            assert_eq!(context["runAsNonRoot"], true, "{container}");
            assert_eq!(context["allowPrivilegeEscalation"], false, "{container}");
            assert_eq!(context["readOnlyRootFilesystem"], true, "{container}");
            assert_eq!(texts(&context["capabilities"]["drop"]), ["ALL"], "{container}");
            assert_eq!(context["seccompProfile"]["type"], "RuntimeDefault", "{container}");
        }
    }
}

#[test]
fn a_pod_goes_only_where_its_shim_is_ready() {
    let Some(helms) = helms() else { return };
    for values in values() {
        let manifests = render(&helms[1], &values);
        let arguments =
            find(&manifests, "DaemonSet").0["spec"]["template"]["spec"]["initContainers"][0]["args"].clone();
        let classes: Vec<_> = manifests.iter().filter(|manifest| manifest.kind() == "RuntimeClass").collect();
        let shims: Vec<_> =
            texts(&arguments).into_iter().filter_map(|argument| argument.strip_prefix("--shim=")).collect();
        assert_eq!(classes.len(), shims.len());
        for (class, shim) in classes.iter().zip(shims) {
            let (_, handler) = shim.split_once('=').expect("a shim and its handler");
            assert_eq!(class.0["handler"], handler);
            assert_eq!(class.0["scheduling"]["nodeSelector"][format!("shimmer.dev/{handler}")], "ready");
            let test = manifests
                .iter()
                .find(|pod| pod.kind() == "Pod" && pod.0["spec"]["runtimeClassName"] == class.name());
            assert_eq!(
                test.expect("a test of it").0["spec"]["containers"][0]["command"],
                json!(["/hello.wasm"])
            );
        }
    }
}

#[test]
fn names_follow_the_handler_unless_they_are_given() {
    let Some(helms) = helms() else { return };
    let manifests = render(&helms[1], &of_file("renamed-values.yaml"));
    let classes = manifests.iter().filter(|manifest| manifest.kind() == "RuntimeClass");
    let classes: Vec<_> =
        classes.map(|class| (class.name(), class.0["handler"].as_str().expect("a handler"))).collect();
    assert_eq!(
        classes,
        [
            ("shimmer-wasmtime", "shimmer-wasmtime"),
            ("edge.wasm.example", "shimmer-wasmedge"),
            ("wasix", "wasmer")
        ]
    );
    let labels = &find(&manifests, "DaemonSet").0["metadata"]["labels"];
    assert_eq!((&labels["team"], &labels["app.kubernetes.io/name"]), (&json!("runtime"), &json!("shimmer")));
}

#[test]
fn the_node_agent_goes_where_pods_of_its_classes_may() {
    let Some(helms) = helms() else { return };
    let manifests = render(&helms[1], &of_file("pool-values.yaml"));
    let pod = &find(&manifests, "DaemonSet").0["spec"]["template"]["spec"];
    assert_eq!(pod["nodeSelector"], json!({ "kubernetes.io/os": "linux", "pool": "wasm" }));
    let keys: Vec<_> =
        pod["tolerations"].as_array().expect("tolerations").iter().map(|one| &one["key"]).collect();
    assert_eq!(keys, ["node-role.kubernetes.io/control-plane", "dedicated"]);
    let node = &pod["affinity"]["nodeAffinity"];
    for term in
        node["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"].as_array().expect("terms")
    {
        let last = term["matchExpressions"].as_array().and_then(|expressions| expressions.last());
        assert_eq!(
            last,
            Some(&json!({ "key": "kubernetes.io/arch", "operator": "In", "values": ["amd64"] }))
        );
    }
    assert!(node["preferredDuringSchedulingIgnoredDuringExecution"].is_array(), "what was given is kept");
}

#[test]
fn a_digest_counts_and_not_the_tag() {
    let Some(helms) = helms() else { return };
    let text = run(&helms[1], "template shimmer", &of_file("digest-values.yaml")).stdout;
    let text = String::from_utf8(text).expect("text");
    let images: Vec<_> = text.lines().filter_map(|line| line.trim().strip_prefix("image: ")).collect();
    assert!(images.len() > 4, "{images:?}");
    for image in images {
        assert!(image.starts_with("registry.example:5000/platform/shimmer-installer@sha256:0123"), "{image}");
    }
}

#[test]
fn the_policy_is_there_where_the_api_server_has_it() {
    let Some(helms) = helms() else { return };
    let has = |arguments: &[&str], kind| render(&helms[0], arguments).iter().any(|one| one.kind() == kind);
    let policy = "ValidatingAdmissionPolicy";
    assert!(has(&["--kube-version=1.30.0"], policy));
    assert!(!has(&["--kube-version=1.29.14"], policy));
    assert!(has(&["--kube-version=1.29.14", "--set=admissionPolicy.enabled=true"], policy));
    assert!(!has(&["--set=admissionPolicy.enabled=false"], policy));
    assert!(!has(&[], "ResourceQuota"));
    assert!(has(&["--set=priorityQuota=true"], "ResourceQuota"));
    // Helm 3 forgets whose version it is, where there is no cluster.
    let of_gke = render(&helms[1], &["--kube-version=v1.34.1-gke.1829001"]);
    assert!(
        of_gke.iter().any(|one| one.kind() == "ResourceQuota")
            && of_gke.iter().any(|one| one.kind() == policy)
    );
    assert!(!has(&["--set=priorityQuota=true,priorityClassName=own"], "ResourceQuota"));
}

#[test]
fn refuses_values_that_nobody_means() {
    let Some(helms) = helms() else { return };
    let long = format!("shims=[{{\"name\":\"{}\"}}]", "a".repeat(64));
    let override_long = format!("fullnameOverride=\"{}\"", "a".repeat(51));
    for (values, reason) in [
        ("shim=[]", "'shim' not allowed"),
        ("rollout={\"maxUnavailabel\":1}", "'maxUnavailabel' not allowed"),
        ("rollout={\"maxUnavailable\":\"10%\"}", "'/rollout/maxUnavailable'"),
        ("rollout={\"maxUnavailable\":0}", "'/rollout/maxUnavailable'"),
        ("shims=[]", "'/shims'"),
        ("shims=[{\"handler\":\"a\"}]", "missing property 'name'"),
        ("shims=[{\"name\":\"a\",\"overheads\":{}}]", "'overheads' not allowed"),
        ("shims=[{\"name\":\"a\",\"overhead\":{\"memory\":\"4MB\"}}]", "'/shims/0/overhead/memory'"),
        ("shims=[{\"name\":\"a\",\"overhead\":{\"memry\":\"4Mi\"}}]", "'memry' not allowed"),
        ("shims=[{\"name\":\"a\",\"tolerations\":[{\"opertor\":\"Exists\"}]}]", "'opertor' not allowed"),
        ("shims=[{\"name\":\"A_b\"}]", "'/shims/0/name'"),
        (&long, "'/shims/0/name'"),
        (&override_long, "'/fullnameOverride'"),
        ("image={\"digest\":\"sha256:12\"}", "'/image/digest'"),
        ("image={\"repository\":\"\"}", "'/image/repository'"),
        ("image={\"pullPolicy\":\"Sometimes\"}", "'/image/pullPolicy'"),
        ("imagePullSecrets=[\"a\"]", "'/imagePullSecrets/0'"),
        ("distribution=\"k8s\"", "'/distribution'"),
        ("containerd={\"restart\":\"yes\"}", "'/containerd/restart'"),
        ("containerd={\"config\":\"config.toml\"}", "'/containerd/config'"),
        ("prefix=\"/\"", "'/prefix'"),
        ("timeout=0", "'/timeout'"),
        ("architectures=[\"x86_64\"]", "'/architectures/0'"),
        ("nodeSelector={\"a\":1}", "'/nodeSelector/a'"),
        ("resources={\"install\":{\"request\":{}}}", "'request' not allowed"),
        ("admissionPolicy={\"enabled\":\"yes\"}", "'/admissionPolicy/enabled'"),
        ("shims=[{\"name\":\"a\"},{\"name\":\"b\",\"handler\":\"a\"}]", "two have the handler a"),
        (
            "shims=[{\"name\":\"a\"},{\"name\":\"b\",\"runtimeClassName\":\"a\"}]",
            "two have the runtimeClassName a",
        ),
        ("shims=[{\"name\":\"a\"},{\"name\":\"a\",\"handler\":\"b\"}]", "two have the name a"),
        ("shims=[{\"name\":\"a\",\"handler\":\"runc\"}]", "the handler runc is that of native containers"),
    ] {
        for helm in &helms {
            let said = refusal(helm, &[values]);
            assert!(said.contains(reason), "{values}: {said}");
        }
    }
}
