//! Limits that libcgroups leaves out on version 2, or does not tell systemd, or tells it wrongly: they are written into the
//! cgroup's own files, which systemd has delegated. As runc does, which writes all of them there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::{Failure, FailureKind};

/// Files of a cgroup of version 2, and what they are to say.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Limits(BTreeMap<String, String>);

impl Limits {
    /// Takes the limits out of `linux.resources` that libcgroups cannot set:
    ///
    /// - that there be no swap, since it leaves out every 0;
    /// - where `systemd` makes the cgroup, `unified`, which is about files: what has a property of systemd's is reckoned into
    ///   other units there;
    /// - likewise, sets of processors and of memory nodes, which it sends in a type that systemd refuses.
    ///
    /// # Errors
    ///
    /// [`Invalid`](FailureKind::Invalid) for what cannot be a file of a cgroup.
    pub(crate) fn take(resources: &mut Value, systemd: bool) -> Result<Self, Failure> {
        let mut files = BTreeMap::new();
        let has_no_swap = |memory: &Value| {
            let limit = memory["limit"].as_i64();
            limit.is_some_and(|limit| limit > 0) && limit == memory["swap"].as_i64()
        };
        if has_no_swap(&resources["memory"]) {
            files.insert("memory.swap.max".to_owned(), "0".to_owned());
        }
        if !systemd {
            return Ok(Self(files));
        }
        for name in ["cpus", "mems"] {
            let set =
                resources.get_mut("cpu").and_then(Value::as_object_mut).and_then(|cpu| cpu.remove(name));
            let set = set.as_ref().and_then(Value::as_str).filter(|set| !set.is_empty());
            files.extend(set.map(|set| (format!("cpuset.{name}"), set.to_owned())));
        }
        let unified = resources.as_object_mut().and_then(|resources| resources.remove("unified"));
        for (file, content) in unified.as_ref().and_then(Value::as_object).into_iter().flatten() {
            let content = content.as_str().filter(|_| is_a_controllers(file)).ok_or_else(|| unknown(file))?;
            files.insert(file.clone(), content.to_owned());
        }
        Ok(Self(files))
    }

    /// The same, out of a bundle's specification, which is changed then.
    ///
    /// # Errors
    ///
    /// Those of [`take`](Self::take), and of the file.
    pub(crate) fn take_from(config: &Path, systemd: bool) -> Result<Self, Failure> {
        let invalid = |error| Failure::new(FailureKind::Invalid, format!("{}: {error}", config.display()));
        let mut spec: Value = serde_json::from_slice(&fs::read(config)?).map_err(invalid)?;
        let Some(resources) = spec.pointer_mut("/linux/resources") else { return Ok(Self::default()) };
        let limits = Self::take(resources, systemd)?;
        if !limits.0.is_empty() {
            fs::write(config, spec.to_string())?;
        }
        Ok(limits)
    }

    /// Writes them into the files of the cgroup of a process.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](FailureKind::Unsupported) where there is no such file, or the kernel refuses what it is to say.
    pub(crate) fn write(&self, process: u32) -> Result<(), Failure> {
        if self.0.is_empty() { Ok(()) } else { self.write_to(&folder(process)?) }
    }

    fn write_to(&self, cgroup: &Path) -> Result<(), Failure> {
        for (file, content) in &self.0 {
            let path = cgroup.join(file);
            // A kernel without swap has no file for it, and no need of one.
            if file == "memory.swap.max" && !path.exists() {
                continue;
            }
            let written = fs::OpenOptions::new().write(true).open(&path);
            let written =
                written.and_then(|mut opened| std::io::Write::write_all(&mut opened, content.as_bytes()));
            written.map_err(|error| {
                let message = format!("the cgroup's file {} cannot say `{content}`: {error}", path.display());
                Failure::new(FailureKind::Unsupported, message)
            })?;
        }
        Ok(())
    }
}

/// A name like `memory.oom.group`, and nothing that leads elsewhere.
fn is_a_controllers(file: &str) -> bool {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    file.chars().all(is_plain) && file.split_once('.').is_some_and(|(controller, _)| !controller.is_empty())
}

fn unknown(file: &str) -> Failure {
    let message = format!("linux.resources.unified has `{file}`, which is no file of a cgroup's controller");
    Failure::new(FailureKind::Invalid, message)
}

