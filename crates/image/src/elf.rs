//! What an ELF file says about where it runs.

use std::fmt;
use std::str::FromStr;

use object::LittleEndian;
use object::elf::{self, FileHeader64};
use object::read::elf::{Dyn, FileHeader, SectionHeader, SectionTable};

use crate::Architecture;

/// The parts of an ELF program or library that decide where it runs.
#[derive(Clone, Debug)]
pub(crate) struct Elf {
    pub(crate) architecture: Architecture,
    /// Whether it needs nothing of the system that executes it: no loader and no library.
    pub(crate) is_static: bool,
    /// The libraries that it names.
    pub(crate) needed: Vec<String>,
    /// Where its libraries are looked for before the system's folders.
    pub(crate) search: Vec<String>,
    /// The newest interface of the C library that it uses.
    pub(crate) glibc: Option<Glibc>,
    /// The newest interface of gcc's library that it uses, like `GCC_3.0`, with the numbers by which it is compared.
    pub(crate) gcc: Option<(Vec<u32>, String)>,
    /// Where in the file the tag stands that makes `search` hold for itself alone.
    own_search: Option<usize>,
}

impl Elf {
    /// Reads a file of 64 bits. What is wrong with any other completes "… is no program for a release: ".
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let told = |error: object::read::Error| error.to_string();
        let header = FileHeader64::<LittleEndian>::parse(bytes)
            .map_err(|_| "it is no ELF file of 64 bits".to_owned())?;
        let endian = header.endian().map_err(|_| "its numbers begin with the high byte".to_owned())?;
        let architecture = match header.e_machine(endian) {
            elf::EM_X86_64 => Architecture::Amd64,
            elf::EM_AARCH64 => Architecture::Arm64,
            machine => return Err(format!("it is for a processor of the number {}", machine.0)),
        };
        let segments = header.program_headers(endian, bytes).map_err(told)?;
        let has = |kind| segments.iter().any(|segment| segment.p_type.get(endian) == kind);
        let mut found = Self {
            architecture,
            is_static: !has(elf::PT_INTERP),
            needed: Vec::new(),
            search: Vec::new(),
            glibc: None,
            gcc: None,
            own_search: None,
        };
        if has(elf::PT_DYNAMIC) {
            let sections = header.sections(endian, bytes).map_err(told)?;
            found.read_dynamic(&sections, endian, bytes).map_err(told)??;
            found.read_versions(&sections, endian, bytes).map_err(told)?;
        }
        found.is_static &= found.needed.is_empty();
        Ok(found)
    }

    fn read_dynamic(&mut self, sections: &Sections<'_>, endian: LittleEndian, bytes: &[u8]) -> Read<()> {
        let Some((entries, names)) = sections.dynamic(endian, bytes)? else {
            return Ok(Err("it has no section headers, by which its needs are found".to_owned()));
        };
        let names = sections.strings(endian, bytes, names)?;
        let table = sections.iter().find(|section| section.sh_type(endian) == elf::SHT_DYNAMIC);
        let table = table.map(|section| usize::try_from(section.sh_offset(endian)).unwrap_or(usize::MAX));
        for (index, entry) in entries.iter().enumerate() {
            let text = || entry.string(endian, names).map(|name| String::from_utf8_lossy(name).into_owned());
            match entry.d_tag(endian) {
                elf::DT_NULL => break,
                elf::DT_NEEDED => self.needed.push(text()?),
                tag @ (elf::DT_RUNPATH | elf::DT_RPATH) => {
                    self.search.extend(text()?.split(':').map(str::to_owned));
                    if tag == elf::DT_RUNPATH {
                        self.own_search =
                            table.and_then(|table| table.checked_add(index * size_of_val(entry)));
                    }
                }
                _ => {}
            }
        }
        Ok(Ok(()))
    }

    fn read_versions(
        &mut self,
        sections: &Sections<'_>,
        endian: LittleEndian,
        bytes: &[u8],
    ) -> object::read::Result<()> {
        let Some((mut libraries, names)) = sections.gnu_verneed(endian, bytes)? else { return Ok(()) };
        let names = sections.strings(endian, bytes, names)?;
        while let Some((_, mut versions)) = libraries.next()? {
            while let Some(version) = versions.next()? {
                let name = String::from_utf8_lossy(version.name(endian, names)?);
                self.glibc = self.glibc.take().max(Glibc::of_symbol(&name));
                if let Some(numbers) = name.strip_prefix("GCC_") {
                    let numbers =
                        numbers.split('.').map(|number| number.parse().unwrap_or(u32::MAX)).collect();
                    self.gcc = self.gcc.take().max(Some((numbers, name.into_owned())));
                }
            }
        }
        Ok(())
    }

    /// Makes the folders in which this program looks for its libraries hold for those libraries' own needs as well.
    ///
    /// The loader takes RUNPATH for the program alone and the older RPATH for all that hangs on it, and a library from
    /// elsewhere has neither. Linkers set the new one; the entry differs in its tag only.
    pub(crate) fn share_search(&self, bytes: &mut [u8]) {
        let tag = self.own_search.and_then(|at| bytes.get_mut(at..at.checked_add(8)?));
        if let Some(tag) = tag {
            tag.copy_from_slice(&elf::DT_RPATH.0.to_le_bytes());
        }
    }
}

