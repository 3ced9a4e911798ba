//! Where our tables go, for each distribution.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Distribution, Node, Placement, imports, refuse_without_cri, system};
use crate::error::{Error, Result};
use crate::schema::{Schema, Version};

/// A node whose distribution is known.
pub(super) struct Found<'a> {
    pub(super) node: &'a Node<'a>,
    pub(super) distribution: Distribution,
    pub(super) version: Version,
    pub(super) config: Option<&'a Value>,
    pub(super) file: &'a Path,
}

impl Found<'_> {
    /// The schema of the root, if this containerd reads it.
    pub(super) fn schema(&self) -> Result<Schema> {
        let file = self.file.display();
        let Some(config) = self.config else { return Ok(self.version.schema()) };
        let schema = match config.get("version") {
            Some(Value::Number(number)) => Schema::numbered(number.as_i64().unwrap_or(0), &file.to_string())?,
            None if config.as_object().is_some_and(|all| all.is_empty()) => self.version.schema(),
            _ => {
                return Err(Error::refused(format!(
                    "{file} says no version, so that containerd takes it for version 1: `containerd config migrate` writes \
                     it anew"
                )));
            }
        };
        if schema > self.version.reads() {
            let (number, version) = (schema.number(), self.version);
            return Err(Error::refused(format!(
                "{file} has `version = {number}`, which containerd {version} cannot read"
            )));
        }
        refuse_without_cri(config, self.file)?;
        Ok(schema)
    }

    /// A containerd whose root is nobody's but the operator's.
    pub(super) fn plain(&self, schema: Schema) -> Result<Placement> {
        let Some(config) = self.config else { return self.made() };
        if !self.version.merges() {
            return Ok(Placement::Edit(imports::effective(self.node, self.file, schema.runtimes())?));
        }
        let imports = imports::named(config, self.file)?;
        let place = imports::drop_in(self.node, &imports)?;
        Ok(place.map_or_else(|| Placement::Edit(self.file.to_owned()), Placement::DropIn))
    }

    /// There is no configuration yet.
    fn made(&self) -> Result<Placement> {
        let folder = self.file.parent().unwrap_or_else(|| Path::new("/")).join("conf.d");
        let hidden = system::hides_its_config(self.node)? || !self.node.names(&folder)?.is_empty();
        if hidden {
            return Err(Error::refused(format!(
                "there is no {file}, and this containerd has another configuration: write what `containerd config dump` says \
                 into {file}, have containerd started with it, and install again",
                file = self.file.display()
            )));
        }
        Ok(Placement::New(self.file.to_owned()))
    }

    /// k3s and RKE2 write their configuration anew at every start, from a template.
    pub(super) fn rancher(&self, schema: Schema) -> Result<(Placement, Option<PathBuf>)> {
        let Some(config) = self.config else { return Err(self.never_started(self.file)) };
        let imports = imports::named(config, self.file)?;
        let place = imports::drop_in(self.node, &imports)?;
        if let Some(place) = place.filter(|_| self.version.merges()) {
            return Ok((Placement::DropIn(place), None));
        }
        let rendered = Some(self.file.to_owned());
        let templates =
            ["config-v3.toml.tmpl", "config.toml.tmpl"].map(|name| self.file.with_file_name(name));
        for template in &templates {
            if self.node.has(template)? {
                return Ok((Placement::Foreign(template.clone()), rendered));
            }
        }
        if self.version < Version::new(1, 7, 3) {
            return Err(Error::refused(format!(
                "{} has containerd {}, and before 1.7.3 its templates cannot begin with its own: update it",
                self.distribution, self.version
            )));
        }
        let [new, old] = templates;
        Ok((Placement::Template(if schema == Schema::V2 { old } else { new }), rendered))
    }

    /// k0s reads drop-ins as long as the first line of its file says that it is k0s's.
    pub(super) fn k0s(&self, schema: Schema) -> Result<(Placement, Option<PathBuf>)> {
        let Some(config) = self.config else { return Err(self.never_started(self.file)) };
        if !self.is_k0s_own()? {
            return Ok((self.plain(schema)?, None));
        }
        let place = self.file.with_file_name("containerd.d").join(imports::NAME);
        let merged = Path::new("/run/k0s/containerd-cri.toml");
        if imports::named(config, self.file)?.iter().any(|import| import == merged) {
            if !self.node.has(merged)? {
                return Err(self.never_started(merged));
            }
            return Ok((Placement::DropIn(place), Some(merged.to_owned())));
        }
        if !self.version.merges() {
            return Err(Error::refused(format!(
                "{} imports no {}, and containerd {} does not merge drop-ins by itself: update k0s",
                self.file.display(),
                merged.display(),
                self.version
            )));
        }
        Ok((Placement::DropIn(place), None))
    }

    fn is_k0s_own(&self) -> Result<bool> {
        let bytes = self.node.read(self.file)?.unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        Ok(text.lines().map(str::trim).find(|line| !line.is_empty()) == Some("# k0s_managed=true"))
    }

    /// MicroK8s has a template with its own words in it, which it makes a configuration from at every start.
    pub(super) fn microk8s(&self) -> Result<(Placement, Option<PathBuf>)> {
        if self.config.is_none() {
            return Err(self.never_started(self.file));
        }
        let rendered = self.file.with_file_name("containerd.toml");
        if !self.node.has(&rendered)? {
            return Err(self.never_started(&rendered));
        }
        Ok((Placement::Edit(self.file.to_owned()), Some(rendered)))
    }

    fn never_started(&self, missing: &Path) -> Error {
        Error::refused(format!(
            "there is no {}, which {} writes when it starts: start it once, and install again",
            missing.display(),
            self.distribution
        ))
    }
}
