//! What is written into containerd's configuration, and how it is taken out again.
//!
//! An upgrade is `restore` in memory, then `Site::detect` and `write` on what that gives: one file is written, once. If the
//! new place is another file (containerd was updated, and merges drop-ins now), both are: the old one with what `restore`
//! gave.

mod insertion;
mod removal;
mod tables;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::distribution::{Placement, Site};
use crate::error::{Error, Result};
use crate::release::hex;
use crate::schema::Schema;
use crate::tree;
use insertion::Insertion;
use tables::Entry;

pub(crate) use tables::{PULL, runtimes, value};

/// A runtime of containerd's that is one of our shims.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Runtime {
    /// What a RuntimeClass calls it.
    pub(crate) handler: String,
    /// `wasmtime`, for the type `io.containerd.wasmtime.v1`.
    pub(crate) shim: String,
    /// The shim's binary.
    pub(crate) path: PathBuf,
    /// `options.SystemdCgroup`; nothing where runc has none either.
    pub(crate) systemd_cgroup: Option<bool>,
}

/// What `--fix` sets beside the runtimes.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Settings {
    /// `use_local_image_pull = true`, without which containerd 2.1 and later do not unpack images of a platform `wasi/wasm`.
    pub(crate) local_image_pull: bool,
}

/// All that the configuration shall have.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Wanted {
    pub(crate) runtimes: Vec<Runtime>,
    pub(crate) settings: Settings,
}

/// A file's new content, and what has to be kept to take it back.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Writing {
    pub(crate) content: Vec<u8>,
    pub(crate) written: Written,
}

/// What an install has written. The bytes that were there before are kept beside it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Written {
    pub(crate) file: PathBuf,
    /// Whether there was such a file before.
    pub(crate) existed: bool,
    /// SHA-256 of what was written, in hexadecimal.
    pub(crate) digest: String,
    pub(crate) schema: Schema,
    pub(crate) wanted: Wanted,
    /// runc's table, where it had to be written too.
    runc: Option<Entry>,
    /// What was put into the text.
    pieces: Vec<Piece>,
}

/// Text that was put in, in place of other text that mostly is empty.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Piece {
    part: Part,
    inserted: String,
    replaced: String,
}

/// What a piece is for.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
enum Part {
    Note,
    Version,
    Handler(String),
    /// All handlers, in an inline table.
    Inline,
    Pull,
}

/// What a file has to be after an uninstall.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Restored {
    /// Its bytes; `None`: there must be no such file.
    pub(crate) content: Option<Vec<u8>>,
    /// What somebody has changed since, so that it is no longer ours and stays: sentences for the operator.
    pub(crate) left: Vec<String>,
}

/// The new content of `site.placement.file()`, in which there is `now`.
///
/// # Errors
/// Where our tables cannot be put in without a change to anything else, or a handler is there that is not ours.
pub(crate) fn write(site: &Site, now: Option<&[u8]>, wanted: &Wanted) -> Result<Writing> {
    sound(wanted)?;
    let file = site.placement.file();
    let (base, parsed) = match (&site.placement, now) {
        // All that is wanted is there already, as somebody was told to write it.
        (Placement::Foreign(_), Some(now)) if *wanted == Wanted::default() => {
            return Ok(Writing { content: now.to_vec(), written: nothing(site, now) });
        }
        (Placement::Foreign(_), _) => return Err(foreign(site, wanted)),
        (Placement::Edit(_), Some(now)) => (String::new(), text(file, now)?),
        (Placement::Edit(_), None) => {
            return Err(Error::refused(format!(
                "{} is gone: look what removed it, and try again",
                file.display()
            )));
        }
        (_, Some(_)) => {
            return Err(Error::refused(format!(
                "{} has something in it that this installer has not written: move that to another file",
                file.display()
            )));
        }
        (Placement::Template(_), None) => (BASE.to_owned(), String::new()),
        (Placement::DropIn(_) | Placement::New(_), None) => {
            (String::new(), format!("version = {}\n", site.schema.number()))
        }
    };
    let value = tree::parse(&parsed).map_err(|error| not_toml(file, &error))?;
    let mut entries = tables::entries(wanted);
    conflicts(site, &value, &mut entries)?;
    let runc = displaced(site, &value).filter(|_| !entries.is_empty());
    entries.extend(runc.clone());
    let version = value.get("version").is_none() && !matches!(site.placement, Placement::Template(_));
    let pull = wanted.settings.local_image_pull;
    let insertion = Insertion { schema: site.schema, version, entries: &entries, runc: runc.as_ref(), pull };
    let (outcome, pieces) = insertion.put(&parsed).map_err(|reason| unfit(site, &insertion, &reason))?;
    let content = (base + &outcome).into_bytes();
    let written = Written {
        file: file.to_owned(),
        existed: now.is_some(),
        digest: digest(&content),
        schema: site.schema,
        wanted: wanted.clone(),
        runc,
        pieces,
    };
    Ok(Writing { content, written })
}

