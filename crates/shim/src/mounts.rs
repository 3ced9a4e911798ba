//! The root of a container, as containerd's snapshotter describes it.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use containerd_shim_protos::api::Mount;
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};

use crate::error::{Error, Kind, Result};

/// How many bytes of options mount(2) takes: a page, with its end.
const LONGEST: usize = 4095;

/// Mounts all of them on `target`, in their order.
///
/// # Errors
///
/// Those of mount(2), with the mount's name; what was mounted before is unmounted.
pub(crate) fn mount_all(mounts: &[Mount], target: &Path) -> Result<()> {
    for mount in mounts {
        mount_one(mount, target).map_err(|error| {
            let failed =
                Error::from(error).during(&format!("cannot mount the container's root, {}", mount.type_));
            match unmount_all(target) {
                Ok(()) => failed,
                Err(error) => Error::new(failed.kind(), format!("{failed}; nor unmount it again: {error}")),
            }
        })?;
    }
    Ok(())
}

/// Unmounts whatever is mounted on `target`, however often.
///
/// # Errors
///
/// Those of umount2(2).
pub(crate) fn unmount_all(target: &Path) -> io::Result<()> {
    loop {
        match rustix::mount::unmount(target, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
            Ok(()) => {}
            // It is no mount point any more, or gone with its bundle.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOENT) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// The folders of the layers that a root consists of, the uppermost first; none where it is no overlay.
pub(crate) fn layers(mounts: &[Mount]) -> Vec<PathBuf> {
    let overlay = mounts.iter().find(|mount| mount.type_ == "overlay");
    let option = |name: &str| {
        let options = overlay.map(|mount| mount.options.as_slice()).unwrap_or_default();
        options.iter().find_map(|option| option.strip_prefix(name)).unwrap_or_default().to_owned()
    };
    let (upper, lower) = (option("upperdir="), option("lowerdir="));
    let folders = [upper].into_iter().chain(lower.split(':').map(str::to_owned));
    folders.filter(|folder| !folder.is_empty()).map(PathBuf::from).collect()
}

fn mount_one(mount: &Mount, target: &Path) -> io::Result<()> {
    let Parsed { flags, propagation, mut data, read_only_bind } = parse(&mount.options)?;
    let mut folder = None;
    if mount.type_ == "overlay" && data.len() > LONGEST {
        let (common, shorter) = shorten(&mount.options)?;
        folder = Some(common);
        data = shorter;
    }
    let data = std::ffi::CString::new(data)?;
    let kind = if mount.type_ == "bind" || mount.type_ == "rbind" { "" } else { mount.type_.as_str() };
    let _back = folder.as_deref().map(Folder::enter).transpose()?;
    rustix::mount::mount(mount.source.as_str(), target, kind, flags, data.as_c_str())?;
    if let Some(propagation) = propagation {
        rustix::mount::mount_change(target, propagation)?;
    }
    if read_only_bind {
        // A bind takes no other flags when it is made.
        rustix::mount::mount_remount(target, flags | MountFlags::RDONLY, c"")?;
    }
    Ok(())
}

struct Parsed {
    flags: MountFlags,
    propagation: Option<MountPropagationFlags>,
    data: String,
    read_only_bind: bool,
}

fn parse(options: &[String]) -> io::Result<Parsed> {
    let (mut flags, mut propagation, mut data) = (MountFlags::empty(), None, Vec::new());
    for option in options {
        match option.as_str() {
            "" | "defaults" | "rw" | "exec" | "suid" | "dev" => {}
            "ro" => flags |= MountFlags::RDONLY,
            "noexec" => flags |= MountFlags::NOEXEC,
            "nosuid" => flags |= MountFlags::NOSUID,
            "nodev" => flags |= MountFlags::NODEV,
            "noatime" => flags |= MountFlags::NOATIME,
            "nodiratime" => flags |= MountFlags::NODIRATIME,
            "relatime" => flags |= MountFlags::RELATIME,
            "strictatime" => flags |= MountFlags::STRICTATIME,
            "sync" => flags |= MountFlags::SYNCHRONOUS,
            "bind" => flags |= MountFlags::BIND,
            "rbind" => flags |= MountFlags::BIND | MountFlags::REC,
            "private" | "rprivate" => propagation = Some(MountPropagationFlags::PRIVATE),
            "slave" | "rslave" => propagation = Some(MountPropagationFlags::DOWNSTREAM),
            "shared" | "rshared" => propagation = Some(MountPropagationFlags::SHARED),
            "loop" => {
                let message = "an image file on a loop device is no root that this shim mounts";
                return Err(io::Error::new(io::ErrorKind::Unsupported, message));
            }
            other => data.push(other),
        }
    }
    let read_only_bind = flags.contains(MountFlags::BIND) && flags.contains(MountFlags::RDONLY);
    Ok(Parsed { flags, propagation, data: data.join(","), read_only_bind })
}

/// The options of an overlay with many layers, as paths from the folder that all of them are in.
fn shorten(options: &[String]) -> io::Result<(PathBuf, String)> {
    let too_many =
        || io::Error::new(io::ErrorKind::InvalidInput, "the image has too many layers for one mount");
    let paths = options.iter().filter_map(|option| {
        let (name, paths) = option.split_once('=')?;
        matches!(name, "lowerdir" | "upperdir" | "workdir").then(|| paths.split(':'))
    });
    let mut common: Option<PathBuf> = None;
    for path in paths.flatten() {
        common = Some(match common {
            None => Path::new(path).parent().map(Path::to_owned).unwrap_or_default(),
            Some(common) => shared(&common, Path::new(path)),
        });
    }
    let common = common.filter(|common| common.parent().is_some()).ok_or_else(too_many)?;
    let prefix = format!("{}/", common.display());
    let Parsed { data, .. } = parse(options)?;
    let data = data.replace(&format!("={prefix}"), "=").replace(&format!(":{prefix}"), ":");
    if data.len() > LONGEST { Err(too_many()) } else { Ok((common, data)) }
}

fn shared(one: &Path, other: &Path) -> PathBuf {
    one.components()
        .zip(other.components())
        .take_while(|(one, other)| one == other)
        .map(|(one, _)| one)
        .collect()
}

/// The process's working directory for as long as this lives. The shim has one thread that uses relative paths.
struct Folder(PathBuf);

impl Folder {
    fn enter(path: &Path) -> io::Result<Self> {
        let before = env::current_dir()?;
        env::set_current_dir(path)?;
        Ok(Self(before))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Nothing else in the shim depends on it.
        let _ = env::set_current_dir(&self.0);
    }
}

/// Makes the folder on which a root is mounted.
///
/// # Errors
///
/// Those of mkdir(2), and [`Kind::Invalid`] where something else is there.
pub(crate) fn target(bundle: &Path) -> Result<PathBuf> {
    let target = bundle.join("rootfs");
    match fs::create_dir(&target) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error.into()),
        _ if !target.is_dir() => Err(Error::new(Kind::Invalid, "the bundle's rootfs is no folder")),
        _ => Ok(target),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(list: &[&str]) -> Vec<String> {
        list.iter().map(|&option| option.to_owned()).collect()
    }

    #[test]
    fn tells_flags_from_data() {
        let parsed =
            parse(&options(&["ro", "nosuid", "lowerdir=/a:/b", "index=off"])).expect("all are known");
        assert_eq!(parsed.flags, MountFlags::RDONLY | MountFlags::NOSUID);
        assert_eq!(parsed.data, "lowerdir=/a:/b,index=off");
        assert!(!parsed.read_only_bind);
        assert!(parse(&options(&["bind", "ro"])).expect("both are known").read_only_bind);
        assert!(parse(&options(&["loop"])).is_err());
    }

    #[test]
    fn many_layers_are_named_from_their_common_folder() {
        let many: Vec<_> = (0..100).map(|number| format!("/var/lib/snapshots/{number}/fs")).collect();
        let lower = format!("lowerdir={}", many.join(":"));
        let (folder, data) =
            shorten(&options(&[&lower, "upperdir=/var/lib/snapshots/x/fs"])).expect("it fits");
        assert_eq!(folder, Path::new("/var/lib/snapshots"));
        assert!(data.starts_with("lowerdir=0/fs:1/fs:"), "{data}");
        assert!(data.ends_with(",upperdir=x/fs"), "{data}");
    }

    #[test]
    fn knows_the_layers_of_a_root() {
        let mount = Mount {
            type_: "overlay".to_owned(),
            options: options(&["workdir=/w", "upperdir=/u", "lowerdir=/b:/a"]),
            ..Mount::default()
        };
        assert_eq!(layers(&[mount]), ["/u", "/b", "/a"].map(PathBuf::from));
        assert!(layers(&[Mount::default()]).is_empty());
    }
}
