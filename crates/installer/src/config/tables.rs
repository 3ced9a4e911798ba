//! How a runtime looks: as a value, to compare, and as text, to write.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use toml_edit::Key;

use super::{Runtime, Wanted};
use crate::schema::{IMAGES, Schema, Version};

/// The first line of what we write, and no part of any value.
pub(super) const NOTE: &str =
    "# Written by shimmer-installer; \"shimmer-installer uninstall\" takes it out again.";

/// Why there is a table for runc.
pub(super) const RUNC_NOTE: &str = "# As containerd 1 has it by itself until another runtime is configured.";

/// The one setting of `Settings`.
pub(crate) const PULL: [&str; 3] = ["plugins", IMAGES, "use_local_image_pull"];

/// A handler and its table.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Entry {
    pub(super) handler: String,
    pub(super) value: Value,
}

/// Where the runtimes are.
pub(crate) fn runtimes(schema: Schema) -> [&'static str; 4] {
    ["plugins", schema.runtimes(), "containerd", "runtimes"]
}

/// The table of a runtime.
pub(crate) fn value(runtime: &Runtime) -> Value {
    let mut table = json!({
        "runtime_type": format!("io.containerd.{}.v1", runtime.shim),
        "runtime_path": runtime.path.to_string_lossy(),
    });
    if let Some(systemd) = runtime.systemd_cgroup {
        table["options"] = json!({ "SystemdCgroup": systemd });
    }
    table
}

/// All tables that `wanted` comes to.
pub(super) fn entries(wanted: &Wanted) -> Vec<Entry> {
    let entry = |runtime: &Runtime| Entry { handler: runtime.handler.clone(), value: value(runtime) };
    wanted.runtimes.iter().map(entry).collect()
}

/// What containerd 1.x has by itself, as long as no runtime at all is configured: the first that is takes runc's place, and
/// then the default runtime is missing. Seen with 1.7.24; 2.1.9 keeps runc.
pub(super) fn runc(version: Version) -> Entry {
    let mut value = json!({ "runtime_type": "io.containerd.runc.v2" });
    if version >= Version::new(1, 7, 0) {
        value["sandbox_mode"] = json!("podsandbox");
    }
    Entry { handler: "runc".to_owned(), value }
}

/// The tables of an entry, with headers.
pub(super) fn text(schema: Schema, entry: &Entry, newline: &str) -> String {
    let mut path: Vec<&str> = runtimes(schema).to_vec();
    path.push(&entry.handler);
    let mut text = String::new();
    table(&mut text, &path, &entry.value, newline);
    text
}

/// The entry as `handler = { … }`.
pub(super) fn inline(entry: &Entry) -> String {
    format!("{} = {}", Key::new(&entry.handler), plain(&entry.value))
}

/// A table's header.
pub(super) fn header(path: &[&str]) -> String {
    let keys: Vec<String> = path.iter().map(|key| Key::new(*key).to_string()).collect();
    format!("[{}]", keys.join("."))
}

fn table(text: &mut String, path: &[&str], value: &Value, newline: &str) {
    let empty = Map::new();
    let entries = value.as_object().unwrap_or(&empty);
    text.push_str(&header(path));
    text.push_str(newline);
    for (key, value) in ordered(entries).filter(|(_, value)| !value.is_object()) {
        text.push_str(&format!("{} = {}{newline}", Key::new(key), plain(value)));
    }
    for (key, value) in ordered(entries).filter(|(_, value)| value.is_object()) {
        let below: Vec<&str> = path.iter().copied().chain([key.as_str()]).collect();
        table(text, &below, value, newline);
    }
}

/// The type first: it is what people look for.
fn ordered(entries: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    let first = |(key, _): &(&String, &Value)| key.as_str() == "runtime_type";
    entries.iter().filter(first).chain(entries.iter().filter(move |entry| !first(entry)))
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => toml_edit::Value::from(text.as_str()).to_string(),
        Value::Object(entries) => {
            let entries: Vec<String> = ordered(entries)
                .map(|(key, value)| format!("{} = {}", Key::new(key), plain(value)))
                .collect();
            format!("{{ {} }}", entries.join(", "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::wasmtime;
    use crate::tree;

    #[test]
    fn writes_what_it_compares_with() {
        for schema in [Schema::V2, Schema::V3, Schema::V4] {
            for handler in ["wasmtime", "a.b", "ü \"x\"", "1"] {
                let runtime = Runtime { handler: handler.to_owned(), ..wasmtime() };
                let entry = Entry { handler: handler.to_owned(), value: value(&runtime) };
                let parsed = tree::parse(&text(schema, &entry, "\r\n")).unwrap();
                let path: Vec<&str> = runtimes(schema).into_iter().chain([handler]).collect();
                assert_eq!(tree::at(&parsed, &path), Some(&entry.value));
                let parsed = tree::parse(&inline(&entry)).unwrap();
                assert_eq!(parsed[handler], entry.value);
            }
        }
    }
}
