mod commands;

use super::lifecycle::expect_size;
use super::row;
use crate::case::Case;
use crate::failure::{Result, ensure};
use crate::images::Form;
use crate::level::Level;
use crate::patience::patience;
use crate::patience::until;
use crate::profile::Profile;
use crate::running::Running;
use crate::setup::{Setup, eater, probe};
use crate::stage::{Stage, refusal};

const SIGINT: u32 = 2;
const SIGTERM: u32 = 15;

pub(super) fn cases() -> Vec<Case> {
    [run(), images(), streams(), ends(), commands::cases()].concat()
}

fn run() -> Vec<Case> {
    let in_docker = |id, setup| Case::new(id, setup).only([Level::Docker]).twin();
    row(
        "docker-run",
        Profile::Docker,
        [
            in_docker("docker/prints", probe(["args", "one two"])).prints_among_others("argv[2]=one two\n"),
            in_docker("docker/exit-code", probe(["proc-exit", "42"])).ends_with(42),
            in_docker("docker/environment", probe(["env"]).env([("A", "1"), ("EQUALS", "a=b=c")]))
                .prints_among_others("A=1\nEQUALS=a=b=c\n")
                .never_prints("DOCKER"),
            in_docker("docker/volume", probe(["cwd-read", "/data/note"]).file("note", "content\n"))
                .prints("content\n"),
            Case::docker("docker/tmpfs", probe(["list", "/scratch"]), tmpfs).twin(),
        ],
    )
}

fn images() -> Vec<Case> {
    let configured = probe([]).form(Form::Configured).left_to_the_image();
    let in_docker = |id, setup| Case::new(id, setup).only([Level::Docker]);
    row(
        "docker-images",
        Profile::Docker,
        [
            in_docker("docker/image-that-says-what-is-run", configured)
                .prints("argv[0]=/probe.wasm\nargv[1]=args\nargv[2]=from the image\n"),
            in_docker("docker/root-with-a-program", probe(["args"]).form(Form::Rootfs))
                .prints("argv[0]=/probe.wasm\nargv[1]=args\n"),
            Case::docker("docker/artifact-by-its-platform", probe(["args"]), artifact_by_its_platform),
            in_docker("docker/native-image", probe(["args"]).native())
                .twin()
                .prints("argv[0]=/probe.sh\nargv[1]=args\n"),
        ],
    )
}

fn streams() -> Vec<Case> {
    row(
        "docker-streams",
        Profile::Docker,
        [
            Case::docker("docker/stdin", probe(["stdin"]).stdin(b"from stdin\n"), stdin).twin(),
            Case::docker("docker/dialogue", probe(["echo"]), dialogue).twin(),
            Case::docker("docker/terminal", probe(["isatty"]), terminal).twin(),
            Case::docker("docker/terminal-answers", probe(["echo"]), terminal_answers).twin(),
            Case::docker("docker/terminal-has-the-given-size", probe(["echo"]), terminal_size).twin(),
            Case::docker("docker/logs-of-both-streams", probe(["stdin"]).stdin(b"text\n"), logs).twin(),
            Case::docker("docker/logs-are-followed", probe(["tick"]), followed_logs).twin(),
        ],
    )
}

fn ends() -> Vec<Case> {
    let nowhere = |path| probe([]).form(Form::Userland).path(path);
    row(
        "docker-ends",
        Profile::Docker,
        [
            Case::docker("docker/stop-sends-sigterm", probe(["sleep"]), stop).twin(),
            Case::docker("docker/kill-sends-any-signal", probe(["sleep"]), kill).twin(),
            Case::docker("docker/out-of-memory-is-told", eater().memory(128 << 20), out_of_memory).twin(),
            Case::docker("docker/starts-again", probe(["proc-exit", "7"]), starts_again).twin(),
            Case::docker("docker/restarts-on-failure", probe(["proc-exit", "5"]), restarts_on_failure).twin(),
            Case::docker("docker/what-does-not-exist-is-127", nowhere("/no/such/program"), |stage| {
                refused_with(stage, 127)
            })
            .twin(),
            Case::docker("docker/what-is-no-program-is-126", nowhere("/bin"), |stage| {
                refused_with(stage, 126)
            })
            .twin(),
            Case::docker("docker/refusal-is-told", Setup::of_bytes("app.wasm", b"hello"), refusal_is_told),
        ],
    )
}

