//! The unwinder that the shims use: that of the node, as any program of Rust does.
//!
//! zig would link its own into each program instead. Engines register the code that they compile with the unwinder, in a
//! form that depends on which one it is, and take one that does not show itself in the program's symbols for gcc's:
//! Wasmer's traps had no backtrace. So programs are linked against the interface of `libgcc_s.so.1`, which every system has
//! that has glibc. What is linked has its names and versions and nothing behind them; the real one is the node's.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::{Result, process};

/// The flags for rustc by which programs take it. Its name is spelled out: `-lgcc_s` would become zig's own.
pub(super) fn flags(folder: &Path) -> [String; 2] {
    [format!("-Lnative={}", folder.display()), format!("-ldylib:+verbatim={LIBRARY}")]
}

/// Makes the interface in `folder`, by a compiler for the node's C library.
pub(super) fn make(mut compiler: Command, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    let (code, versions) = (folder.join("unwinder.c"), folder.join("unwinder.map"));
    fs::write(&code, functions())?;
    fs::write(&versions, map())?;
    compiler.args(["-shared", "-nostdlib", "-o"]).arg(folder.join(LIBRARY)).arg(code);
    compiler.arg(format!("-Wl,-soname,{LIBRARY},--version-script={}", versions.display()));
    process::run_quietly(compiler)
}

const LIBRARY: &str = "libgcc_s.so.1";

/// All that has to do with unwinding, by the version in which it came. The newest is of 2007.
const INTERFACE: [(&str, &[&str]); 3] = [
    (
        "GCC_3.0",
        &[
            "_Unwind_DeleteException",
            "_Unwind_Find_FDE",
            "_Unwind_ForcedUnwind",
            "_Unwind_GetDataRelBase",
            "_Unwind_GetGR",
            "_Unwind_GetIP",
            "_Unwind_GetLanguageSpecificData",
            "_Unwind_GetRegionStart",
            "_Unwind_GetTextRelBase",
            "_Unwind_RaiseException",
            "_Unwind_Resume",
            "_Unwind_SetGR",
            "_Unwind_SetIP",
            "__deregister_frame",
            "__register_frame",
        ],
    ),
    (
        "GCC_3.3",
        &[
            "_Unwind_Backtrace",
            "_Unwind_FindEnclosingFunction",
            "_Unwind_GetCFA",
            "_Unwind_Resume_or_Rethrow",
        ],
    ),
    ("GCC_4.2.0", &["_Unwind_GetIPInfo"]),
];

fn functions() -> String {
    let names = INTERFACE.iter().flat_map(|(_, names)| *names);
    names.fold(String::new(), |mut code, name| {
        let _ = writeln!(code, "void {name}(void) {{}}");
        code
    })
}

/// Each version has what the one before had.
fn map() -> String {
    let (mut map, mut before) = (String::new(), String::new());
    for (version, names) in INTERFACE {
        let hidden = if before.is_empty() { " local: *;" } else { "" };
        let _ = writeln!(map, "{version} {{ global: {};{hidden} }}{before};", names.join("; "));
        before = format!(" {version}");
    }
    map
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_follows_the_one_before() {
        let map = map();
        let lines: Vec<&str> = map.lines().collect();
        assert!(
            lines[0].starts_with("GCC_3.0 { global: _Unwind_DeleteException; ")
                && lines[0].ends_with("local: *; };")
        );
        assert_eq!(lines[2], "GCC_4.2.0 { global: _Unwind_GetIPInfo; } GCC_3.3;");
    }
}
