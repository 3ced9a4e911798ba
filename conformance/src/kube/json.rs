use serde_json::Value;

/// An object with the fields of another put into it; lists are replaced.
#[must_use]
pub(crate) fn with(mut base: Value, change: Value) -> Value {
    put(&mut base, change);
    base
}

fn put(base: &mut Value, change: Value) {
    match (base, change) {
        (Value::Object(base), Value::Object(change)) => {
            for (name, value) in change {
                put(base.entry(name).or_insert(Value::Null), value);
            }
        }
        (base, change) => *base = change,
    }
}

/// The text at a JSON pointer; none where there is no text.
pub(crate) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The list at a JSON pointer; empty where there is no list.
pub(crate) fn list<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_are_put_in_at_any_depth_and_lists_are_replaced() {
        let base = json!({ "a": { "b": 1, "c": [1, 2] }, "d": 1 });
        let change = json!({ "a": { "c": [3], "e": { "f": 2 } } });
        assert_eq!(with(base, change), json!({ "a": { "b": 1, "c": [3], "e": { "f": 2 } }, "d": 1 }));
    }

    #[test]
    fn what_is_not_there_is_empty() {
        let object = json!({ "a": "x", "b": [1] });
        assert_eq!((text(&object, "/a"), text(&object, "/b"), text(&object, "/c/d")), ("x", "", ""));
        assert_eq!((list(&object, "/b").len(), list(&object, "/a").len()), (1, 0));
    }
}
