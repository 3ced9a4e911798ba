//! Second programs in a container of Docker.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bollard::errors::Error as Refusal;
use bollard::exec::{CreateExecOptions, StartExecOptions, StartExecResults};

use super::api::Api;
use super::streams::{Connection, Streams};
use crate::PATIENCE;
use crate::error::{Error, ErrorKind, Result};
use crate::exec::ExecSpec;

/// What a second program did.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Execution {
    /// Its exit code.
    pub code: u32,
    /// What it wrote to stdout, or to its terminal.
    pub stdout: Vec<u8>,
    /// What it wrote to stderr.
    pub stderr: Vec<u8>,
}

/// Runs a program in the container `id`, to its end; `doing` completes "cannot …".
///
/// Where the program cannot be started, dockerd says so in place of its output, as `docker exec` shows it.
pub(crate) fn run(
    api: &Arc<Api>,
    id: &str,
    doing: &str,
    spec: ExecSpec,
    timeout: Duration,
) -> Result<Execution> {
    let (options, bytes) = described(spec);
    let tty = options.tty.unwrap_or_default();
    let exec = api.wait(doing, api.docker().create_exec(id, options))?.id;
    let start = StartExecOptions { tty, ..StartExecOptions::default() };
    let connection = match api.wait(doing, api.docker().start_exec(&exec, Some(start)))? {
        StartExecResults::Attached { output, input } => Connection { output, input },
        StartExecResults::Detached => {
            let message = format!("cannot {doing}: dockerd has attached nothing");
            return Err(Error::new(ErrorKind::Answer, message));
        }
    };
    let mut streams = Streams::new(Arc::clone(api), connection, bytes)?;
    streams.close();
    let (stdout, stderr) = streams.finish_within(timeout)?;
    let ended = ended(api, &exec, doing)?;
    if !ended.was_started {
        let said = String::from_utf8_lossy(&[stdout, stderr].concat()).trim().to_owned();
        let message = format!("{said} (status {})", ended.code);
        return Err(Error::docker(doing, Refusal::DockerStreamError { error: message }));
    }
    Ok(Execution { code: ended.code, stdout, stderr })
}

fn described(spec: ExecSpec) -> (CreateExecOptions<String>, Vec<u8>) {
    let ExecSpec { args, env, cwd, user, terminal, .. } = &spec;
    let options = CreateExecOptions {
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        tty: Some(*terminal),
        cmd: Some(args.clone()),
        env: Some(env.clone()),
        user: user.map(|(user, group)| format!("{user}:{group}")),
        working_dir: cwd.clone(),
        ..CreateExecOptions::default()
    };
    (options, spec.input.into_bytes())
}

struct Ended {
    code: u32,
    was_started: bool,
}

/// Its streams may end a moment before dockerd knows how it ended.
#[expect(clippy::disallowed_methods, reason = "dockerd has no call that waits for the end of such a program")]
fn ended(api: &Api, exec: &str, doing: &str) -> Result<Ended> {
    let begin = Instant::now();
    loop {
        let state = api.wait(doing, api.docker().inspect_exec(exec))?;
        let code = state.exit_code.filter(|_| state.running == Some(false));
        if let Some(code) = code.and_then(|code| u32::try_from(code).ok()) {
            return Ok(Ended { code, was_started: state.pid.is_some_and(|pid| pid != 0) });
        }
        if begin.elapsed() > PATIENCE {
            let message = format!("cannot {doing}: {PATIENCE:?} after its streams it has not ended");
            return Err(Error::new(ErrorKind::Timeout, message));
        }
        std::thread::sleep(PAUSE);
    }
}

const PAUSE: Duration = Duration::from_millis(5);
