//! The manifests of examples/kubernetes: that they run is what a test of crates/cluster shows; that they fit the chart, this.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::{chart, manifest};

#[test]
fn every_example_is_of_its_schema_and_asks_for_a_class_of_the_chart() {
    let values = fs::read_to_string(chart().join("values.yaml")).expect("it can be read");
    let values: Value = serde_saphyr::from_str(&values).expect("it is YAML");
    let shims = values["shims"].as_array().expect("a list");
    let classes: BTreeSet<_> = shims.iter().map(|shim| shim["name"].as_str().expect("a name")).collect();
    let mut asked_for = BTreeSet::new();
    for file in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/kubernetes"))
        .expect("examples")
        .map(|file| file.expect("a file").path())
        .filter(|file| file.extension().is_some_and(|extension| extension == "yaml"))
    {
        let text = fs::read_to_string(&file).expect("it can be read");
        for manifest in manifest::all(&text) {
            manifest.check().unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            let pod = match manifest.kind() {
                "Pod" => &manifest.0["spec"],
                "Service" => continue,
                _ => &manifest.0["spec"]["template"]["spec"],
            };
            asked_for.insert(pod["runtimeClassName"].as_str().expect("a class").to_owned());
        }
    }
    assert!(asked_for.iter().eq(&classes), "{asked_for:?} for {classes:?}");
}
