use shimmer_node::Output;

use crate::Scenario;
use crate::guests::{HELLO, Program};
use crate::images::Form;
use crate::task::{Shim, text};

const GREETING: &str = "hello from wasm: image\n";
/// Prints as `hello` does, from the text format.
const WAT: Program = Program { name: "hello.wat", bytes: include_bytes!("hello.wat") };

pub(super) fn scenarios() -> Vec<Scenario> {
    let of = |id, play| Scenario { id, program: HELLO, needs: |_| true, play };
    vec![
        of("image/rootfs", |shim| greets(&run(shim, "image/rootfs", Form::Rootfs, HELLO)?)),
        of("image/rootfs-wat", |shim| greets(&run(shim, "image/rootfs-wat", Form::Rootfs, WAT)?)),
        of("image/cncf-artifact", |shim| greets(&run(shim, "image/cncf-artifact", Form::Artifact, HELLO)?)),
        of("image/runwasi-layer", |shim| {
            greets(&run(shim, "image/runwasi-layer", Form::RunwasiLayer, HELLO)?)
        }),
        of("image/spin-layer", |shim| greets(&run(shim, "image/spin-layer", Form::SpinLayer, HELLO)?)),
        of("image/native", native),
        of("image/missing-file", missing_file),
    ]
}

/// busybox stands in for any native program.
fn native(shim: &Shim) -> Result<(), String> {
    let busybox =
        std::fs::read("/bin/busybox").map_err(|error| format!("busybox-static is not installed: {error}"))?;
    let image = shim.image(Form::Rootfs, "busybox", &busybox)?;
    let spec = shim.container("image/native", &image).args(["/busybox", "echo", GREETING.trim_end()]);
    greets(&shim.run(spec).map_err(text)?)
}

fn missing_file(shim: &Shim) -> Result<(), String> {
    let image = shim.image(Form::Rootfs, HELLO.name, HELLO.bytes)?;
    let spec = shim.container("image/missing-file", &image).args(["/no/such.wasm"]);
    let error = shim.run(spec).err().ok_or("a container without its program was created")?.to_string();
    let says = ["/no/such.wasm", "does not exist", shim.info.name];
    if says.iter().all(|part| error.contains(part)) { Ok(()) } else { Err(error) }
}

fn run(shim: &Shim, id: &str, form: Form, Program { name, bytes }: Program) -> Result<Output, String> {
    let image = shim.image(form, name, bytes)?;
    let spec = shim.container(id, &image).args([format!("/{name}")]).env("GREETING_NAME", "image");
    shim.run(spec).map_err(text)
}

fn greets(output: &Output) -> Result<(), String> {
    let stdout = String::from_utf8_lossy(&output.stdout);
    if output.code == 0 && stdout == GREETING {
        return Ok(());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    Err(format!(
        "expected status 0 and {GREETING:?}, but saw {}, {stdout:?} and on stderr {stderr:?}",
        output.code
    ))
}
