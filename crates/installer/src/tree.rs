//! TOML as plain values, for questions and comparisons.

use serde_json::{Map, Value};
use toml_edit::{Document, Item, Table};

/// The values of a text in TOML, without its form. Dates are strings here, and so are numbers that JSON has not.
pub(crate) fn parse(text: &str) -> Result<Value, String> {
    let document = document(text)?;
    Ok(table(document.as_table()))
}

/// A text in TOML, and where everything is in it. An error tells the line, but not what is on it: that may be long.
pub(crate) fn document(text: &str) -> Result<Document<&str>, String> {
    Document::parse(text).map_err(|error| {
        let what: String = error.message().lines().next().unwrap_or_default().chars().take(100).collect();
        match error.span().and_then(|span| text.get(..span.start)) {
            Some(before) => format!("line {}: {what}", before.matches('\n').count() + 1),
            None => what,
        }
    })
}

/// What is at the end of a path of keys.
pub(crate) fn at<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, key| value.get(key))
}

/// Puts a value at the end of a path, and makes the tables on the way.
pub(crate) fn set(value: &mut Value, path: &[&str], new: Value) {
    let Some((key, rest)) = path.split_first() else { return *value = new };
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    set(&mut value[*key], rest, new);
}

/// Takes away what is at the end of a path.
pub(crate) fn remove(value: &mut Value, path: &[&str]) {
    let Some((last, parents)) = path.split_last() else { return };
    let parent = parents.iter().try_fold(value, |value, key| value.get_mut(key));
    if let Some(parent) = parent.and_then(Value::as_object_mut) {
        parent.remove(*last);
    }
}

/// The value without tables in which there is nothing: a header alone says nothing.
pub(crate) fn pruned(value: Value) -> Value {
    let Value::Object(entries) = value else { return value };
    let entries = entries.into_iter().map(|(key, value)| (key, pruned(value)));
    Value::Object(
        entries.filter(|(_, value)| value.as_object().is_none_or(|below| !below.is_empty())).collect(),
    )
}

fn table(table: &Table) -> Value {
    Value::Object(table.iter().map(|(key, entry)| (key.to_owned(), item(entry))).collect())
}

fn item(entry: &Item) -> Value {
    match entry {
        Item::None => Value::Null,
        Item::Value(inner) => plain(inner),
        Item::Table(inner) => table(inner),
        Item::ArrayOfTables(tables) => Value::Array(tables.iter().map(table).collect()),
    }
}

fn plain(value: &toml_edit::Value) -> Value {
    use toml_edit::Value as Toml;
    match value {
        Toml::String(text) => Value::String(text.value().clone()),
        Toml::Integer(number) => (*number.value()).into(),
        Toml::Float(number) => {
            let number = *number.value();
            serde_json::Number::from_f64(number)
                .map_or_else(|| Value::String(number.to_string()), Value::Number)
        }
        Toml::Boolean(yes) => Value::Bool(*yes.value()),
        Toml::Datetime(date) => Value::String(date.value().to_string()),
        Toml::Array(values) => Value::Array(values.iter().map(plain).collect()),
        Toml::InlineTable(table) => {
            let entries: Map<_, _> =
                table.iter().map(|(key, value)| (key.to_owned(), plain(value))).collect();
            Value::Object(entries)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgets_the_form_and_keeps_the_values() {
        let one = parse("a.b = 1\n[t]\nx = { y = [1, 'z'] }\n").unwrap();
        let other = parse("t = { x = { y = [ 1, \"z\" ] } }\n[a]\nb = 1 # why\n").unwrap();
        assert_eq!(one, other);
        assert_eq!(at(&one, &["t", "x", "y"]).unwrap()[1], "z");
    }

    #[test]
    fn refuses_deep_nesting_with_an_error_and_not_a_crash() {
        assert_eq!(parse("a = 1\nb = = 2\n").unwrap_err().split(':').next(), Some("line 2"));
        for text in [
            "[".repeat(20_000),
            "x = ".to_owned() + &"[".repeat(20_000),
            "x = ".to_owned() + &"{a=".repeat(20_000),
        ] {
            assert!(parse(&text).is_err_and(|error| error.len() < 200));
        }
        let dotted = vec!["a"; 20_000].join(".");
        let _ = parse(&format!("{dotted} = 1"));
        let _ = parse(&format!("[{dotted}]"));
    }
}
