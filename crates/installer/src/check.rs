//! Whether containerd understands a configuration as it is meant: by its own words, before anything is restarted.

mod dump;
mod trial;

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

use crate::config::{PULL, Runtime, Wanted, runtimes, value};
use crate::error::{Error, Result};
use crate::tree;

pub(crate) use dump::Dump;
pub(crate) use trial::Trial;

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

/// Those of `wanted` that have to be written: a handler that is configured just so already, and not by us, is left out.
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
