//! The JSON beside a program: its older fields and its newer operations both become one list of operations.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::{Need, Operation, Stream, World, steps};

/// What the JSON says. The default is what a missing file means: run without arguments, expect 0.
#[derive(Debug)]
pub(super) struct Specification {
    pub(super) run: Run,
    pub(super) world: World,
    pub(super) needs: BTreeSet<Need>,
    pub(super) operations: Vec<Operation>,
}

/// How the program is started; the directories are relative to the suite's folder.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Run {
    pub(super) args: Vec<String>,
    pub(super) env: BTreeMap<String, String>,
    pub(super) dirs: Vec<String>,
    pub(super) root: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    // The older format.
    args: Option<Vec<String>>,
    dirs: Option<Vec<String>>,
    env: Option<BTreeMap<String, String>>,
    exit_code: Option<u32>,
    root: Option<String>,
    stderr: Option<String>,
    stdout: Option<String>,
    // Which functions a test is about: for its readers.
    wasi_functions: Option<IgnoredAny>,
    // The newer one.
    endpoints: Option<Vec<Map<String, Value>>>,
    operations: Option<Vec<Map<String, Value>>>,
    proposals: Option<Vec<Proposal>>,
    servers: Option<Vec<Map<String, Value>>>,
    world: Option<World>,
}

#[derive(Deserialize, Eq, PartialEq)]
enum Proposal {
    #[serde(rename = "http")]
    Http,
    // What `world` says now.
    #[serde(rename = "http/service")]
    HttpService,
    #[serde(rename = "sockets")]
    Sockets,
}

impl Specification {
    /// Reads the JSON; the error names the field.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        // serde would take an array for the fields in order.
        if !text.trim_start().starts_with('{') {
            return Err("it is no JSON object".to_owned());
        }
        let fields: Fields = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let specification = match (fields.older(), fields.newer()) {
            (Some(older), Some(newer)) => {
                return Err(format!("`{older}` is of the older format and `{newer}` of the newer: use one"));
            }
            (_, None) => fields.into_older(),
            (None, Some(_)) => fields.into_newer()?,
        };
        specification.run.check()?;
        Ok(specification)
    }
}

impl Default for Specification {
    fn default() -> Self {
        Self {
            run: Run::default(),
            world: World::default(),
            needs: BTreeSet::new(),
            operations: vec![Operation::Wait { exit_code: 0 }],
        }
    }
}

impl Run {
    /// Refuses what no process can be started with.
    fn check(&self) -> Result<(), String> {
        if self.args.iter().any(|arg| arg.contains('\0')) {
            return Err("`args` has an argument with a NUL byte in it".to_owned());
        }
        let odd = |(key, value): &(&String, &String)| {
            key.is_empty() || key.contains(['=', '\0']) || value.contains('\0')
        };
        match self.env.iter().find(odd) {
            Some((key, _)) => Err(format!("`env` has {key:?}, which is no variable")),
            None => Ok(()),
        }
    }
}

impl Fields {
    /// A field of the older format, if there is one.
    fn older(&self) -> Option<&'static str> {
        first([
            ("args", self.args.is_some()),
            ("dirs", self.dirs.is_some()),
            ("env", self.env.is_some()),
            ("exit_code", self.exit_code.is_some()),
            ("root", self.root.is_some()),
            ("stderr", self.stderr.is_some()),
            ("stdout", self.stdout.is_some()),
            ("wasi_functions", self.wasi_functions.is_some()),
        ])
    }

    /// A field of the newer format, if there is one.
    fn newer(&self) -> Option<&'static str> {
        first([
            ("endpoints", self.endpoints.is_some()),
            ("operations", self.operations.is_some()),
            ("proposals", self.proposals.is_some()),
            ("servers", self.servers.is_some()),
            ("world", self.world.is_some()),
        ])
    }

    fn into_older(self) -> Specification {
        let mut operations = vec![Operation::Wait { exit_code: self.exit_code.unwrap_or_default() }];
        for (stream, text) in [(Stream::Stdout, self.stdout), (Stream::Stderr, self.stderr)] {
            operations.extend(text.map(|payload| Operation::Read { stream, payload, whole: true }));
        }
        let run = Run {
            args: self.args.unwrap_or_default(),
            env: self.env.unwrap_or_default(),
            dirs: self.dirs.unwrap_or_default(),
            root: self.root,
        };
        Specification { run, operations, ..Specification::default() }
    }

    fn into_newer(self) -> Result<Specification, String> {
        let proposals = self.proposals.unwrap_or_default();
        let (run, operations) = match self.operations {
            Some(list) => steps::read(list)?,
            None => (Run::default(), Specification::default().operations),
        };
        let service = proposals.contains(&Proposal::HttpService);
        let world = self.world.unwrap_or(if service { World::Service } else { World::Command });
        let any = |wanted: fn(&Operation) -> bool| operations.iter().any(wanted);
        let http = service || world == World::Service || proposals.contains(&Proposal::Http);
        let sockets = proposals.contains(&Proposal::Sockets);
        let needs = [
            (Need::Http, http || any(|step| matches!(step, Operation::Request { .. }))),
            (Need::Servers, self.servers.is_some() || self.endpoints.is_some()),
            (Need::Sockets, sockets || any(|step| matches!(step, Operation::Connect { .. }))),
        ];
        let needs = needs.into_iter().filter_map(|(need, holds)| holds.then_some(need)).collect();
        Ok(Specification { run, world, needs, operations })
    }
}

