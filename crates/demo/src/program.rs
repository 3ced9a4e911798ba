use std::fs::{self, File};
use std::io::Write;

use shimmer_node::{Access, ContainerSpec, Image, Node};
use shimmer_oci::{Archive, Digest, NewImage, Platform, Rootfs};
use tempfile::TempDir;

use crate::Error;
use crate::row::Kind;

const HELLO: &[u8] = include_bytes!("../../../conformance/guests/prebuilt/hello.wasm");
const CHECKSUM: &[u8] = include_bytes!("../../../conformance/guests/prebuilt/checksum.wasm");
/// A static program that is many: it stands in for any native container.
const BUSYBOX: &str = "/bin/busybox";
/// How much the real program hashes, in bytes.
const INPUT: usize = 16 << 20;

/// A program of the demo, in all its images.
pub(crate) struct Program {
    pub(crate) name: &'static str,
    /// What it does, for the table.
    pub(crate) does: String,
    /// The status that it must end with.
    pub(crate) code: u32,
    /// What it must write to stdout.
    pub(crate) stdout: String,
    wasm: Vec<String>,
    native: Vec<String>,
    env: Option<(&'static str, &'static str)>,
    images: [Image; 3],
    data: TempDir,
}

impl Program {
    /// A hello, and a real program with real work: it hashes a mounted file and compares it with a list that is wrong in
    /// one place, so that its exit status carries meaning.
    pub(crate) fn all(node: &Node) -> Result<Vec<Self>, Error> {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let data =
            || TempDir::new().map_err(|source| Error::Io { what: "no folder for input".into(), source });
        let hello = Self {
            name: "hello",
            does: "greets a name in its environment".into(),
            code: 0,
            stdout: "hello from wasm: demo\n".into(),
            wasm: words(&["/hello.wasm"]),
            native: words(&["/busybox", "echo", "hello from wasm: demo"]),
            env: Some(("GREETING_NAME", "demo")),
            images: images(node, "hello", HELLO)?,
            data: data()?,
        };
        let input = data()?;
        let (sums, stdout) =
            write_input(&input).map_err(|source| Error::Io { what: "no input".into(), source })?;
        let checksum = Self {
            name: "checksum",
            does: format!("hashes {} MiB of a mounted folder against a list that is wrong once", INPUT >> 20),
            code: 1,
            stdout,
            wasm: words(&["/checksum.wasm", "--check", sums]),
            native: words(&["/busybox", "sha256sum", "-c", sums]),
            env: None,
            images: images(node, "checksum", CHECKSUM)?,
            data: input,
        };
        Ok(vec![hello, checksum])
    }

    /// A container of this program.
    pub(crate) fn container(&self, id: &str, engine: &str, kind: Kind) -> ContainerSpec {
        let runtime = if kind == Kind::Native {
            "io.containerd.runc.v2".to_owned()
        } else {
            format!("io.containerd.{engine}.v1")
        };
        let args = if kind == Kind::Native { &self.native } else { &self.wasm };
        let spec = ContainerSpec::new(id, &self.images[kind as usize], runtime)
            .args(args.iter().map(String::as_str))
            .mount(self.data.path(), "/data", Access::Read);
        self.env.into_iter().fold(spec, |spec, (name, value)| spec.env(name, value))
    }
}

/// Two files of known content, and their checksums, of which the second is not the file's. Returns the list's path and
/// what a checker must print.
fn write_input(folder: &TempDir) -> std::io::Result<(&'static str, String)> {
    let content: Vec<u8> = (0..INPUT).map(|position| (position * 31 % 251) as u8).collect();
    fs::write(folder.path().join("good"), &content)?;
    fs::write(folder.path().join("bad"), b"changed")?;
    let mut sums = File::create(folder.path().join("SHA256SUMS"))?;
    writeln!(sums, "{}  /data/good", Digest::of(&content).hex())?;
    writeln!(sums, "{}  /data/bad", Digest::of(b"as it was").hex())?;
    Ok(("/data/SHA256SUMS", "/data/good: OK\n/data/bad: FAILED\n".to_owned()))
}

/// The native, rootfs and artifact image of a program, in the order of [`Kind`].
fn images(node: &Node, name: &str, wasm: &[u8]) -> Result<[Image; 3], Error> {
    let unreadable = |source| Error::Io { what: format!("{BUSYBOX} (Debian's busybox-static)"), source };
    let busybox = fs::read(BUSYBOX).map_err(unreadable)?;
    let native = Rootfs::new(Platform::host()).file("/busybox", 0o755, busybox).build()?;
    let rootfs = Rootfs::new(Platform::host()).file(&format!("/{name}.wasm"), 0o755, wasm).build()?;
    Ok([
        import(node, &format!("shimmer.demo/{name}:native"), native)?,
        import(node, &format!("shimmer.demo/{name}:rootfs"), rootfs)?,
        import(node, &format!("shimmer.demo/{name}:artifact"), NewImage::artifact(wasm))?,
    ])
}

fn import(node: &Node, reference: &str, image: NewImage) -> Result<Image, Error> {
    let unwritable = |source| Error::Io { what: "no folder for an archive".into(), source };
    let folder = TempDir::new().map_err(unwritable)?;
    let path = folder.path().join("image.tar");
    Archive::default().image(reference, image).write(File::create(&path).map_err(unwritable)?)?;
    let missing =
        || Error::Io { what: reference.to_owned(), source: std::io::Error::other("it was not imported") };
    node.import(&path)?.into_iter().next().ok_or_else(missing)
}