fn tmpfs(stage: &Stage<'_>) -> Result {
    let spec = stage.docker_spec(&stage.setup())?.tmpfs("/scratch", 1 << 20);
    let mut running = stage.create_in_docker(&spec)?;
    running.start()?;
    ended(running, 0, "")
}

/// `docker run --platform wasi/wasm`, as Docker's own pages on WebAssembly say it, of an artifact that is of that
/// platform behind an index.
fn artifact_by_its_platform(stage: &Stage<'_>) -> Result {
    let setup = stage.setup().form(Form::Index);
    let mut running = stage.create_in_docker(&stage.docker_spec(&setup)?.platform("wasip1/wasm"))?;
    running.start()?;
    ended(running, 0, "argv[0]=/probe.wasm\nargv[1]=args\n")
}

fn stdin(stage: &Stage<'_>) -> Result {
    ended(stage.start(&stage.setup())?, 0, "from stdin\n")
}

/// Each line is answered before the next one is sent.
fn dialogue(stage: &Stage<'_>) -> Result {
    let mut running = stage.create_in_docker(&stage.docker_spec(&stage.setup())?.stdin_open())?;
    running.start()?;
    let container = running.in_docker()?;
    for line in ["one\n", "two\n", "three\n"] {
        container.write(line)?;
        container.wait_for(line, patience())?;
    }
    container.close_stdin();
    ended(running, 0, "one\ntwo\nthree\n")
}

fn terminal(stage: &Stage<'_>) -> Result {
    let spec = stage.docker_spec(&stage.setup())?.terminal().stdin_open();
    let mut running = stage.create_in_docker(&spec)?;
    running.start()?;
    ended(running, 0, "stdin: tty\r\nstdout: tty\r\nstderr: tty\r\n")
}

fn terminal_answers(stage: &Stage<'_>) -> Result {
    let spec = stage.docker_spec(&stage.setup())?.terminal().stdin_open();
    let mut running = stage.create_in_docker(&spec)?;
    running.start()?;
    let container = running.in_docker()?;
    container.write("one\n")?;
    // The first is the terminal's own echo.
    container.wait_for("one\r\none\r\n", patience())?;
    // End of transmission, as a person types it.
    container.write("\x04")?;
    ended(running, 0, "one\r\none\r\n")
}

fn terminal_size(stage: &Stage<'_>) -> Result {
    let spec = stage.docker_spec(&stage.setup())?.terminal().stdin_open();
    let mut running = stage.create_in_docker(&spec)?;
    running.start()?;
    running.in_docker()?.resize(123, 45)?;
    expect_size(&running, "45 123")
}

fn logs(stage: &Stage<'_>) -> Result {
    let mut running = stage.start(&stage.setup())?;
    let container = running.in_docker()?;
    container.wait(patience())?;
    let log = container.log()?;
    let (stdout, stderr) = (text(&log.stdout), text(&log.stderr));
    ensure(stdout == "text\n" && stderr.contains("5 bytes"), || {
        format!("expected what was read and how much, but the log has {stdout:?} and {stderr:?}")
    })
}

fn followed_logs(stage: &Stage<'_>) -> Result {
    let mut running = stage.start(&stage.setup())?;
    let container = running.in_docker()?;
    let log = container.follow_log()?;
    log.wait_for("1\n2\n3\n", patience())?;
    container.kill(SIGTERM)?;
    container.wait(patience())?;
    let stdout = text(&log.finish()?.stdout);
    ensure(stdout.starts_with("1\n2\n3\n"), || format!("expected ticks, but the log has {stdout:?}"))
}