/// Where nothing has to be written.
fn nothing(site: &Site, now: &[u8]) -> Written {
    Written {
        file: site.placement.file().to_owned(),
        existed: true,
        digest: digest(now),
        schema: site.schema,
        wanted: Wanted::default(),
        runc: None,
        pieces: Vec::new(),
    }
}

/// What has to be in `written.file`, in which there is `now`, so that nothing of what was written is left.
/// `original` is what was there before the install, if `written.existed`.
///
/// A file that is as we wrote it gets its original bytes. One that somebody has changed since keeps all of that: only what
/// still is as we wrote it is taken out.
///
/// # Errors
/// Where the file cannot be read as a configuration any more and our text is not in it as it was.
pub(crate) fn restore(now: Option<&[u8]>, written: &Written, original: Option<&[u8]>) -> Result<Restored> {
    let Some(now) = now else { return Ok(Restored { content: None, left: Vec::new() }) };
    if digest(now) == written.digest && (original.is_some() || !written.existed) {
        let content = original.filter(|_| written.existed).map(<[u8]>::to_vec);
        return Ok(Restored { content, left: Vec::new() });
    }
    let (rest, left) = removal::take(&text(&written.file, now)?, written)?;
    let ours = !written.existed && is_only_a_frame(&rest);
    Ok(Restored { content: (!ours).then(|| rest.into_bytes()), left })
}

/// `text`, which the distribution has rendered, with `new` in it in place of `old`.
pub(crate) fn rendered(site: &Site, text: &str, old: Option<&Written>, new: &Wanted) -> Result<String> {
    let plain = match old {
        Some(old) => removal::take(text, old)?.0,
        None => text.to_owned(),
    };
    let entries = tables::entries(new);
    let insertion = Insertion {
        schema: site.schema,
        version: false,
        entries: &entries,
        runc: None,
        pull: new.settings.local_image_pull,
    };
    insertion.put(&plain).map(|(text, _)| text).map_err(|reason| unfit(site, &insertion, &reason))
}

impl Written {
    /// All tables that were written.
    fn entries(&self) -> Vec<Entry> {
        let inserted = |handler: &str| {
            self.pieces.iter().any(|piece| match &piece.part {
                Part::Handler(name) => name == handler,
                Part::Inline => true,
                _ => false,
            })
        };
        tables::entries(&self.wanted)
            .into_iter()
            .chain(self.runc.clone())
            .filter(|entry| inserted(&entry.handler))
            .collect()
    }
}

/// What a template of ours begins with: all that k3s would write without it.
const BASE: &str = "{{ template \"base\" . }}\n";

