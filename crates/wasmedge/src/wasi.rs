use shimmer_engine::{Error, ErrorKind, Guest, Result};
use wasmedge_sdk::wasi::WasiModule;

/// What a guest is given, in WasmEdge's words.
pub(crate) fn context(guest: &Guest) -> Result<WasiModule> {
    let args = guest.args.iter().map(String::as_str).collect();
    let env: Vec<_> = guest.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    // WasmEdge numbers directories by where they happen to lie in its memory, so of the two that match every path, `/` and
    // the working directory, either could win.
    let shadows_root = guest.directories.iter().any(|directory| directory.guest == ".");
    let visible = guest.directories.iter().filter(|directory| !(shadows_root && directory.guest == "/"));
    let directories = visible.map(|directory| {
        let (inside, outside) = (&directory.guest, directory.host.to_string_lossy());
        if inside.contains(':') || outside.contains(':') {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "WasmEdge opens no directory with a colon in its name",
            )
            .with("directory", outside));
        }
        Ok(format!("{inside}:{outside}"))
    });
    let directories = directories.collect::<Result<Vec<_>>>()?;
    let env = env.iter().map(String::as_str).collect();
    let directories = directories.iter().map(String::as_str).collect();
    WasiModule::create(Some(args), Some(env), Some(directories)).map_err(|error| {
        Error::new(ErrorKind::Io, "what the container gives to its guest cannot be opened").because(error)
    })
}
