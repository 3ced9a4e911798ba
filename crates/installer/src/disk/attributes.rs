//! What a file has besides its bytes, owner and mode: the label of SELinux, access control lists, and what users noted.

use std::io;
use std::os::fd::AsFd;

use rustix::fs::{XattrFlags, fgetxattr, fgetxattr_query, flistxattr, flistxattr_query, fsetxattr};
use rustix::io::Errno;

/// Gives `to` the extended attributes of `from`, save those that speak of its bytes.
pub(crate) fn copy(from: impl AsFd, to: impl AsFd) -> io::Result<()> {
    let names = match whole(|| flistxattr_query(&from), |buffer| flistxattr(&from, buffer)) {
        // The filesystem has none.
        Err(Errno::NOTSUP) => return Ok(()),
        names => names?,
    };
    let names = names.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    for name in names.filter(|name| !OF_THE_BYTES.contains(name)) {
        let value = whole(|| fgetxattr_query(&from, name), |buffer| fgetxattr(&from, name, buffer));
        let set = value.and_then(|value| fsetxattr(&to, name, &value, XattrFlags::empty()));
        set.map_err(|error| {
            let name = String::from_utf8_lossy(name);
            io::Error::other(format!("its attribute {name} cannot be kept: {error}"))
        })?;
    }
    Ok(())
}

/// The kernel measures and signs a file by them: other bytes get others.
const OF_THE_BYTES: [&[u8]; 2] = [b"security.ima", b"security.evm"];

/// All that `read` gives; `size` says how much that is.
fn whole(
    size: impl Fn() -> rustix::io::Result<usize>,
    read: impl Fn(&mut [u8]) -> rustix::io::Result<usize>,
) -> rustix::io::Result<Vec<u8>> {
    loop {
        let mut buffer = vec![0; size()?];
        if buffer.is_empty() {
            return Ok(buffer);
        }
        match read(&mut buffer) {
            // It grew meanwhile.
            Err(Errno::RANGE) => {}
            read => {
                buffer.truncate(read?);
                return Ok(buffer);
            }
        }
    }
}
