//! Takes what we wrote out of a text that somebody has changed since.
//!
//! What is ours is decided by values: a table that is not as we wrote it is somebody's now, and stays. What is ours is then
//! taken out as the text that was put in, or, if that was formed anew, line by line. The outcome is read again, and must be
//! what was there without ours.

use std::ops::Range;

use serde_json::Value;
use toml_edit::Item;

use super::tables::{self, Entry, NOTE, PULL, RUNC_NOTE};
use super::{Part, Piece, Written};
use crate::error::{Error, Result};
use crate::tree;

/// A text without what was written, and sentences about what has to stay.
pub(super) fn take(text: &str, written: &Written) -> Result<(String, Vec<String>)> {
    let Ok(before) = tree::parse(text) else {
        // A template is no TOML: there is only its text.
        let all: Vec<&Piece> = written.pieces.iter().collect();
        return cut(text, &all).map(|text| (text, Vec::new())).ok_or_else(|| by_hand(written));
    };
    let ours = Ours::among(&before, written);
    let expected = tree::pruned(ours.expected(before));
    let right = |text: &String| tree::parse(text).is_ok_and(|after| tree::pruned(after) == expected);
    let found = cut(text, &ours.pieces(written))
        .filter(right)
        .or_else(|| ours.lines(text, written).filter(right))
        .ok_or_else(|| by_hand(written))?;
    Ok((found, ours.left))
}

/// What of it is still as we wrote it.
struct Ours<'a> {
    written: &'a Written,
    entries: Vec<Entry>,
    /// The value that the setting gets: `None` for none.
    pull: Option<Option<Value>>,
    version: bool,
    left: Vec<String>,
}

impl<'a> Ours<'a> {
    fn among(before: &Value, written: &'a Written) -> Self {
        let mut ours = Self { written, entries: Vec::new(), pull: None, version: false, left: Vec::new() };
        let file = written.file.display();
        let runtimes = tree::at(before, &tables::runtimes(written.schema));
        for entry in written.entries() {
            match runtimes.and_then(|runtimes| runtimes.get(&entry.handler)) {
                Some(now) if tree::pruned(now.clone()) == tree::pruned(entry.value.clone()) => ours.entries.push(entry),
                Some(_) => ours.left.push(format!(
                    "the runtime {} in {file} was changed by somebody since it was written: it stays there, and what it \
                     needs is gone",
                    entry.handler
                )),
                None => {}
            }
        }
        ours.keep_runc(runtimes);
        let others =
            before.as_object().is_some_and(|all| all.keys().any(|key| key != "version" && key != "plugins"));
        let piece = |part: &Part| written.pieces.iter().find(|piece| piece.part == *part);
        if let Some(piece) =
            piece(&Part::Pull).filter(|_| tree::at(before, &PULL) == Some(&Value::Bool(true)))
        {
            ours.pull = Some((!piece.replaced.is_empty()).then_some(Value::Bool(false)));
        }
        ours.version = piece(&Part::Version).is_some() && !others && ours.left.is_empty();
        ours
    }

    /// runc's own table was only written since ours would have taken its place: so would anybody's else.
    fn keep_runc(&mut self, runtimes: Option<&Value>) {
        let ours = |handler: &str| self.entries.iter().any(|entry| entry.handler == handler);
        let others =
            runtimes.and_then(Value::as_object).is_some_and(|all| all.keys().any(|handler| !ours(handler)));
        if others
            && let Some(at) = self.entries.iter().position(|entry| Some(entry) == self.written.runc.as_ref())
        {
            self.entries.remove(at);
            self.left.push(format!(
                "the runtime runc in {} stays: others have been added, and without it containerd 1 would have no runc",
                self.written.file.display()
            ));
        }
    }

    fn expected(&self, mut value: Value) -> Value {
        for entry in &self.entries {
            let runtimes = tables::runtimes(self.written.schema);
            tree::remove(
                &mut value,
                &runtimes.into_iter().chain([entry.handler.as_str()]).collect::<Vec<_>>(),
            );
        }
        match &self.pull {
            Some(Some(to)) => tree::set(&mut value, &PULL, to.clone()),
            Some(None) => tree::remove(&mut value, &PULL),
            None => {}
        }
        if self.version {
            tree::remove(&mut value, &["version"]);
        }
        value
    }

