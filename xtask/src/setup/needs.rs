//! What building and running Shimmer needs of a machine, why, and how to see whether it is there.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::machine;
use crate::process;
use crate::setup::{Extent, wasmedge};

/// One thing that a machine must have.
#[derive(Debug)]
pub(crate) struct Need {
    pub(crate) name: &'static str,
    /// Why Shimmer needs it, in a few words.
    pub(crate) purpose: &'static str,
    pub(crate) extent: Extent,
    /// Where it comes from, for the person who is asked to wait for it.
    pub(crate) route: &'static str,
    /// Debian's packages of it.
    pub(crate) packages: &'static [&'static str],
    probe: fn() -> bool,
}

impl Need {
    pub(crate) fn is_met(&self) -> bool {
        (self.probe)()
    }
}

// The needs that a list of packages does not meet by itself.
pub(crate) const CLANG: &str = "libclang";
pub(crate) const CONTAINERD: &str = "containerd";
pub(crate) const DOCKER: &str = "Docker";
pub(crate) const LOADER: &str = "library path";
pub(crate) const WASMEDGE: &str = "WasmEdge 0.17.1";

pub(crate) const NEEDS: [Need; 15] = [
    Need {
        name: "C compiler",
        purpose: "links every program, and compiles the C in some crates",
        extent: Extent::Build,
        route: "Debian's gcc and libc6-dev",
        packages: &["gcc", "libc6-dev"],
        probe: || machine::program("cc").is_some() && machine::program("ar").is_some(),
    },
    Need {
        name: "libseccomp",
        purpose: "the shims filter a container's system calls with it",
        extent: Extent::Build,
        route: "Debian's libseccomp-dev",
        packages: &["libseccomp-dev"],
        probe: || has_library("libseccomp.so"),
    },
    Need {
        name: "protoc",
        purpose: "compiles containerd's API for its Rust client",
        extent: Extent::Build,
        route: "Debian's protobuf-compiler",
        packages: &["protobuf-compiler"],
        probe: || env::var_os("PROTOC").is_some() || machine::program("protoc").is_some(),
    },
    Need {
        name: CLANG,
        purpose: "reads WasmEdge's C header for its Rust bindings",
        extent: Extent::Build,
        route: "Debian's libclang1 and libclang-common",
        packages: &[],
        probe: has_clang,
    },
    Need {
        name: WASMEDGE,
        purpose: "the engine itself, which its Rust SDK only calls",
        extent: Extent::Build,
        route: "official release, or Debian's unstable",
        packages: &[],
        probe: || wasmedge::find().is_some(),
    },
    Need {
        name: LOADER,
        purpose: "a shim finds WasmEdge when containerd starts it",
        extent: Extent::Run,
        route: "/etc/ld.so.conf.d, if need be",
        packages: &[],
        probe: wasmedge::is_known_to_the_loader,
    },
    Need {
        name: CONTAINERD,
        purpose: "demo and tests start their own, 1.7 or newer",
        extent: Extent::Run,
        route: "Debian's stable if new enough, or sid",
        packages: &[],
        probe: has_containerd,
    },
    Need {
        name: "runc",
        purpose: "the native container beside the WebAssembly ones",
        extent: Extent::Run,
        route: "Debian's runc",
        packages: &["runc"],
        probe: || machine::program("runc").is_some(),
    },
    Need {
        name: "CNI plugins",
        purpose: "give each pod its network",
        extent: Extent::Run,
        route: "Debian's containernetworking-plugins",
        packages: &["containernetworking-plugins"],
        probe: has_cni,
    },
    Need {
        name: "iptables, ip",
        purpose: "the CNI bridge plugin sets rules and links with them",
        extent: Extent::Run,
        route: "Debian's iptables and iproute2",
        packages: &["iptables", "iproute2"],
        probe: || machine::program("iptables").is_some() && machine::program("ip").is_some(),
    },
    Need {
        name: "static busybox",
        purpose: "all that is in the native container's image",
        extent: Extent::Run,
        route: "Debian's busybox-static",
        packages: &["busybox-static"],
        probe: has_static_busybox,
    },
    Need {
        name: DOCKER,
        purpose: "the tests play containers of a dockerd of their own",
        extent: Extent::Test,
        route: "Debian's stable if new enough, or sid",
        // What `docker top` calls.
        packages: &["procps"],
        probe: has_docker,
    },
    Need {
        name: "QEMU",
        purpose: "emulates a machine with cgroup v2",
        extent: Extent::Test,
        route: "Debian's qemu-system-x86",
        packages: &["qemu-system-x86"],
        probe: || machine::program("qemu-system-x86_64").is_some(),
    },
    Need {
        name: "kmod, xz",
        purpose: "sort and unpack the modules of that machine's kernel",
        extent: Extent::Test,
        route: "Debian's kmod and xz-utils",
        packages: &["kmod", "xz-utils"],
        probe: || machine::program("depmod").is_some() && machine::program("xz").is_some(),
    },
    Need {
        name: "debootstrap",
        purpose: "makes a Debian with systemd for that machine",
        extent: Extent::Test,
        route: "Debian's debootstrap and e2fsprogs",
        packages: &["debootstrap", "e2fsprogs"],
        probe: || machine::program("debootstrap").is_some() && machine::program("mke2fs").is_some(),
    },
];

