//! One guest from start to end, as a pod: what the drivers of containerd give it as a folder of this machine is here a
//! volume, which a native container fills before and another one reads afterwards.

use std::collections::BTreeMap;
use std::io::Read;

use k8s_openapi::ByteString;
use serde_json::{Value, json};
use tar::EntryType;
use tempfile::TempDir;

use super::json::text;
use super::kind::Kind;
use super::logs::Stream;
use super::pod::{GUEST, Pod, refusal, status};
use super::stage::{KubeStage, Made};
use crate::expected::{Ended, Entry, Expected, Seen};
use crate::failure::{Failure, Result, ensure};
use crate::patience::{notice, until};
use crate::setup::{Setup, busybox};

const KEEPER: &str = "keeper";
const FILLER: &str = "filler";
/// Where the filler finds the files, as the one file of a ConfigMap.
const FILES: &str = "files.tar";

impl KubeStage<'_> {
    /// Plays one guest, and tells what came of it.
    pub(crate) fn observe(&self, setup: &Setup, expected: &Expected) -> Result<Seen> {
        let looks = matches!(expected, Expected::Ended { left, .. } if !left.is_empty());
        let files = self.files(setup)?;
        let pod = self.create(&self.described(setup, files.as_ref(), looks))?;
        let seen = whole(&pod, looks, expected)?;
        self.note_all(seen.facts());
        if !self.cluster.splits_logs {
            self.note("streams", "merged: the server does not tell them apart");
        }
        Ok(seen)
    }

    fn described(&self, setup: &Setup, files: Option<&Made<'_>>, looks: bool) -> Value {
        let mut containers = vec![self.guest(setup)];
        containers.extend(looks.then(|| self.companion(KEEPER)));
        let mut pod = self.cluster.manifest(&self.next_name(), Value::Array(containers));
        if let Some(files) = files {
            let unpack = format!("cd /data && /bin/busybox tar xf /files/{FILES}");
            let mut filler = self.cluster.container(FILLER, &busybox(["sh", "-c", &unpack]));
            push(&mut filler["volumeMounts"], json!({ "name": "files", "mountPath": "/files" }));
            pod["spec"]["initContainers"] = json!([filler]);
            push(
                &mut pod["spec"]["volumes"],
                json!({ "name": "files", "configMap": { "name": files.name } }),
            );
        }
        pod
    }

    /// The case's files, as a ConfigMap.
    fn files(&self, setup: &Setup) -> Result<Option<Made<'_>>> {
        if setup.files.is_empty() && setup.links.is_empty() && setup.pipes.is_empty() {
            return Ok(None);
        }
        let folder = TempDir::new()?;
        setup.write_files(folder.path())?;
        let mut archive = tar::Builder::new(Vec::new());
        archive.follow_symlinks(false);
        archive.append_dir_all(".", folder.path())?;
        let archive = base64(&archive.into_inner()?);
        self.make(Kind::ConfigMap, json!({ "binaryData": { FILES: archive } })).map(Some)
    }
}

/// Looks again where a guest has ended as it should and its streams are others: its end may be told before its log is
/// whole. What they are in the end is judged by the caller.
fn whole(pod: &Pod<'_>, looks: bool, expected: &Expected) -> Result<Seen> {
    let mut last = seen(pod, looks)?;
    let _still_other = until(notice(), || {
        let ends_so = match (expected, &last) {
            (Expected::Ended { code, .. }, Seen::Ended(ended)) => *code == ended.code,
            _ => false,
        };
        let Some(other) = expected.compare(&last).err().filter(|_| ends_so) else { return Ok(None) };
        last = seen(pod, looks)?;
        Ok(Some(other))
    });
    Ok(last)
}

fn seen(pod: &Pod<'_>, looks: bool) -> Result<Seen> {
    let object = pod.until(|pod| {
        let over = refusal(pod, GUEST).is_some() || status(pod, GUEST).pointer("/state/terminated").is_some();
        Ok((!over).then(|| "expected the guest to end".to_owned()))
    })?;
    if let Some(sentence) = refusal(&object, GUEST) {
        return Ok(Seen::Refused { code: None, sentence });
    }
    let state = &status(&object, GUEST)["state"]["terminated"];
    let code = state["exitCode"].as_u64().and_then(|code| u32::try_from(code).ok());
    let (stdout, stderr) = (pod.bytes(GUEST, Stream::Stdout)?, pod.bytes(GUEST, Stream::Stderr)?);
    Ok(Seen::Ended(Ended {
        code: code.ok_or_else(|| Failure(format!("the guest has no status: {state}")))?,
        reason: Some(text(state, "/reason").to_owned()),
        stdout,
        stderr,
        left: if looks { left(pod)? } else { BTreeMap::new() },
    }))
}

/// What is below `/data`, as the keeper sees it.
fn left(pod: &Pod<'_>) -> Result<BTreeMap<String, Entry>> {
    pod.runs(KEEPER)?;
    let ran = pod.exec(KEEPER, ["/bin/busybox", "tar", "cf", "-", "-C", "/data", "."])?;
    ensure(ran.code == Some(0), || format!("tar ended with {:?}: {}", ran.code, ran.message))?;
    let mut found = BTreeMap::new();
    for entry in tar::Archive::new(ran.stdout.as_slice()).entries()? {
        let mut entry = entry?;
        let path = entry.path()?.display().to_string();
        let path = path.trim_start_matches("./").trim_end_matches('/').to_owned();
        let seen = match entry.header().entry_type() {
            EntryType::Directory => Entry::Folder,
            EntryType::Symlink => Entry::Link(entry.link_name()?.unwrap_or_default().into_owned()),
            _ => {
                let mut content = Vec::new();
                entry.read_to_end(&mut content)?;
                Entry::File(content)
            }
        };
        if !path.is_empty() && path != "." {
            found.insert(path, seen);
        }
    }
    Ok(found)
}

pub(crate) fn push(list: &mut Value, item: Value) {
    if let Some(list) = list.as_array_mut() {
        list.push(item);
    }
}

/// Bytes as the API takes them.
pub(crate) fn base64(bytes: &[u8]) -> Value {
    json!(ByteString(bytes.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_base64() {
        for (bytes, expected) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")]
        {
            assert_eq!(base64(bytes.as_bytes()), expected);
        }
    }
}
