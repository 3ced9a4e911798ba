//! What takes a second container, or a look at a file from outside.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

use shimmer_node::{Access, ContainerSpec};
use tempfile::TempDir;

use super::super::{images, row};
use super::UNUSABLE;
use crate::case::Case;
use crate::expected::Ended;
use crate::failure::{Result, ensure};
use crate::images::Form;
use crate::profile::Profile;
use crate::setup::{Setup, probe};
use crate::stage::Stage;

// As in the image whose configuration names a user.
const USER: u32 = 1000;
const GROUP: u32 = 1001;

pub(super) fn cases() -> Vec<Case> {
    let secret = || probe(["cwd-read", "/data/secret"]).file("secret", "content\n").user(USER, GROUP);
    let users = row(
        "users",
        Profile::Files,
        [
            Case::container("files/another-users-secret", secret(), another_users_secret).twin(),
            Case::container("files/ones-own-secret", secret(), ones_own_secret).twin(),
            Case::container(
                "files/new-files-are-the-users",
                probe(["write", "/data/new", "text"]).user(USER, GROUP),
                new_files_are_the_users,
            )
            .twin(),
            Case::container(
                "files/new-files-are-the-images-users",
                images::opens()
                    .args(["new", "create"])
                    .mounted(".", "/app")
                    .form(Form::Configured)
                    .left_to_the_image(),
                new_files_are_the_users,
            ),
        ],
    );
    let mounts = row(
        "mounts",
        Profile::Files,
        [
            Case::task("files/tmpfs", probe([]), tmpfs).twin(),
            Case::task("files/shared-mount", probe([]), shared_mount).twin(),
        ],
    );
    [users, mounts].concat()
}

fn another_users_secret(stage: &Stage<'_>) -> Result {
    let ended = with_data(stage, |data| allow(&data.join("secret"), 0o600))?;
    ensure(ended.code == UNUSABLE && ended.stderr().contains("PermissionDenied"), || {
        format!("expected status 5 and PermissionDenied, but saw {}", ended.describe())
    })
}

fn ones_own_secret(stage: &Stage<'_>) -> Result {
    let ended = with_data(stage, |data| {
        let secret = data.join("secret");
        chown(&secret, Some(USER), Some(GROUP))?;
        allow(&secret, 0o600)
    })?;
    ensure((ended.code, &*ended.stdout()) == (0, "content\n"), || {
        format!("expected status 0 and the content, but saw {}", ended.describe())
    })
}

fn new_files_are_the_users(stage: &Stage<'_>) -> Result {
    let mut running = stage.create(&stage.setup())?;
    allow(running.data.path(), 0o777)?;
    running.start()?;
    let (ended, data) = running.end_with_data()?;
    ensure(ended.code == 0, || format!("expected status 0, but saw {}", ended.describe()))?;
    let owner = fs::metadata(data.path().join("new")).map(|new| (new.uid(), new.gid()))?;
    ensure(owner == (USER, GROUP), || format!("the file belongs to {owner:?}"))
}

/// Runs the guest with a `/data` that everybody may read and `prepare` has changed further.
fn with_data(stage: &Stage<'_>, prepare: fn(&Path) -> Result) -> Result<Ended> {
    let mut running = stage.create(&stage.setup())?;
    allow(running.data.path(), 0o755)?;
    prepare(running.data.path())?;
    running.start()?;
    running.end()
}

fn allow(path: &Path, mode: u32) -> Result {
    Ok(fs::set_permissions(path, Permissions::from_mode(mode))?)
}

fn tmpfs(stage: &Stage<'_>) -> Result {
    let scratch = |args: [&str; 2]| -> Result<ContainerSpec> {
        Ok(stage.spec(&stage.setup().args(args))?.tmpfs("/scratch", 1 << 20))
    };
    let listed = stage.shim.node.run(scratch(["list", "/scratch"])?)?;
    ensure(listed.code == 0 && listed.stdout.is_empty(), || {
        format!("expected an empty folder, but saw {:?}", String::from_utf8_lossy(&listed.stdout))
    })?;
    let made = stage.shim.node.run(scratch(["mkdir", "/scratch/new"])?)?;
    ensure(made.code == 0, || format!("expected status 0, but saw {}", made.code))
}

fn shared_mount(stage: &Stage<'_>) -> Result {
    let folder = TempDir::new()?;
    let shared = |setup: Setup| -> Result<ContainerSpec> {
        Ok(stage.spec(&setup)?.mount(folder.path(), "/shared", Access::Write))
    };
    let writer = stage.setup().args(["write", "/shared/note", "from the other\n"]);
    let wrote = stage.shim.node.run(shared(writer)?)?;
    ensure(wrote.code == 0, || format!("expected status 0, but saw {}", wrote.code))?;
    let read = stage.shim.node.run(shared(stage.setup().args(["cwd-read", "/shared/note"]))?)?;
    ensure((read.code, &*read.stdout) == (0, b"from the other\n".as_slice()), || {
        format!("expected what the other wrote, but saw {:?}", String::from_utf8_lossy(&read.stdout))
    })
}