/// Whether containerd of this version can be driven: 1.7, or 2.0 and up.
pub(crate) fn is_supported(version: &str) -> bool {
    let mut numbers =
        version.trim_start_matches('v').split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else { return false };
    (major, minor) >= (1, 7)
}

fn has_containerd() -> bool {
    let Some(program) = containerd() else { return false };
    let said = process::read(Command::new(program).arg("--version")).unwrap_or_default();
    said.split_whitespace().nth(2).is_some_and(is_supported)
}

/// The containerd that the demo and the tests take: the one in `SHIMMER_CONTAINERD`, a program or its folder, or PATH's.
fn containerd() -> Option<PathBuf> {
    match env::var_os("SHIMMER_CONTAINERD").map(PathBuf::from) {
        Some(folder) if folder.is_dir() => Some(folder.join("containerd")),
        Some(program) => Some(program),
        None => machine::program("containerd"),
    }
}

/// runc's shim, of the same version where it lies beside containerd.
pub(crate) fn reference() -> Option<PathBuf> {
    let name = "containerd-shim-runc-v2";
    let beside = containerd()?.with_file_name(name);
    Some(beside).filter(|path| path.exists()).or_else(|| machine::program(name))
}

/// Whether Docker of this version keeps images in containerd, where shims look for them.
pub(crate) fn serves_containerd(version: &str) -> bool {
    version.split('.').next().and_then(|major| major.parse::<u32>().ok()).is_some_and(|major| major >= 25)
}

fn has_docker() -> bool {
    let Some(program) = machine::program("dockerd") else { return false };
    let said = process::read(Command::new(program).arg("--version")).unwrap_or_default();
    said.split_whitespace().nth(2).is_some_and(serves_containerd) && machine::program("ps").is_some()
}

fn has_cni() -> bool {
    let folders = ["/opt/cni/bin", "/usr/lib/cni", "/usr/libexec/cni"].map(Path::new);
    let plugins = ["bridge", "host-local", "loopback"];
    folders.iter().any(|folder| plugins.iter().all(|plugin| machine::is_executable(&folder.join(plugin))))
}

fn has_library(name: &str) -> bool {
    let prefixes = ["/usr", "/usr/local", "/"].map(Path::new);
    prefixes
        .iter()
        .flat_map(|prefix| machine::library_folders(prefix))
        .any(|folder| folder.join(name).exists())
}

