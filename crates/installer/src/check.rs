//! Whether containerd understands a configuration as it is meant: by its own words, before anything is restarted.

mod candidate;
mod dump;

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use serde_json::Value;

use crate::config::{PULL, Runtime, Wanted, runtimes, value};
use crate::error::{Error, Result};
use crate::tree;

pub(crate) use candidate::Candidate;
pub(crate) use dump::Dump;

/// What a candidate does to containerd's configuration.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// Exactly what is wanted.
    Good,
    /// Something else.
    Bad(Vec<Difference>),
}

/// Something that is not as it should be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Difference {
    /// A handler does not reach containerd, or not as it was written.
    Runtime { handler: String, told: String },
    /// A handler of ours is still there.
    Left { handler: String },
    /// A setting does not reach containerd.
    Setting { name: String },
    /// Something that is not ours has changed.
    Other { path: String, before: String, after: String },
}

impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Runtime { handler, told } => {
                write!(out, "containerd would have for the runtime {handler}: {told}")
            }
            Self::Left { handler } => write!(out, "containerd would still have the runtime {handler}"),
            Self::Setting { name } => write!(out, "containerd would not have {name} as it was set"),
            Self::Other { path, before, after } => {
                write!(out, "{path} would become {after}, and is {before}")
            }
        }
    }
}

/// Compares two dumps. `old` is what an earlier install has written, and is gone after.
///
/// What is nothing (an empty string, list or table, zero, false) is taken for what is missing: containerd prints either.
pub(crate) fn compare(before: &Dump, after: &Dump, old: &Wanted, new: &Wanted) -> Verdict {
    let mut found = Vec::new();
    for runtime in &new.runtimes {
        let there = after.runtime(&runtime.handler);
        if !there.is_some_and(|there| has(there, &value(runtime))) {
            let told = there.map_or_else(|| "nothing".to_owned(), |there| short(&set(there)));
            found.push(Difference::Runtime { handler: runtime.handler.clone(), told });
        }
    }
    let handlers = |wanted: &Wanted| {
        wanted.runtimes.iter().map(|runtime| runtime.handler.clone()).collect::<BTreeSet<_>>()
    };
    let (old_handlers, new_handlers) = (handlers(old), handlers(new));
    for handler in old_handlers.difference(&new_handlers) {
        if after.runtime(handler).is_some() {
            found.push(Difference::Left { handler: handler.clone() });
        }
    }
    let pulls = old.settings.local_image_pull || new.settings.local_image_pull;
    if new.settings.local_image_pull && after.pulls_locally() != Some(true) {
        found.push(Difference::Setting { name: PULL.join(".") });
    }
    let rest = |dump: &Dump| {
        let mut value = dump.value.clone();
        // They name the files that were read, and those are others in a trial.
        tree::remove(&mut value, &["imports"]);
        for handler in old_handlers.union(&new_handlers) {
            tree::remove(
                &mut value,
                &runtimes(dump.schema).into_iter().chain([handler.as_str()]).collect::<Vec<_>>(),
            );
        }
        if pulls {
            tree::remove(&mut value, &PULL);
        }
        value
    };
    differences("", &rest(before), &rest(after), &mut found);
    if found.is_empty() { Verdict::Good } else { Verdict::Bad(found) }
}

/// Those of `wanted` that have to be written: a handler that is configured just so already, and not by us, is left out. If
/// none is left, and no setting, there is nothing to write: that is how a `Placement::Foreign` template becomes usable.
///
/// # Errors
/// Refused where a handler is configured otherwise by somebody else. `old` are those that we have written before.
pub(crate) fn missing(before: &Dump, old: &[Runtime], wanted: &[Runtime]) -> Result<Vec<Runtime>> {
    let mut missing = Vec::new();
    for runtime in wanted {
        let ours = old.iter().any(|old| old.handler == runtime.handler);
        match before.runtime(&runtime.handler) {
            Some(there) if !ours && has(there, &value(runtime)) => {}
            Some(there) if !ours => return Err(conflict(&runtime.handler, there)),
            _ => missing.push(runtime.clone()),
        }
    }
    Ok(missing)
}

fn conflict(handler: &str, there: &Value) -> Error {
    let text = |path: &[&str]| tree::at(there, path).and_then(Value::as_str).filter(|text| !text.is_empty());
    let kind = text(&["runtime_type"]).unwrap_or("none");
    let binary = text(&["options", "BinaryName"]).or_else(|| text(&["runtime_path"]));
    if let Some(prefix) = binary.and_then(|binary| Path::new(binary).parent()?.parent())
        && binary.is_some_and(|binary| Path::new(binary).starts_with(prefix.join("current")))
    {
        return Error::refused(format!(
            "containerd has the runtime {handler} already, by an installation below {prefix}: uninstall that by --prefix \
             {prefix}. If its folder is gone, remove the lines from containerd's configuration that are marked as written \
             by shimmer-installer, and start containerd again",
            prefix = prefix.display()
        ));
    }
    let binary = binary.map(|binary| format!(" with the binary {binary}")).unwrap_or_default();
    Error::refused(format!(
        "containerd has a runtime {handler} already, of the type {kind}{binary}, which is not ours. k3s and RKE2 add one by \
         themselves for every shim that they find in /usr/bin, /usr/sbin or /opt/kwasm/bin. Remove it, or give the shim \
         another handler (--shim NAME=HANDLER)"
    ))
}