/// Refuses what could not be a RuntimeClass's handler, or would mean something in a template.
fn sound(wanted: &Wanted) -> Result<()> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    let mut seen = BTreeSet::new();
    for Runtime { handler, shim, path, .. } in &wanted.runtimes {
        for name in [handler, shim] {
            if name.is_empty() || name.len() > 63 || !name.chars().all(plain) {
                return Err(Error::refused(format!(
                    "{name:?} can be the name of no handler: it may have lower-case letters, digits, - and ."
                )));
            }
        }
        if !seen.insert(handler) {
            return Err(Error::refused(format!(
                "the handler {handler} is given to two shims: give one another (--shim NAME=HANDLER)"
            )));
        }
        let fits = path.to_str().is_some_and(|path| !path.contains("{{") && !path.contains(char::is_control));
        if !path.is_absolute() || !fits {
            return Err(Error::refused(format!(
                "{} cannot be the path of a shim: choose another --prefix",
                path.display()
            )));
        }
    }
    Ok(())
}

/// Refuses handlers that are somebody else's, and drops those that are there just so.
fn conflicts(site: &Site, value: &Value, entries: &mut Vec<Entry>) -> Result<()> {
    let Some(there) = tree::at(value, &tables::runtimes(site.schema)) else { return Ok(()) };
    entries.retain(|entry| there.get(&entry.handler) != Some(&entry.value));
    match entries.iter().find_map(|entry| Some((entry, there.get(&entry.handler)?))) {
        None => Ok(()),
        Some((entry, other)) => Err(Error::refused(format!(
            "{} has a runtime {} already, of the type {}, which is not ours: remove it, or give the shim another handler \
             (--shim NAME=HANDLER)",
            site.placement.file().display(),
            entry.handler,
            other.get("runtime_type").and_then(Value::as_str).unwrap_or("none")
        ))),
    }
}

/// The table that has to be written for runc, since containerd 1 forgets its own as soon as it reads another.
fn displaced(site: &Site, value: &Value) -> Option<Entry> {
    let root = matches!(site.placement, Placement::Edit(_) | Placement::New(_));
    let none = tree::at(value, &tables::runtimes(site.schema)).is_none_or(insertion::is_empty);
    (root && none && !site.version.merges()).then(|| tables::runc(site.version))
}

/// Whether nothing is in a file of ours but what is there for the rest's sake.
fn is_only_a_frame(text: &str) -> bool {
    let idle = |line: &str| {
        line.is_empty() || line == tables::NOTE || line == tables::RUNC_NOTE || line == BASE.trim_end()
    };
    let version = |line: &str| {
        tree::parse(line).is_ok_and(|value| value.as_object().is_some_and(|all| all.keys().eq(["version"])))
    };
    text.lines().map(str::trim).all(|line| idle(line) || version(line))
}

fn foreign(site: &Site, wanted: &Wanted) -> Error {
    let tables: String =
        tables::entries(wanted).iter().map(|entry| tables::text(site.schema, entry, "\n")).collect();
    Error::refused(format!(
        "{} is a template that this installer has not written, and it does not change what it cannot read: add these lines at \
         its end, restart, and install again\n{tables}",
        site.placement.file().display()
    ))
}

fn unfit(site: &Site, insertion: &Insertion<'_>, reason: &str) -> Error {
    let tables: String =
        insertion.entries.iter().map(|entry| tables::text(site.schema, entry, "\n")).collect();
    Error::refused(format!(
        "the runtimes cannot be added to {}: {reason}. Add what these lines mean by hand, and install again\n{tables}",
        site.placement.file().display()
    ))
}

fn not_toml(file: &Path, error: &str) -> Error {
    Error::refused(format!("{} is not TOML, and containerd would not start with it: {error}", file.display()))
}

fn text(file: &Path, bytes: &[u8]) -> Result<String> {
    String::from_utf8(bytes.to_vec()).map_err(|error| not_toml(file, &error.to_string()))
}

fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn wasmtime() -> Runtime {
        Runtime {
            handler: "wasmtime".to_owned(),
            shim: "wasmtime".to_owned(),
            path: PathBuf::from("/opt/shimmer/current/containerd-shim-wasmtime-v1"),
            systemd_cgroup: Some(true),
        }
    }
}
