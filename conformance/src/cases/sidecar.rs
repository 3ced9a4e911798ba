mod beside;

use super::row;
use crate::case::Case;
use crate::failure::{Result, ensure};
use crate::level::Level;
use crate::profile::Profile;
use crate::setup::{Setup, busybox, probe};
use crate::stage::Stage;

const SIGTERM: u32 = 15;

pub(super) fn cases() -> Vec<Case> {
    [process(), lookup(), ends(), beside::cases()].concat()
}

fn native<const N: usize>(args: [&str; N]) -> Setup {
    probe(args).native()
}

fn process() -> Vec<Case> {
    let in_a_folder = native(["cwd-read", "note"]).file("note", "inside\n").cwd("/data");
    let environment = native(["environ-file"]).env([("A", "1"), ("EMPTY", ""), ("EQUALS", "a=b=c")]);
    row(
        "sidecar-process",
        Profile::Sidecar,
        [
            Case::new("sidecar/arguments", native(["args", "one two", "", "ü", "$HOME", "*"]))
                .twin()
                .prints_among_others("argv[0]=/probe.sh\nargv[1]=args\nargv[2]=one two\nargv[3]=\n")
                .prints_among_others("\nargv[4]=ü\nargv[5]=$HOME\nargv[6]=*\n"),
            Case::container("sidecar/environment-is-as-given", environment, environment_is_as_given).twin(),
            Case::new("sidecar/working-directory", in_a_folder).twin().prints("inside\n"),
            Case::new("sidecar/user", busybox(["id"]).user(1000, 1001))
                .twin()
                .prints_among_others("uid=1000 gid=1001"),
        ],
    )
}

fn lookup() -> Vec<Case> {
    let script = busybox(["one"]).path("/data/script");
    row(
        "sidecar-program",
        Profile::Sidecar,
        [
            Case::new("sidecar/bare-name", busybox(["cat", "/proc/self/cmdline"]).path("busybox"))
                .twin()
                .prints("busybox\0cat\0/proc/self/cmdline\0"),
            Case::new(
                "sidecar/bare-name-in-a-path-of-its-own",
                native(["exit", "7"]).path("probe.sh").env([("PATH", "/nowhere:/")]),
            )
            .twin()
            .ends_with(7),
            Case::new("sidecar/missing-program", busybox([]).path("/no/such/program"))
                .twin()
                .refused(["/no/such/program"]),
            Case::new("sidecar/missing-bare-name", busybox([]).path("no-such-program"))
                .twin()
                .refused(["no-such-program"]),
            Case::new("sidecar/not-executable", script.file("script", "#!/busybox sh\necho ran\n"))
                .twin()
                .refused(["/data/script", "ermission denied"]),
        ],
    )
}

fn ends() -> Vec<Case> {
    row(
        "sidecar-ends",
        Profile::Sidecar,
        [
            Case::new("sidecar/status", native(["exit", "42"])).twin().ends_with(42),
            Case::new("sidecar/streams", native(["stderr", "to stderr"]))
                .twin()
                .prints("")
                .complains("to stderr\n"),
            Case::container("sidecar/sigterm", native(["sleep"]), sigterm).twin(),
            Case::container("sidecar/exec", native(["sleep"]), exec).twin(),
        ],
    )
}

/// Besides what the specification gives there may be a home directory, which runc looks up.
fn environment_is_as_given(stage: &Stage<'_>) -> Result {
    let ended = stage.start(&stage.setup())?.end_unnoted()?;
    let text = ended.stdout();
    let mut seen: Vec<&str> = text.lines().filter(|line| !line.starts_with("HOME=")).collect();
    seen.sort_unstable();
    let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let mut expected = vec!["A=1", "EMPTY=", "EQUALS=a=b=c"];
    let host = text.lines().find(|line| line.starts_with("HOSTNAME="));
    // containerd's CRI adds the pod's name, Docker the container's id.
    expected.extend(host.filter(|_| stage.level != Level::Task));
    expected.push(path);
    ensure(seen == expected, || format!("expected {expected:?}, but saw {}", ended.describe()))
}

fn sigterm(stage: &Stage<'_>) -> Result {
    let running = stage.start(&stage.setup())?;
    running.wait_for("ready\n")?;
    running.kill(SIGTERM)?;
    let ended = running.end()?;
    ensure(ended.code == 128 + SIGTERM, || format!("expected status 143, but saw {}", ended.describe()))
}

fn exec(stage: &Stage<'_>) -> Result {
    let running = stage.start(&stage.setup())?;
    running.wait_for("ready\n")?;
    let seen = running.exec(["/probe.sh", "exit", "9"])?;
    ensure(seen.code == 9, || format!("expected status 9, but saw {}", seen.code))
}