fn stop(stage: &Stage<'_>) -> Result {
    let mut running = ready(stage)?;
    running.in_docker()?.stop(patience())?;
    is(&mut running, "exited", 128 + SIGTERM)
}

fn kill(stage: &Stage<'_>) -> Result {
    let mut running = ready(stage)?;
    running.kill(SIGINT)?;
    running.in_docker()?.wait(patience())?;
    is(&mut running, "exited", 128 + SIGINT)
}

fn out_of_memory(stage: &Stage<'_>) -> Result {
    let mut running = stage.start(&stage.setup())?;
    running.tell_eater()?;
    let container = running.in_docker()?;
    container.wait(patience())?;
    // containerd tells the reason by another way than the end.
    until(patience(), || {
        let state = container.inspect()?;
        let is_told = state.is_oom_killed && state.code == 137;
        Ok((!is_told).then(|| format!("expected OOMKilled and status 137, but saw {state:?}")))
    })
}

/// `docker start` of a container that has ended.
fn starts_again(stage: &Stage<'_>) -> Result {
    let mut running = stage.start(&stage.setup())?;
    let container = running.in_docker()?;
    let first = container.wait(patience())?;
    container.start()?;
    let second = container.wait(patience())?;
    ensure((first, second) == (7, 7), || format!("expected status 7 twice, but saw {first} and {second}"))
}

fn restarts_on_failure(stage: &Stage<'_>) -> Result {
    let spec = stage.docker_spec(&stage.setup())?.restart_on_failure(2);
    let mut running = stage.create_in_docker(&spec)?;
    running.start()?;
    let container = running.in_docker()?;
    // Whoever waits is told of the first end.
    until(patience(), || {
        let state = container.inspect()?;
        let given_up = (state.restarts, state.code, &*state.status) == (2, 5, "exited");
        Ok((!given_up)
            .then(|| format!("expected to have ended with 5 after two restarts, but saw {state:?}")))
    })
}

/// The statuses that a shell gives, and `docker run` with it.
fn refused_with(stage: &Stage<'_>, code: u32) -> Result {
    let mut running = stage.create(&stage.setup())?;
    refusal(running.in_docker()?.start())?;
    is(&mut running, "created", code)
}

/// `docker run` says why, `docker inspect` as well, and the container is none that runs.
fn refusal_is_told(stage: &Stage<'_>) -> Result {
    let mut running = stage.create(&stage.setup())?;
    let (_, sentence) = refusal(running.in_docker()?.start())?;
    let state = running.in_docker()?.inspect()?;
    let told = |text: &str| text.contains("app.wasm") && text.contains(&stage.shim.name);
    ensure(told(&sentence) && told(&state.error) && state.code != 0 && state.status != "running", || {
        format!("expected the file and the engine to be named, but saw {sentence:?} and {state:?}")
    })
}

/// A guest that has printed `ready`.
fn ready<'a>(stage: &'a Stage<'_>) -> Result<Running<'a>> {
    let running = stage.start(&stage.setup())?;
    running.wait_for("ready\n")?;
    Ok(running)
}

fn is(running: &mut Running<'_>, status: &str, code: u32) -> Result {
    let container = running.in_docker()?;
    // dockerd learns by containerd's events, also of what it did itself.
    until(patience(), || {
        let state = container.inspect()?;
        let is_so = state.status == status && state.code == code;
        Ok((!is_so).then(|| format!("expected {status} with status {code}, but saw {state:?}")))
    })
}

fn ended(running: Running<'_>, code: u32, stdout: &str) -> Result {
    let ended = running.end()?;
    ensure(ended.code == code && ended.stdout() == stdout, || {
        format!("expected status {code} and {stdout:?}, but saw {}", ended.describe())
    })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