/// The library alone does not do: it needs the headers of its own version, `stdbool.h` among them.
fn has_clang() -> bool {
    if env::var_os("LIBCLANG_PATH").is_some() {
        return true;
    }
    let llvm = machine::names(Path::new("/usr/lib")).into_iter().filter(|name| name.starts_with("llvm"));
    let prefixes: Vec<PathBuf> =
        llvm.map(|name| Path::new("/usr/lib").join(name)).chain(["/usr".into()]).collect();
    let folders: Vec<PathBuf> = prefixes.iter().flat_map(|prefix| machine::library_folders(prefix)).collect();
    let library = folders.iter().any(|folder| machine::names(folder).iter().any(|name| is_clang(name)));
    library && folders.iter().any(|folder| has_clang_headers(&folder.join("clang")))
}

fn is_clang(library: &str) -> bool {
    library == "libclang.so"
        || library.starts_with("libclang.so.")
        || library.starts_with("libclang-") && {
            // libclang-cpp is another library with the same beginning.
            library.trim_start_matches("libclang-").starts_with(|c: char| c.is_ascii_digit())
                && library.contains(".so")
        }
}

fn has_clang_headers(versions: &Path) -> bool {
    machine::names(versions).iter().any(|version| versions.join(version).join("include/stdbool.h").exists())
}

fn has_static_busybox() -> bool {
    let program = machine::program("busybox").and_then(|file| fs::read(file).ok());
    program.is_some_and(|program| is_static(&program))
}

/// Whether an ELF program of 64 bits asks for no interpreter, as a dynamically linked one does.
fn is_static(program: &[u8]) -> bool {
    const INTERPRETER: u32 = 3;
    let number = |offset: usize, size: usize| {
        let bytes = program.get(offset..offset.checked_add(size)?)?;
        bytes.iter().rev().try_fold(0_usize, |value, byte| Some(value.checked_mul(256)? + usize::from(*byte)))
    };
    let is_interpreter = |header: usize| number(header, 4) == Some(INTERPRETER as usize);
    let (Some(table), Some(size), Some(count)) = (number(32, 8), number(54, 2), number(56, 2)) else {
        return false;
    };
    let headers = || (0..count).filter_map(|index| table.checked_add(index.checked_mul(size)?));
    program.starts_with(b"\x7fELF\x02\x01") && count > 0 && !headers().any(is_interpreter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn supports_containerd_from_1_7_on() {
        for version in ["1.7.24~ds1-6", "2.1.9+ds1-5", "v2.0.5", "1.7.0"] {
            assert!(is_supported(version), "{version}");
        }
        for version in ["1.6.20~ds1-1+deb12u3", "1.5", "(none)", "", "v2"] {
            assert!(!is_supported(version), "{version}");
        }
    }

    #[test]
    fn takes_docker_from_25_on() {
        for version in ["28.5.2+dfsg4-5", "25.0.0", "29.1"] {
            assert!(serves_containerd(version), "{version}");
        }
        for version in ["20.10.24+dfsg1-1+deb12u1+b6", "(none)", ""] {
            assert!(!serves_containerd(version), "{version}");
        }
    }

    #[test]
    fn tells_libclang_from_its_cousins() {
        for name in ["libclang.so", "libclang.so.1", "libclang-14.so.1", "libclang-19.so"] {
            assert!(is_clang(name), "{name}");
        }
        for name in ["libclang-cpp.so.14", "libclang_rt.so", "libclang-14.a"] {
            assert!(!is_clang(name), "{name}");
        }
    }

    #[test]
    fn tells_a_static_program_from_a_dynamic_one() {
        let program = |kind: u8| {
            let mut bytes = vec![0; 64 + 56];
            bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
            (bytes[32], bytes[54], bytes[56], bytes[64]) = (64, 56, 1, kind);
            bytes
        };
        assert!(is_static(&program(1)), "one loadable segment");
        assert!(!is_static(&program(3)), "an interpreter");
        assert!(!is_static(b"#!/bin/sh\n"), "a script");
        assert!(!is_static(&program(1)[..40]), "a truncated header");
    }

    #[test]
    fn names_each_need_once_and_in_a_column() {
        for (index, need) in NEEDS.iter().enumerate() {
            assert!(need.name.len() <= 18, "{} is wider than its column", need.name);
            assert!(
                !NEEDS[..index].iter().any(|other| other.name == need.name),
                "{} is there twice",
                need.name
            );
        }
    }
}