/// The cgroup of a process, where all controllers are version 2's.
fn folder(process: u32) -> Result<PathBuf, Failure> {
    let file = format!("/proc/{process}/cgroup");
    let text = fs::read_to_string(&file)?;
    let path = text.lines().find_map(|line| line.strip_prefix("0::/"));
    let path = path.ok_or_else(|| Failure::new(FailureKind::Internal, format!("{file} names no cgroup")))?;
    Ok(Path::new("/sys/fs/cgroup").join(path))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn taken(mut resources: Value) -> (Vec<(String, String)>, Value) {
        let limits = Limits::take(&mut resources, true).expect("limits");
        (limits.0.into_iter().collect(), resources)
    }

    #[test]
    fn takes_what_only_files_can_have_and_leaves_the_rest() {
        let (files, rest) = taken(json!({
            "cpu": { "shares": 512, "cpus": "0-1", "mems": "" },
            "memory": { "limit": 4096, "swap": 4096 },
            "unified": { "memory.oom.group": "1" },
        }));
        let expected = [("cpuset.cpus", "0-1"), ("memory.oom.group", "1"), ("memory.swap.max", "0")];
        assert_eq!(files, expected.map(|(file, content)| (file.to_owned(), content.to_owned())));
        let memory = json!({ "limit": 4096, "swap": 4096 });
        assert_eq!(rest, json!({ "cpu": { "shares": 512 }, "memory": memory }));
    }

    #[test]
    fn takes_only_the_lack_of_swap_where_files_are_all_there_is() {
        let resources = json!({
            "cpu": { "cpus": "0-1" },
            "memory": { "limit": 4096, "swap": 4096 },
            "unified": { "memory.oom.group": "1" },
        });
        let mut rest = resources.clone();
        let Limits(files) = Limits::take(&mut rest, false).expect("limits");
        assert_eq!(files, BTreeMap::from([("memory.swap.max".to_owned(), "0".to_owned())]));
        assert_eq!(rest, resources);
    }

    #[test]
    fn takes_nothing_where_systemd_can_be_told_all() {
        for resources in [
            json!({}),
            json!({ "cpu": { "quota": 1000 }, "pids": { "limit": 7 } }),
            json!({ "memory": { "limit": -1, "swap": -1 } }),
            json!({ "memory": { "limit": 4096, "swap": 8192 } }),
        ] {
            assert_eq!(taken(resources.clone()), (Vec::new(), resources));
        }
    }

    #[test]
    fn refuses_files_that_are_no_cgroups() {
        for file in ["../../etc/passwd", "/etc/passwd", "memory", ".hidden", "a/b.c"] {
            let failure =
                Limits::take(&mut json!({ "unified": { file: "1" } }), true).expect_err("no such file");
            assert_eq!(failure.kind, FailureKind::Invalid, "{file}");
        }
    }

    #[test]
    fn changes_a_specification_only_where_it_must() {
        let folder = tempfile::tempdir().expect("a folder");
        let config = folder.path().join("config.json");
        let plain = "{\"linux\": {\"resources\": {}},  \"x\": 1}";
        fs::write(&config, plain).expect("a file");
        assert_eq!(Limits::take_from(&config, true), Ok(Limits::default()));
        assert_eq!(fs::read_to_string(&config).expect("the file"), plain);
        fs::write(&config, r#"{"linux": {"resources": {"cpu": {"cpus": "0"}}}, "x": 1}"#).expect("a file");
        assert_eq!(Limits::take_from(&config, true).expect("limits").0["cpuset.cpus"], "0");
        let left: Value = serde_json::from_slice(&fs::read(&config).expect("the file")).expect("JSON");
        assert_eq!(left, json!({ "linux": { "resources": { "cpu": {} } }, "x": 1 }));
    }

    #[test]
    fn writes_files_that_are_there_and_names_one_that_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let (cpus, swap) = (("cpuset.cpus", "0"), ("memory.swap.max", "0"));
        let limits = |files: &[(&str, &str)]| {
            Limits(files.iter().map(|(file, content)| ((*file).to_owned(), (*content).to_owned())).collect())
        };
        fs::write(folder.path().join(cpus.0), "").expect("a file");
        limits(&[cpus, swap]).write_to(folder.path()).expect("one file, and one that nobody needs");
        assert_eq!(fs::read_to_string(folder.path().join(cpus.0)).expect("the file"), "0");
        let failure = limits(&[("memory.oom.group", "1")]).write_to(folder.path()).expect_err("no such file");
        assert!(failure.message.contains("memory.oom.group"), "{failure}");
    }
}
