use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use crate::error::{Error, Kind, Result};
use crate::stdio::Names;

/// A program that takes a process's output: `binary://` addresses, as containerd's shims have them.
#[derive(Debug)]
pub(crate) struct Logger {
    /// It ends by itself when the output does.
    _program: Child,
}

impl Logger {
    /// Starts `address`, a path with arguments as a query, with stdout as descriptor 3, stderr as 4, and a pipe as 5,
    /// which it closes when it is ready.
    ///
    /// # Errors
    ///
    /// Those of execve(2), and [`Kind::Internal`] where it ends before it is ready.
    pub(crate) async fn start(address: &str, names: &Names<'_>) -> Result<(Self, [OwnedFd; 2])> {
        let (path, query) = address.split_once('?').unwrap_or((address, ""));
        let (stdout, stdout_writer) = io::pipe()?;
        let (stderr, stderr_writer) = io::pipe()?;
        let (mut ready, ready_writer) = io::pipe()?;
        let mut command = Command::new(path);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            command.arg(decoded(name));
            if !value.is_empty() {
                command.arg(decoded(value));
            }
        }
        command.env("CONTAINER_ID", names.id).env("CONTAINER_NAMESPACE", names.namespace);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let numbers = [stdout.as_raw_fd(), stderr.as_raw_fd(), ready_writer.as_raw_fd()];
        // SAFETY: between fork and execve only dup2(2) and fcntl(2) are called. The numbers are first moved out of the
        // way of 3 to 5, and only those three lose FD_CLOEXEC.
        unsafe {
            command.pre_exec(move || {
                let mut moved = [0; 3];
                for (to, from) in moved.iter_mut().zip(numbers) {
                    *to = libc::fcntl(from, libc::F_DUPFD_CLOEXEC, 10);
                }
                for (to, from) in (3..).zip(moved) {
                    if libc::dup2(from, to) < 0 {
                        return Err(io::Error::last_os_error());
                    }
                }
                Ok(())
            });
        }
        let program = command.spawn().map_err(|error| Error::from(error).during(path))?;
        drop(ready_writer);
        let told = tokio::task::spawn_blocking(move || ready.read(&mut [0; 1])).await;
        told.map_err(io::Error::other)?.map_err(|error| {
            Error::new(Kind::Internal, format!("the logging program {path} does not get ready: {error}"))
        })?;
        Ok((Self { _program: program }, [stdout_writer.into(), stderr_writer.into()]))
    }
}

/// A part of a query with its `%XX` and `+` decoded; what is no such sequence stays.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        let hex = more.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let code = hex.filter(|_| *first == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(code.unwrap_or(if *first == b'+' { b' ' } else { *first }));
        rest = if code.is_some() { &more[2..] } else { more };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_decoded() {
        assert_eq!(decoded("a%20b+c%2"), "a b c%2");
        assert_eq!(decoded("%C3%A4"), "ä");
    }
}
