//! What is said of what was done: a few aligned lines for people, one line of JSON for scripts. Warnings go to stderr.

use std::fmt::Write as _;
use std::io::{self, Write};

use serde::Serialize;

use crate::error::{Error, Result};
use crate::install::Installed;
use crate::status::Status;
use crate::uninstall::Uninstalled;

/// After an install.
pub(crate) fn installed(done: &Installed, json: bool) {
    let mut lines = Lines::default();
    if done.recovered {
        lines.add("recovered", "an earlier run was interrupted, and has been put in order");
    }
    lines.add("release", &done.release);
    lines.add("handlers", &done.handlers.join(", "));
    lines.add("config", &done.file.display().to_string());
    let restarted = match (&done.restarted, done.changed) {
        (Some(by), _) => format!("by {by}"),
        (None, true) => "not necessary".to_owned(),
        (None, false) => "not necessary: it was installed already".to_owned(),
    };
    lines.add("restart", &restarted);
    done.notes.iter().for_each(|note| lines.add("note", note));
    finish(&done.warnings, say(done, &lines, json));
}

/// After an uninstall.
pub(crate) fn uninstalled(done: &Uninstalled, json: bool) {
    let mut lines = Lines::default();
    let removed = match (done.changed, done.warnings.is_empty()) {
        (false, _) => "nothing: nothing was installed",
        (true, true) => "everything of ours",
        (true, false) => "what nobody needs any more",
    };
    lines.add("removed", removed);
    if let Some(by) = &done.restarted {
        lines.add("restart", &format!("by {by}"));
    }
    finish(&done.warnings, say(done, &lines, json));
}

/// Of a node.
pub(crate) fn status(status: &Status, json: bool) -> Result<()> {
    let mut lines = Lines::default();
    lines.add("release", &status.release);
    for shim in &status.shims {
        lines.add("shim", &format!("{}, as the handler {}", shim.name, shim.handler));
    }
    lines.add("config", &status.file.display().to_string());
    lines.add("versions", &status.versions.join(", "));
    lines.add("pods", &status.pods.len().to_string());
    status.faults.iter().for_each(|fault| lines.add("fault", fault));
    say(status, &lines, json)
}

#[derive(Debug, Default)]
struct Lines(String);

impl Lines {
    fn add(&mut self, name: &str, value: &str) {
        // A string takes whatever is written.
        let _always = writeln!(self.0, "{name:<10}{value}");
    }
}

/// The last words. Where nobody hears them, what was done is done all the same.
fn finish(warnings: &[String], said: Result<()>) {
    let mut stderr = io::stderr().lock();
    for warning in warnings {
        let _unread = writeln!(stderr, "warning: {warning}");
    }
    if let Err(error) = said {
        let _unread = writeln!(stderr, "warning: {error}");
    }
}

fn say(value: &impl Serialize, lines: &Lines, json: bool) -> Result<()> {
    let mut text = lines.0.clone();
    if json {
        text = serde_json::to_string(value).map_err(|error| Error::io("write JSON", error))?;
        text.push('\n');
    }
    io::stdout().write_all(text.as_bytes()).map_err(|error| Error::io("write what was done", error))
}
