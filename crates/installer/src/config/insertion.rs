//! Puts our tables into a text without a change to any byte of it.
//!
//! `toml_edit`'s own editing prints a document anew, which changes line ends; so it only says where things are here, and
//! what is put in is text. The outcome is read again, and must be what was there and ours, and nothing else.

use serde_json::{Map, Value};
use toml_edit::{Document, Item};

use super::tables::{self, Entry, NOTE, PULL};
use super::{Part, Piece};
use crate::schema::{IMAGES, Schema};
use crate::tree;

/// What to put in.
#[derive(Clone, Debug)]
pub(super) struct Insertion<'a> {
    pub(super) schema: Schema,
    /// Whether the text has no `version` yet and gets one.
    pub(super) version: bool,
    pub(super) entries: &'a [Entry],
    /// The one of them that is there for runc's sake.
    pub(super) runc: Option<&'a Entry>,
    pub(super) pull: bool,
}

/// Text at a place.
struct Put {
    at: usize,
    piece: Piece,
}

impl Insertion<'_> {
    /// The text with ours in it. The error is a reason that completes "… cannot be added:".
    pub(super) fn put(&self, text: &str) -> Result<(String, Vec<Piece>), String> {
        let before = tree::parse(text)?;
        let puts = self.puts(text, &before)?;
        let mut outcome = String::with_capacity(text.len() + 1024);
        let mut from = 0;
        for put in &puts {
            outcome.push_str(&text[from..put.at]);
            outcome.push_str(&put.piece.inserted);
            from = put.at + put.piece.replaced.len();
        }
        outcome.push_str(&text[from..]);
        let after = tree::parse(&outcome)?;
        if after != self.expected(before) {
            return Err("what is there already is in a form to which nothing can be added".to_owned());
        }
        Ok((outcome, puts.into_iter().map(|put| put.piece).collect()))
    }

    fn expected(&self, mut value: Value) -> Value {
        if self.version {
            tree::set(&mut value, &["version"], self.schema.number().into());
        }
        for entry in self.entries {
            let runtimes = tables::runtimes(self.schema);
            let path: Vec<&str> = runtimes.into_iter().chain([entry.handler.as_str()]).collect();
            tree::set(&mut value, &path, entry.value.clone());
        }
        if self.pull {
            tree::set(&mut value, &PULL, true.into());
        }
        value
    }

    /// All pieces, in the order of their places.
    fn puts(&self, text: &str, before: &Value) -> Result<Vec<Put>, String> {
        let newline = newline(text);
        let document = tree::document(text)?;
        let mut puts = Vec::new();
        let mut block: Vec<Piece> = Vec::new();
        let pull = self.pull && tree::at(before, &PULL) != Some(&Value::Bool(true));
        if self.version {
            let inserted = format!("version = {}{newline}", self.schema.number());
            block.push(Piece { part: Part::Version, inserted, replaced: String::new() });
        }
        match inline_table(document.as_item(), &tables::runtimes(self.schema)) {
            Some((depth, item)) if !self.entries.is_empty() => puts.push(self.inline(text, depth, item)?),
            _ => block.extend(self.entries.iter().map(|entry| Piece {
                part: Part::Handler(entry.handler.clone()),
                inserted: self.noted(entry, newline),
                replaced: String::new(),
            })),
        }
        if pull {
            match setting(text, &document, newline)? {
                Some(put) => puts.push(put),
                None => block.push(Piece {
                    part: Part::Pull,
                    inserted: format!("{}{newline}{} = true{newline}", tables::header(&PULL[..2]), PULL[2]),
                    replaced: String::new(),
                }),
            }
        }
        puts.sort_by_key(|put| put.at);
        if !block.is_empty() {
            block.insert(0, note(text, newline));
            puts.extend(block.into_iter().map(|piece| Put { at: text.len(), piece }));
        }
        Ok(puts)
    }

    fn noted(&self, entry: &Entry, newline: &str) -> String {
        let note =
            if self.runc == Some(entry) { format!("{}{newline}", tables::RUNC_NOTE) } else { String::new() };
        note + &tables::text(self.schema, entry, newline)
    }

    /// Into an inline table at `depth` of the path to the runtimes.
    fn inline(&self, text: &str, depth: usize, item: &Item) -> Result<Put, String> {
        let span = item.span().ok_or("an inline table has no place")?;
        let inner = text[span.clone()].strip_suffix('}').ok_or("an inline table has no end")?.trim_end();
        let comma = if inner.ends_with(['{', ',']) { " " } else { ", " };
        let mut list: Vec<String> = self.entries.iter().map(tables::inline).collect();
        for key in tables::runtimes(self.schema)[depth..].iter().rev() {
            list = vec![format!("{} = {{ {} }}", toml_edit::Key::new(*key), list.join(", "))];
        }
        let inserted = format!("{comma}{}", list.join(", "));
        Ok(Put {
            at: span.start + inner.len(),
            piece: Piece { part: Part::Inline, inserted, replaced: String::new() },
        })
    }
}

