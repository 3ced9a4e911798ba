//! A shim that answers every call and creates nothing: what a container costs under it is containerd's own part, and
//! that of a shim's two processes, which no shim can save.
//!
//! A task of it has no process but the shim's, and ends as soon as it is started. Everything else is as containerd
//! expects it of a shim: `start` leaves a server behind and prints its address, the server tells of each step by an
//! event and ends when it is told to, `delete` prints how the task ended. One thread and blocking calls do for that.

mod arguments;
mod event;
mod task;
mod wire;

use std::fs;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use containerd_shim_protos::api::DeleteResponse;
use containerd_shim_protos::protobuf::Message;

use crate::arguments::{Action, Arguments};
use crate::event::Publisher;
use crate::task::Task;

fn main() -> ExitCode {
    let arguments = Arguments::parse(std::env::args().skip(1));
    let outcome = match arguments.action {
        Action::Start => start(&arguments),
        Action::Delete => delete(),
        Action::Serve => serve(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // containerd reads it; where it does not, the status says it.
            let _ = writeln!(io::stderr(), "floor: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Leaves a server behind, whose stdin is the socket, and prints its address.
fn start(arguments: &Arguments) -> io::Result<()> {
    let socket = arguments.socket();
    fs::create_dir_all(socket.parent().unwrap_or_else(|| Path::new("/")))?;
    let listener = UnixListener::bind(&socket)?;
    Command::new(std::env::current_exe()?)
        .args(arguments.of_server())
        .stdin(OwnedFd::from(listener))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()?;
    print!("unix://{}", socket.display());
    Ok(())
}

/// Nothing is left of a task that was never there.
fn delete() -> io::Result<()> {
    let ended = DeleteResponse { exited_at: Some(event::now()).into(), ..DeleteResponse::default() };
    io::stdout().write_all(&ended.write_to_bytes().map_err(io::Error::other)?)
}

/// Serves one connection after the other: containerd has one, and another after it was restarted.
fn serve(arguments: &Arguments) -> io::Result<()> {
    let listener = UnixListener::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut task = Task::new(arguments.id.clone(), Publisher::connect(arguments)?);
    loop {
        let (connection, _) = listener.accept()?;
        if task.serve(connection)? {
            return fs::remove_file(arguments.socket());
        }
    }
}