fn first<const N: usize>(fields: [(&'static str, bool); N]) -> Option<&'static str> {
    fields.into_iter().find_map(|(name, given)| given.then_some(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        Specification::parse(text).expect_err(text)
    }

    #[test]
    fn the_older_fields_become_operations() {
        let text = r#"{"args": ["a"], "dirs": ["d"], "env": {"K": "v"}, "exit_code": 3,
            "stdout": "o", "stderr": ""}"#;
        let Specification { run, world, needs, operations } = Specification::parse(text).expect("a test");
        assert_eq!((run.args, run.dirs, run.root), (vec!["a".to_owned()], vec!["d".to_owned()], None));
        assert_eq!(run.env, BTreeMap::from([("K".to_owned(), "v".to_owned())]));
        assert_eq!((world, needs), (World::Command, BTreeSet::new()));
        let whole = |stream, text: &str| Operation::Read { stream, payload: text.to_owned(), whole: true };
        let (stdout, stderr) = (whole(Stream::Stdout, "o"), whole(Stream::Stderr, ""));
        assert_eq!(operations, [Operation::Wait { exit_code: 3 }, stdout, stderr]);
    }

    #[test]
    fn an_empty_object_runs_the_program_and_expects_zero() {
        let specification = Specification::parse(" {} ").expect("a test");
        assert_eq!(specification.operations, [Operation::Wait { exit_code: 0 }]);
    }

    #[test]
    fn every_operation_is_read_with_its_defaults() {
        let text = r#"{"proposals": ["http", "sockets"], "world": "wasi:http/service", "operations": [
            {"type": "run", "args": ["a"], "root": "r"}, {"type": "write", "id": "stdin", "payload": "in"},
            {"type": "read"}, {"type": "connect", "protocol_type": "udp"}, {"type": "send", "id": "server"},
            {"type": "recv", "id": "server", "payload": "x"}, {"type": "request", "response": {"body": "hey"}},
            {"type": "kill"}, {"type": "kill", "signal": "SIGINT"}, {"type": "wait", "exit_code": 130}]}"#;
        let specification = Specification::parse(text).expect("a test");
        let names: Vec<_> = specification.operations.iter().map(Operation::name).collect();
        let expected = ["write", "read", "connect", "send", "recv", "request", "kill", "kill", "wait"];
        assert_eq!(names, expected);
        assert_eq!(specification.world, World::Service);
        assert_eq!(specification.needs, BTreeSet::from([Need::Http, Need::Sockets]));
        assert_eq!(specification.run.root.as_deref(), Some("r"));
        let signals: Vec<_> = specification.operations.iter().filter_map(signal).collect();
        assert_eq!(signals, [15, 2], "the default is SIGTERM");
        let Operation::Request { method, path, response, .. } = &specification.operations[5] else {
            panic!("{:?} is no request", specification.operations[5]);
        };
        assert_eq!((method.as_str(), path.as_str(), response.status), ("GET", "/", 200));
    }

    fn signal(operation: &Operation) -> Option<u32> {
        match operation {
            Operation::Kill { signal } => Some(signal.number()),
            _ => None,
        }
    }

    #[test]
    fn servers_for_the_program_are_a_need() {
        for field in ["servers", "endpoints"] {
            let text = format!(r#"{{"{field}": [{{"name": "main"}}]}}"#);
            let needs = Specification::parse(&text).expect("a test").needs;
            assert_eq!(needs, BTreeSet::from([Need::Servers]), "{field}");
        }
    }

    #[test]
    fn names_what_it_does_not_know() {
        for (text, named) in [
            (r#"{"argz": []}"#, "unknown field `argz`"),
            (r#"{"proposals": ["keyvalue"]}"#, "unknown variant `keyvalue`"),
            (r#"{"world": "wasi:cli/imports"}"#, "unknown variant `wasi:cli/imports`"),
            (
                r#"{"operations": [{"type": "run"}, {"type": "jump"}]}"#,
                "operations[1]: unknown variant `jump`",
            ),
            (r#"{"operations": [{"type": "run", "cwd": "/"}]}"#, "operations[0]: unknown field `cwd`"),
            (r#"{"operations": [{"type": "run"}, {"type": "wait", "in": 3}]}"#, "unknown field `in`"),
            (
                r#"{"operations": [{"type": "run"}, {"type": "read", "id": "stdlog"}]}"#,
                "unknown variant `stdlog`",
            ),
            (
                r#"{"operations": [{"type": "run"}, {"type": "read", "whole": true}]}"#,
                "unknown field `whole`",
            ),
            (r#"{"operations": [{"type": "run"}, {"type": "kill", "signal": "SIGFOO"}]}"#, "`SIGFOO`"),
            (r#"{"operations": [{"id": "stdout"}]}"#, "missing field `type`"),
        ] {
            let refusal = refusal(text);
            assert!(refusal.contains(named), "{text} is refused with {refusal:?}, not {named:?}");
        }
    }

    #[test]
    fn refuses_a_mixture_of_the_formats() {
        let refusal = refusal(r#"{"stdout": "", "operations": [{"type": "run"}]}"#);
        assert!(refusal.contains("`stdout`") && refusal.contains("`operations`"), "{refusal}");
    }

    #[test]
    fn hostile_text_is_refused_without_a_panic() {
        let deep = |open: &str, close: &str| format!("{}{}", open.repeat(100_000), close.repeat(100_000));
        for text in [
            String::new(),
            "null".to_owned(),
            "[]".to_owned(),
            r#"[["a"], [], {}, 0, null, null, null, null, null, null, null, null, null]"#.to_owned(),
            "{".to_owned(),
            "{\"args\": [\"\\ud800\"]}".to_owned(),
            deep("[", "]"),
            deep(r#"{"a":"#, "}"),
            format!(r#"{{"servers": [{{"a": {}}}]}}"#, deep("[", "]")),
            r#"{"exit_code": -1}"#.to_owned(),
            r#"{"exit_code": 4294967296}"#.to_owned(),
            r#"{"exit_code": 1e999}"#.to_owned(),
            r#"{"exit_code": 1.5}"#.to_owned(),
            format!(r#"{{"exit_code": {}}}"#, "9".repeat(10_000)),
            r#"{"exit_code": "0"}"#.to_owned(),
            r#"{"exit_code": 0, "exit_code": 1}"#.to_owned(),
            r#"{"args": "a"}"#.to_owned(),
            r#"{"args": [1]}"#.to_owned(),
            r#"{"args": ["a\u0000b"]}"#.to_owned(),
            r#"{"env": ["A=b"]}"#.to_owned(),
            r#"{"env": {"A=B": "c"}}"#.to_owned(),
            r#"{"env": {"": "c"}}"#.to_owned(),
            r#"{"env": {"A": null}}"#.to_owned(),
            r#"{"operations": {}}"#.to_owned(),
            r#"{"operations": [["run"]]}"#.to_owned(),
            r#"{"operations": [{"type": 1}]}"#.to_owned(),
            r#"{"operations": [{"type": "run", "args": {}}]}"#.to_owned(),
            r#"{"operations": [{"type": "run"}, {"type": "request", "response": {"status": 99999}}]}"#
                .to_owned(),
            r#"{"proposals": ["http"]} {}"#.to_owned(),
        ] {
            let refusal = Specification::parse(&text).map(|accepted| format!("{accepted:?}"));
            assert!(refusal.is_err(), "{:.80} is taken for {refusal:?}", text);
        }
    }
}
