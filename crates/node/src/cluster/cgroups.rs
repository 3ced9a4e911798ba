//! The cgroups below which a kubelet makes those of its pods.

use std::fs;
use std::io;
use std::path::Path;

use crate::error::{Error, Result};
use crate::traces;

/// Makes a cgroup in every hierarchy, in which a kubelet can make others.
pub(crate) fn make(name: &str) -> Result<()> {
    for cgroup in traces::cgroups(name)? {
        let made = fs::create_dir_all(&cgroup).and_then(|()| inherit_processors(&cgroup));
        made.map_err(|error| Error::io(format!("make the cgroup {}", cgroup.display()), error))?;
    }
    Ok(())
}

/// A new cgroup of the first version has no processors and no memory, until it is told.
fn inherit_processors(cgroup: &Path) -> io::Result<()> {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        let (own, parent) = (cgroup.join(file), cgroup.join("..").join(file));
        // The second version's inherits by itself, and its root has no such file.
        if own.exists() && parent.exists() && fs::read_to_string(&own)?.trim().is_empty() {
            fs::write(own, fs::read_to_string(parent)?)?;
        }
    }
    Ok(())
}