/// The line end that a text has.
pub(super) fn newline(text: &str) -> &'static str {
    match text.find('\n') {
        Some(at) if text[..at].ends_with('\r') => "\r\n",
        _ => "\n",
    }
}

fn note(text: &str, newline: &str) -> Piece {
    let end = if text.is_empty() || text.ends_with('\n') { "" } else { newline };
    let gap = if text.is_empty() { "" } else { newline };
    Piece { part: Part::Note, inserted: format!("{end}{gap}{NOTE}{newline}"), replaced: String::new() }
}

/// The innermost inline table on a path, and how many keys lead to it.
fn inline_table<'a>(root: &'a Item, path: &[&str]) -> Option<(usize, &'a Item)> {
    let mut item = root;
    let mut found = None;
    for (depth, key) in path.iter().enumerate() {
        item = item.get(key)?;
        if item.is_inline_table() {
            found = Some((depth + 1, item));
        }
        if !item.is_table_like() {
            return None;
        }
        if depth + 1 == path.len() {
            break;
        }
        if item.get(path[depth + 1]).is_none() {
            return found;
        }
    }
    found
}

/// Where the setting goes in a table that is there already; `None`: there is none, and it gets one.
fn setting(text: &str, document: &Document<&str>, newline: &str) -> Result<Option<Put>, String> {
    let Some(table) = document.as_item().get(PULL[0]).and_then(|plugins| plugins.get(IMAGES)) else {
        return Ok(None);
    };
    let unclear = || format!("plugins.{IMAGES} is no table with a header");
    let table = table.as_table().ok_or_else(unclear)?;
    if let Some((key, value)) = table.get_key_value(PULL[2]) {
        let (key, value) = (key.span().ok_or_else(unclear)?, value.span().ok_or_else(unclear)?);
        let replaced = text[key.start..value.end].to_owned();
        let inserted = format!("{}true", &text[key.start..value.start]);
        return Ok(Some(Put { at: key.start, piece: Piece { part: Part::Pull, inserted, replaced } }));
    }
    if table.is_implicit() && !table.is_dotted() {
        return Ok(None);
    }
    let header = table.span().filter(|_| !table.is_dotted()).ok_or_else(unclear)?;
    let line = text[header.end..].find('\n').map(|end| header.end + end + 1);
    let end = if line.is_none() { newline } else { "" };
    let inserted = format!("{end}{} = true{newline}", PULL[2]);
    let piece = Piece { part: Part::Pull, inserted, replaced: String::new() };
    Ok(Some(Put { at: line.unwrap_or(text.len()), piece }))
}

/// Whether a value has anything in it.
pub(super) fn is_empty(value: &Value) -> bool {
    value.as_object().is_some_and(Map::is_empty)
}
