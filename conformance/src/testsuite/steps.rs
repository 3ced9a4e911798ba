use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::Operation;
use super::specification::Run;

/// Reads the list: a `run`, then steps on what it started, up to its end.
pub(super) fn read(list: Vec<Map<String, Value>>) -> Result<(Run, Vec<Operation>), String> {
    let mut started = None;
    let mut operations: Vec<Operation> = Vec::new();
    let mut connections = BTreeSet::new();
    for (index, mut step) in list.into_iter().enumerate() {
        let at = |reason: String| format!("operations[{index}]: {reason}");
        if step.get("type").is_some_and(|kind| kind == "run") {
            step.remove("type");
            let run = serde_json::from_value(Value::Object(step)).map_err(|error| at(error.to_string()))?;
            if started.replace(run).is_some() {
                return Err(at("a second `run`; a test is one container".to_owned()));
            }
            continue;
        }
        let operation: Operation =
            serde_json::from_value(Value::Object(step)).map_err(|error| at(error.to_string()))?;
        if started.is_none() {
            return Err(at(format!("`{}` before `run`", operation.name())));
        }
        if operations.last().is_some_and(is_wait) {
            return Err(at(format!("`{}` after `wait`, when the program has ended", operation.name())));
        }
        connect(&operation, &mut connections).map_err(at)?;
        operations.push(operation);
    }
    let run = started.ok_or("`operations` has no `run`")?;
    // Whoever only runs a program means that it ends well.
    if !operations.last().is_some_and(is_wait) {
        operations.push(Operation::Wait { exit_code: 0 });
    }
    Ok((run, operations))
}

/// Follows which connections there are.
fn connect(operation: &Operation, connections: &mut BTreeSet<String>) -> Result<(), String> {
    match operation {
        Operation::Connect { id, .. } if !connections.insert(id.clone()) => {
            Err(format!("`id`: there is a connection {id:?} already"))
        }
        Operation::Send { id, .. } | Operation::Recv { id, .. } if !connections.contains(id) => {
            Err(format!("`id`: there is no connection {id:?}"))
        }
        _ => Ok(()),
    }
}

fn is_wait(operation: &Operation) -> bool {
    matches!(operation, Operation::Wait { .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(list: &str) -> Result<(Run, Vec<Operation>), String> {
        read(serde_json::from_str(list).expect("JSON"))
    }

    #[test]
    fn a_list_without_wait_expects_a_good_end() {
        let (_, operations) = parse(r#"[{"type": "run"}]"#).expect("a list");
        assert_eq!(operations, [Operation::Wait { exit_code: 0 }]);
    }

    #[test]
    fn refuses_steps_that_cannot_follow_each_other() {
        for (steps, named) in [
            (r#"[]"#, "no `run`"),
            (r#"[{"type": "wait"}]"#, "operations[0]: `wait` before `run`"),
            (r#"[{"type": "run"}, {"type": "run"}]"#, "operations[1]: a second `run`"),
            (
                r#"[{"type": "run"}, {"type": "wait"}, {"type": "read"}]"#,
                "operations[2]: `read` after `wait`",
            ),
            (r#"[{"type": "run"}, {"type": "send", "id": "a"}]"#, "there is no connection \"a\""),
            (
                r#"[{"type": "run"}, {"type": "connect"}, {"type": "connect"}]"#,
                "a connection \"server\" already",
            ),
        ] {
            let refusal = parse(steps).expect_err(steps);
            assert!(refusal.contains(named), "{steps} is refused with {refusal:?}, not {named:?}");
        }
    }
}
