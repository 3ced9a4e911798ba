use super::row;
use crate::case::Case;
use crate::guests::{HELLO, HELLO_COMPONENT, Program};
use crate::images::Form;
use crate::level::Level;
use crate::profile::Profile;
use crate::setup::{Setup, busybox};

const GREETING: &str = "hello from wasm: image\n";
/// Prints as `hello` does, from the text format.
const WAT: Program = Program { name: "hello.wat", bytes: include_bytes!("images/hello.wat") };

/// WASI's number of the error.
const NOENT: u32 = 44;

pub(super) fn cases() -> Vec<Case> {
    [formats(), roots(), names(), configurations(), native()].concat()
}

fn formats() -> Vec<Case> {
    row(
        "images",
        Profile::Images,
        [
            greets("image/rootfs", HELLO, Form::Rootfs),
            greets("image/rootfs-wat", WAT, Form::Rootfs),
            greets("image/rootfs-with-a-userland", HELLO, Form::Userland),
            greets("image/cncf-artifact", HELLO, Form::Artifact),
            greets("image/runwasi-layer", HELLO, Form::RunwasiLayer),
            greets("image/spin-layer", HELLO, Form::SpinLayer),
            greets("image/index", HELLO, Form::Index),
            greets("image/component-rootfs", HELLO_COMPONENT, Form::Rootfs).needs(&["components"]),
            greets("image/component-cncf-artifact", HELLO_COMPONENT, Form::Artifact).needs(&["components"]),
            greets("image/component-runwasi-layer", HELLO_COMPONENT, Form::RunwasiLayer)
                .needs(&["components"]),
            greets("image/component-spin-layer", HELLO_COMPONENT, Form::SpinLayer).needs(&["components"]),
        ],
    )
}

fn roots() -> Vec<Case> {
    let layered = |id, path: &str| Case::new(id, opens().args([path]).form(Form::Layers)).only(CONTAINERS);
    row(
        "image-roots",
        Profile::Images,
        [
            greets("image/index-of-platforms", HELLO, Form::Platforms),
            layered("image/upper-layer-removes", "app/gone").ends_with(NOENT),
            layered("image/upper-layer-replaces", "app/replaced").prints("new\n"),
            layered("image/upper-layer-keeps", "app/kept").prints("old\n"),
        ],
    )
}

fn names() -> Vec<Case> {
    let called = |id, name: &str| {
        let setup = Setup { name: name.to_owned(), ..Setup::of(HELLO) }.form(Form::Rootfs);
        Case::new(id, setup.env([("GREETING_NAME", "image")])).only(CONTAINERS).prints(GREETING)
    };
    let in_path = Setup { name: "opt/tools/hello.wasm".to_owned(), ..Setup::of(HELLO) }
        .form(Form::Rootfs)
        .path("hello.wasm")
        .env([("PATH", "/nowhere:/opt/tools"), ("GREETING_NAME", "image")]);
    let programs = row(
        "entrypoint",
        Profile::Images,
        [
            Case::new("image/bare-name-in-path", in_path).prints(GREETING),
            called("image/name-without-an-ending", "hello"),
            called("image/name-in-upper-case", "HELLO.WASM"),
        ],
    );
    let missing = row(
        "no-program",
        Profile::Images,
        [Case::new("image/missing-file", Setup::of(HELLO).form(Form::Rootfs).path("/no/such.wasm"))
            .refused(["/no/such.wasm", "does not exist"])],
    );
    [programs, missing].concat()
}

fn configurations() -> Vec<Case> {
    let imaged = |id, setup: Setup| Case::new(id, setup.form(Form::Configured).left_to_the_image());
    row(
        "image-configuration",
        Profile::Images,
        [
            imaged("image/entrypoint-and-command", says())
                .prints_among_others("/say.wasm\nargs\nfrom the image\n"),
            imaged("image/arguments-replace-the-command", says().args(["from the container"]))
                .prints_among_others("/say.wasm\nfrom the container\n")
                .never_prints("from the image"),
            imaged("image/environment", says()).prints_among_others("FROM_IMAGE=yes\n"),
            imaged("image/containers-environment-wins", says().env([("FROM_IMAGE", "no")]))
                .prints_among_others("FROM_IMAGE=no\n")
                .never_prints("FROM_IMAGE=yes"),
            imaged("image/working-directory", opens().args(["note"])).prints("from the image\n"),
            // The task service gets what its client has put together, which is never nothing.
            Case::new("image/artifact-without-a-command", Setup::of(HELLO).left_to_the_image())
                .only([Level::Cri, Level::Kube])
                .refused(["no command"]),
        ],
    )
}

fn native() -> Vec<Case> {
    row(
        "native",
        Profile::Sidecar,
        [Case::new("image/native", busybox(["echo", "native"])).prints("native\n")],
    )
}

/// Prints arguments and environment.
fn says() -> Setup {
    Setup::of_text("say.wasm", include_str!("images/say.wat"))
}

/// Opens a file in the working directory.
pub(super) fn opens() -> Setup {
    Setup::of_text("open.wasm", include_str!("images/open.wat"))
}

/// Where there are images.
const CONTAINERS: [Level; 3] = [Level::Task, Level::Cri, Level::Kube];

fn greets(id: &'static str, program: Program, form: Form) -> Case {
    let setup = Setup::of(program).form(form).env([("GREETING_NAME", "image")]);
    Case::new(id, setup).only(CONTAINERS).prints(GREETING)
}