type Sections<'a> = SectionTable<'a, FileHeader64<LittleEndian>>;
type Read<T> = object::read::Result<Result<T, String>>;

/// Whether every node with the GNU C library has this one: its parts, which nobody may bring along, and gcc's own library,
/// by which its threads end.
pub(crate) fn is_of_every_node(name: &str) -> bool {
    const PARTS: [&str; 14] = [
        "ld-linux-",
        "libBrokenLocale",
        "libanl",
        "libc",
        "libc_malloc_debug",
        "libdl",
        "libm",
        "libmvec",
        "libnsl",
        "libpthread",
        "libresolv",
        "librt",
        "libthread_db",
        "libutil",
    ];
    let stem = name.split_once(".so").map_or(name, |(stem, _)| stem);
    stem.starts_with(PARTS[0])
        || stem.starts_with("libnss_")
        || stem == "libgcc_s"
        || PARTS[1..].contains(&stem)
}

/// A version of the GNU C library, or an interface of it that has none.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Glibc {
    number: [u32; 3],
    /// What a message calls it.
    name: String,
}

impl Glibc {
    /// What a program needs that uses a symbol of this version, if that is one of the C library's.
    fn of_symbol(version: &str) -> Option<Self> {
        let version = version.strip_prefix("GLIBC_")?;
        let named = |number| Some(Self { number, name: format!("GLIBC_{version}") });
        match version {
            // Not versions of symbols: marks of a feature of the loader, by which older ones refuse.
            "ABI_DT_RELR" => named([2, 36, 0]),
            "ABI_GNU2_TLS" | "ABI_GNU_TLS" => named([2, 42, 0]),
            _ => version.parse().ok().or_else(|| named([u32::MAX; 3])),
        }
    }
}

impl FromStr for Glibc {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refuse = || format!("{text:?} is no version of the C library, like 2.28");
        let mut number = [0; 3];
        let parts: Vec<&str> = text.split('.').collect();
        if !(2..=3).contains(&parts.len()) {
            return Err(refuse());
        }
        for (part, number) in parts.iter().zip(&mut number) {
            *number = part.parse().map_err(|_| refuse())?;
        }
        Ok(Self { number, name: text.to_owned() })
    }
}

