//! What `containerd config dump` says.

use std::path::Path;

use serde_json::Value;

use crate::config::runtimes;
use crate::distribution::refuse_without_cri;
use crate::error::{Error, Result};
use crate::schema::Schema;
use crate::tree;

/// A whole configuration, defaults and all, as containerd prints it: in its own newest schema, whatever the files have.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Dump {
    pub(super) value: Value,
    pub(super) schema: Schema,
}

impl Dump {
    /// Reads what was printed.
    pub(crate) fn parse(text: &[u8]) -> Result<Self> {
        let unclear = |error: String| {
            Error::refused(format!("`containerd config dump` says what is not TOML: {error}"))
        };
        let text = std::str::from_utf8(text).map_err(|error| unclear(error.to_string()))?;
        let value = tree::parse(text).map_err(unclear)?;
        let version = value.get("version").and_then(Value::as_i64).unwrap_or(0);
        let schema = Schema::numbered(version, "`containerd config dump`")?;
        refuse_without_cri(&value, Path::new("containerd's configuration"))?;
        Ok(Self { value, schema })
    }

    /// All handlers and their tables.
    pub(super) fn runtimes(&self) -> impl Iterator<Item = (&String, &Value)> {
        tree::at(&self.value, &runtimes(self.schema)).and_then(Value::as_object).into_iter().flatten()
    }

    /// A handler's table.
    pub(crate) fn runtime(&self, handler: &str) -> Option<&Value> {
        self.runtimes().find(|(name, _)| *name == handler).map(|(_, table)| table)
    }

    /// `SystemdCgroup` of the default runtime: what ours should have as well.
    pub(crate) fn systemd_cgroup(&self) -> Option<bool> {
        let path = ["plugins", self.schema.runtimes(), "containerd", "default_runtime_name"];
        let name = tree::at(&self.value, &path).and_then(Value::as_str).unwrap_or("runc");
        let of = |name| self.runtime(name).and_then(|table| tree::at(table, &["options", "SystemdCgroup"]));
        of(name).or_else(|| of("runc")).and_then(Value::as_bool)
    }

    /// Whether images are pulled without the transfer service; `None` where containerd has no such setting.
    pub(crate) fn pulls_locally(&self) -> Option<bool> {
        tree::at(&self.value, &crate::config::PULL).and_then(Value::as_bool)
    }
}