/// Whether all of `wanted` is in `there`, and beside it nothing but what is nothing, or a default of containerd's.
fn has(there: &Value, wanted: &Value) -> bool {
    let (Some(all), Some(wanted)) = (there.as_object(), wanted.as_object()) else { return there == wanted };
    let more = |(key, value): (&String, &Value)| {
        wanted.contains_key(key)
            || is_nothing(value)
            || (key.as_str(), value.as_str()) == ("sandboxer", Some("podsandbox"))
    };
    all.iter().all(more)
        && wanted.iter().all(|(key, value)| all.get(key).is_some_and(|there| has(there, value)))
}

/// Whether a value is the one that a setting has which nobody has set.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(values) => values.is_empty(),
        Value::Object(entries) => entries.values().all(is_nothing),
    }
}

/// What of a table somebody has set.
fn set(value: &Value) -> Value {
    let Some(entries) = value.as_object() else { return value.clone() };
    let entries = entries.iter().filter(|(_, value)| !is_nothing(value));
    Value::Object(entries.map(|(key, value)| (key.clone(), set(value))).collect())
}

fn differences(path: &str, before: &Value, after: &Value, found: &mut Vec<Difference>) {
    if before == after || (is_nothing(before) && is_nothing(after)) {
        return;
    }
    let null = Value::Null;
    if let (Some(old), Some(new)) = (before.as_object(), after.as_object()) {
        for key in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            differences(&path, old.get(key).unwrap_or(&null), new.get(key).unwrap_or(&null), found);
        }
    } else {
        found.push(Difference::Other { path: path.to_owned(), before: short(before), after: short(after) });
    }
}

/// A value for a sentence.
fn short(value: &Value) -> String {
    let text = if value.is_null() { "nothing".to_owned() } else { value.to_string() };
    match text.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nodes::wanted;

    const BEFORE: &str = "version = 3\nimports = ['a']\n[plugins.'io.containerd.cri.v1.images']\nuse_local_image_pull = false\n\
        [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]\nruntime_type = 'io.containerd.runc.v2'\n\
        [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]\nSystemdCgroup = true\nBinaryName = ''\n";
    const OURS: &str = "[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.wasmtime]\n\
        runtime_type = 'io.containerd.wasmtime.v1'\nruntime_path = '/opt/shimmer/current/containerd-shim-wasmtime-v1'\n\
        sandboxer = ''\noptions = { SystemdCgroup = true }\n";

    fn dump(text: &str) -> Dump {
        Dump::parse(text.as_bytes()).unwrap()
    }

    fn bad(after: &str, old: &Wanted, new: &Wanted) -> String {
        match compare(&dump(BEFORE), &dump(after), old, new) {
            Verdict::Good => "good".to_owned(),
            Verdict::Bad(all) => all.iter().map(Difference::to_string).collect::<Vec<_>>().join("; "),
        }
    }

    #[test]
    fn only_our_runtimes_may_be_different() {
        let (none, ours) = (Wanted::default(), wanted(&["wasmtime"]));
        let good = format!("{BEFORE}{OURS}").replace("['a']", "['b', 'c']").replace("BinaryName = ''\n", "");
        assert_eq!(bad(&good, &none, &ours), "good");
        let said = bad(BEFORE, &none, &ours);
        assert!(said.contains("the runtime wasmtime: nothing"), "{said}");
        let said = bad(&good.replace("/opt/shimmer", "/usr"), &none, &ours);
        assert!(said.contains("\"/usr/current"), "{said}");
        let said = bad(&good.replace("sandboxer = ''", "snapshotter = 'x'"), &none, &ours);
        assert!(said.contains("snapshotter"), "{said}");
        let said = bad(&good.replacen("SystemdCgroup = true", "", 1), &none, &ours);
        assert!(said.ends_with("runc.options.SystemdCgroup would become nothing, and is true"), "{said}");
        let said = bad(&good, &ours, &none);
        assert!(said.contains("would still have the runtime wasmtime"), "{said}");
    }

    #[test]
    fn a_setting_has_to_arrive() {
        let mut ours = wanted(&["wasmtime"]);
        ours.settings.local_image_pull = true;
        let good = format!("{BEFORE}{OURS}");
        assert!(bad(&good, &Wanted::default(), &ours).contains("use_local_image_pull"));
        assert_eq!(bad(&good.replace("pull = false", "pull = true"), &Wanted::default(), &ours), "good");
    }

    #[test]
    fn a_dump_that_is_none_is_refused() {
        for text in [
            "",
            "version = 7",
            "containerd: no such file",
            "version = 3\ndisabled_plugins = ['io.containerd.grpc.v1.cri']",
        ] {
            assert!(Dump::parse(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn what_k3s_has_found_by_itself_is_a_conflict_and_told() {
        let found = "[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.wasmtime]\n\
            runtime_type = 'io.containerd.wasmtime.v2'\noptions = { BinaryName = '/usr/bin/containerd-shim-wasmtime-v1' }\n";
        let error = missing(&dump(&format!("{BEFORE}{found}")), &[], &wanted(&["wasmtime"]).runtimes)
            .unwrap_err()
            .to_string();
        assert!(error.contains("/usr/bin/containerd-shim-wasmtime-v1") && error.contains("k3s"), "{error}");
    }

    #[test]
    fn runtimes_are_to_have_what_the_default_one_has() {
        assert_eq!(dump(BEFORE).systemd_cgroup(), Some(true));
        assert_eq!(dump("version = 3").systemd_cgroup(), None);
        let crun = "version = 2\n[plugins.'io.containerd.grpc.v1.cri'.containerd]\ndefault_runtime_name = 'crun'\n\
            runtimes.crun.options.SystemdCgroup = false\nruntimes.runc.options.SystemdCgroup = true\n";
        assert_eq!(dump(crun).systemd_cgroup(), Some(false));
    }
}