impl fmt::Display for Glibc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Sample;

    fn parsed(sample: &Sample) -> Elf {
        Elf::parse(&sample.bytes()).expect("it is an ELF file")
    }

    #[test]
    fn reads_what_a_program_needs() {
        let sample =
            Sample::program().needs("libseccomp.so.2").needs("libc.so.6").search("$ORIGIN/lib:/opt/x");
        let elf = parsed(&sample.versions(&[
            "GLIBC_2.2.5",
            "GLIBC_2.28",
            "GLIBC_2.9",
            "GCC_3.0",
            "GLIBCXX_3.4.30",
        ]));
        assert_eq!(elf.needed, ["libseccomp.so.2", "libc.so.6"]);
        assert_eq!(elf.search, ["$ORIGIN/lib", "/opt/x"]);
        assert_eq!(elf.glibc.map(|glibc| glibc.to_string()).as_deref(), Some("2.28"));
        assert_eq!(elf.gcc.map(|(_, name)| name).as_deref(), Some("GCC_3.0"));
        assert_eq!((elf.architecture, elf.is_static), (Architecture::Amd64, false));
    }

    /// What is here is the linker's work, and not a sample of ours.
    #[test]
    fn reads_a_real_program_as_binutils_does() {
        let program = std::env::current_exe().expect("this program");
        let mut readelf = std::process::Command::new("readelf");
        let output = readelf.args(["--wide", "--dynamic", "--version-info"]).arg(&program).output();
        let told = String::from_utf8(output.expect("binutils, as every linker needs").stdout).expect("text");
        let within = |line: &str, before: &str, after: char| {
            line.split_once(before)
                .and_then(|(_, rest)| rest.split_once(after))
                .map(|(name, _)| name.to_owned())
        };
        let needed: Vec<_> = told.lines().filter_map(|line| within(line, "Shared library: [", ']')).collect();
        let versions = told.lines().filter_map(|line| within(line, "Name: ", ' '));
        let newest = versions.filter_map(|name| Glibc::of_symbol(&name)).max();
        let elf = Elf::parse(&std::fs::read(&program).expect("it can be read")).expect("it is an ELF file");
        assert!(!needed.is_empty() && newest.is_some(), "{told}");
        assert_eq!((elf.needed, elf.glibc, elf.is_static), (needed, newest, false));
    }

    #[test]
    fn a_static_program_needs_nothing() {
        let elf = parsed(&Sample::standalone());
        assert!(elf.is_static && elf.needed.is_empty() && elf.glibc.is_none(), "{elf:?}");
        assert_eq!(parsed(&Sample::standalone().arm64()).architecture, Architecture::Arm64);
        assert!(!parsed(&Sample::library().needs("libc.so.6")).is_static);
    }

    #[test]
    fn a_search_can_be_shared_with_libraries() {
        let sample = Sample::program().needs("libx.so.1").search("$ORIGIN/lib");
        let mut bytes = sample.bytes();
        let before = Elf::parse(&bytes).expect("it is an ELF file");
        before.share_search(&mut bytes);
        assert_eq!(bytes.iter().zip(sample.bytes()).filter(|(one, other)| **one != *other).count(), 1);
        let after = Elf::parse(&bytes).expect("it still is");
        assert_eq!((after.search, after.own_search), (before.search, None));
        let unchanged = Sample::program().needs("libx.so.1");
        let mut bytes = unchanged.bytes();
        Elf::parse(&bytes).expect("it is an ELF file").share_search(&mut bytes);
        assert_eq!(bytes, unchanged.bytes(), "there is none to share");
    }

    #[test]
    fn interfaces_without_a_version_count_as_what_they_are() {
        let order =
            ["GLIBC_2.2.5", "GLIBC_2.3", "GLIBC_2.28", "GLIBC_ABI_DT_RELR", "GLIBC_2.38", "GLIBC_PRIVATE"];
        let order: Vec<_> = order.map(|name| Glibc::of_symbol(name).expect("the C library's")).into();
        assert!(order.is_sorted(), "{order:?}");
        assert!(Glibc::of_symbol("GLIBCXX_3.4").is_none() && Glibc::of_symbol("GCC_3.0").is_none());
    }

    #[test]
    fn knows_what_every_node_has() {
        for name in [
            "libc.so.6",
            "libm.so.6",
            "ld-linux-x86-64.so.2",
            "ld-linux-aarch64.so.1",
            "libnss_dns.so.2",
            "libgcc_s.so.1",
        ] {
            assert!(is_of_every_node(name), "{name}");
        }
        for name in ["libcap.so.2", "libmd.so.0", "libgcc.so.1", "libstdc++.so.6", "librt-x.so", "libnsl3.so"]
        {
            assert!(!is_of_every_node(name), "{name}");
        }
    }

    #[test]
    fn refuses_what_it_cannot_vouch_for() {
        let mut foreign = Sample::standalone().bytes();
        foreign[18] = 243;
        let mut stripped = Sample::program().needs("libc.so.6").bytes();
        stripped[0x28..0x30].fill(0);
        stripped[0x3c..0x40].fill(0);
        let cases: [(&[u8], &str); 4] = [
            (b"#!/bin/sh\n", "no ELF file"),
            (b"", "no ELF file"),
            (&foreign, "a processor of the number 243"),
            (&stripped, "no section headers"),
        ];
        for (bytes, expected) in cases {
            let refusal = Elf::parse(bytes).expect_err(expected);
            assert!(refusal.contains(expected), "{refusal}");
        }
    }

    #[test]
    fn answers_any_damage_with_a_value_or_a_sentence() {
        let whole = Sample::program().needs("libc.so.6").search("a").versions(&["GLIBC_2.28"]).bytes();
        for length in 0..whole.len() {
            let _ = Elf::parse(&whole[..length]);
        }
        for at in 0..whole.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut damaged = whole.clone();
                damaged[at] = value;
                if let Ok(elf) = Elf::parse(&damaged) {
                    elf.share_search(&mut damaged);
                }
            }
        }
    }
}