    fn pieces<'p>(&self, written: &'p Written) -> Vec<&'p Piece> {
        let has = |handler: &str| self.entries.iter().any(|entry| entry.handler == handler);
        let wanted = |part: &Part| match part {
            Part::Note | Part::Inline => true,
            Part::Version => self.version,
            Part::Handler(handler) => has(handler),
            Part::Pull => self.pull.is_some(),
        };
        written.pieces.iter().filter(|piece| wanted(&piece.part)).collect()
    }

    /// Line by line, by where things are now.
    fn lines(&self, text: &str, written: &Written) -> Option<String> {
        let document = tree::document(text).ok()?;
        let mut spans = Vec::new();
        for entry in &self.entries {
            let path = tables::runtimes(written.schema);
            let found = path.iter().try_fold(document.as_item(), |item, key| item.get(key))?;
            collect(found.get(&entry.handler)?, &mut spans);
        }
        let mut swap = None;
        if let Some(to) = &self.pull {
            let table =
                PULL[..2].iter().try_fold(document.as_item(), |item, key| item.get(key))?.as_table()?;
            let (key, value) = table.get_key_value(PULL[2])?;
            match to {
                Some(to) => swap = Some((value.span()?, to.to_string())),
                None => {
                    spans.extend([key.span()?, value.span()?]);
                    let headed = |piece: &&Piece| piece.part == Part::Pull && piece.inserted.starts_with('[');
                    if written.pieces.iter().any(|piece| headed(&piece)) && table.len() == 1 {
                        spans.extend(table.span());
                    }
                }
            }
        }
        if self.version {
            let (key, value) = document.as_table().get_key_value("version")?;
            spans.extend([key.span()?, value.span()?]);
        }
        let runc = written.runc.as_ref().is_some_and(|runc| self.entries.contains(runc));
        let notes = if runc { &[NOTE, RUNC_NOTE][..] } else { &[NOTE] };
        Some(without_lines(text, &spans, swap, notes))
    }
}

/// All places of a table: its header, its keys and their values.
fn collect(item: &Item, spans: &mut Vec<Range<usize>>) {
    let Some(table) = item.as_table() else { return spans.extend(item.span()) };
    if !table.is_implicit() {
        spans.extend(table.span());
    }
    for (key, _) in table.iter() {
        let Some((key, value)) = table.get_key_value(key) else { continue };
        if !value.is_table() {
            spans.extend(key.span());
        }
        collect(value, spans);
    }
}

/// The text without every line in which one of `spans` is, and without our notes.
fn without_lines(
    text: &str,
    spans: &[Range<usize>],
    swap: Option<(Range<usize>, String)>,
    notes: &[&str],
) -> String {
    let mut spans: Vec<_> = spans.to_vec();
    spans.sort_by_key(|span| span.start);
    let (mut outcome, mut at, mut next) = (String::with_capacity(text.len()), 0, 0);
    for line in text.split_inclusive('\n') {
        let here = at..at + line.len();
        at = here.end;
        while spans.get(next).is_some_and(|span| span.end <= here.start) {
            next += 1;
        }
        let ours = spans.get(next).is_some_and(|span| span.start < here.end) || notes.contains(&line.trim());
        match &swap {
            _ if ours => {}
            Some((span, to)) if here.contains(&span.start) && span.end <= here.end => {
                outcome.push_str(&line[..span.start - here.start]);
                outcome.push_str(to);
                outcome.push_str(&line[span.end - here.start..]);
            }
            _ => outcome.push_str(line),
        }
    }
    outcome
}

/// The text with every piece taken back; `None` where one is not there exactly once. A note may be gone.
fn cut(text: &str, pieces: &[&Piece]) -> Option<String> {
    let mut outcome = text.to_owned();
    for piece in pieces.iter().rev() {
        let mut places = outcome.match_indices(&piece.inserted).map(|(at, _)| at);
        let (at, again) = (places.next(), places.next());
        if at.is_none() && piece.part == Part::Note {
            continue;
        }
        let at = at.filter(|_| again.is_none())?;
        let rest = outcome.split_off(at).split_off(piece.inserted.len());
        outcome.push_str(&piece.replaced);
        let joined = !outcome.is_empty() && !outcome.ends_with('\n') && !rest.is_empty();
        if piece.part == Part::Note && joined {
            outcome.push_str(super::insertion::newline(&piece.inserted));
        }
        outcome.push_str(&rest);
    }
    Some(outcome)
}

fn by_hand(written: &Written) -> Error {
    let handlers: Vec<String> = written.entries().into_iter().map(|entry| entry.handler).collect();
    Error::refused(format!(
        "{} was changed since it was written, so that what is ours cannot be taken out safely: remove the runtimes {} from it \
         by hand",
        written.file.display(),
        handlers.join(", ")
    ))
}
