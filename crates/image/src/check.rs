//! Whether a release runs on every node that it is promised to.

use crate::binaries::{BESIDE, Binaries, File, INSTALLER};
use crate::elf::Glibc;
use crate::{Error, Result};

/// What a release promises about the nodes that it runs on.
#[derive(Clone, Debug)]
pub enum Promise {
    /// Every node with this C library or a later one.
    From(Glibc),
    /// Nodes like the machine that built it, whatever that has: for tests.
    ThisHost,
}

/// Refuses programs that do not keep the promise, and says what a node must have for the others.
pub(crate) fn notes(binaries: &Binaries, promise: &Promise) -> Result<Vec<String>> {
    // The image has no other file that it could be started with.
    if !binaries.installer.elf.is_static {
        return Err(Error::incompatible(format!(
            "{} is not static, and {INSTALLER}'s image has no library: link it with the target feature crt-static",
            binaries.installer.path.display()
        )));
    }
    let mut notes = Vec::new();
    match promise {
        Promise::From(oldest) => {
            binaries.programs.values().try_for_each(|program| keeps(program, oldest))?;
        }
        Promise::ThisHost => notes.push(of_host(binaries)),
    }
    notes.extend(binaries.engines().filter_map(|engine| of_libraries(binaries, engine)));
    Ok(notes)
}

fn keeps(program: &File, oldest: &Glibc) -> Result<()> {
    let path = program.path.display();
    if let Some(needed) = program.elf.glibc.as_ref().filter(|needed| *needed > oldest) {
        return Err(Error::incompatible(format!(
            "{path} needs glibc {needed}, and this release is to run on {oldest}: build it against that"
        )));
    }
    if let Some((_, needed)) = program.elf.gcc.as_ref().filter(|(numbers, _)| numbers.as_slice() > GCC) {
        return Err(Error::incompatible(format!(
            "{path} needs {needed} of libgcc_s.so.1, which older nodes do not have: link it against the unwinder's interface"
        )));
    }
    if let Some(library) = program.needed().next().filter(|_| !program.looks_beside_itself()) {
        return Err(Error::incompatible(format!(
            "{path} needs {library} and does not look for it beside itself: link it statically, or with the RUNPATH \
             {BESIDE}"
        )));
    }
    Ok(())
}

/// The newest interface of `libgcc_s.so.1` of a system with gcc 8, as those with glibc 2.28 have it.
const GCC: &[u32] = &[7, 0, 0];

fn of_host(binaries: &Binaries) -> String {
    let programs = binaries.programs.values();
    let glibc = programs.clone().filter_map(|program| program.elf.glibc.as_ref()).max();
    let mut libraries: Vec<_> = programs
        .filter(|program| !program.looks_beside_itself())
        .flat_map(|program| program.needed())
        .collect();
    libraries.sort_unstable();
    libraries.dedup();
    let mut note = "built for the machine that built it, and not for others".to_owned();
    if let Some(glibc) = glibc {
        note += &format!(": a node needs glibc {glibc}");
        if !libraries.is_empty() {
            note += &format!(" and {}", libraries.join(", "));
        }
    }
    note
}

/// What an engine's libraries need of a node, which nobody here could choose.
fn of_libraries(binaries: &Binaries, engine: &str) -> Option<String> {
    let mut names = Vec::new();
    let mut glibc = None;
    for (_, program) in binaries.of_engine(engine) {
        for (name, library) in binaries.libraries_of(program) {
            names.push(name);
            glibc = glibc.max(library.elf.glibc.as_ref());
        }
    }
    names.sort_unstable();
    names.dedup();
    let needs = glibc.map_or_else(|| "any glibc".to_owned(), |glibc| format!("glibc {glibc} or later"));
    (!names.is_empty())
        .then(|| format!("{engine}: its libraries ({}) need {needs} on a node", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Architecture;
    use crate::sample::{Folder, Sample};

    fn checked(folder: &Folder, promise: &Promise) -> Result<Vec<String>> {
        notes(&Binaries::read(folder.path(), Architecture::Amd64, &[])?, promise)
    }

    fn promised() -> Promise {
        Promise::From("2.28".parse().expect("a version"))
    }

    #[test]
    fn refuses_a_program_that_older_nodes_cannot_run() {
        for (version, shown) in [("GLIBC_2.29", "2.29"), ("GLIBC_ABI_DT_RELR", "GLIBC_ABI_DT_RELR")] {
            let program = Sample::program().needs("libc.so.6").versions(&["GLIBC_2.28", version]);
            let error =
                checked(&Folder::release().elf("shimmer-fast", &program), &promised()).expect_err(version);
            assert_eq!(error.kind(), crate::ErrorKind::Incompatible);
            assert!(error.to_string().contains(&format!("shimmer-fast needs glibc {shown}, and")), "{error}");
        }
        let program = Sample::program().needs("libc.so.6").versions(&["GLIBC_2.28"]);
        let folder = Folder::release().elf("shimmer-fast", &program);
        assert_eq!(checked(&folder, &promised()).expect("it is old enough"), Vec::<String>::new());
    }

    #[test]
    fn takes_the_unwinder_of_the_node_as_far_as_old_ones_go() {
        let program = |version| Sample::program().needs("libgcc_s.so.1").versions(&["GCC_3.0", version]);
        let folder = Folder::release().elf("shimmer-fast", &program("GCC_4.2.0"));
        assert_eq!(checked(&folder, &promised()).expect("every node has it"), Vec::<String>::new());
        let folder = Folder::release().elf("shimmer-fast", &program("GCC_12.0.0"));
        let error = checked(&folder, &promised()).expect_err("old ones do not");
        assert!(error.to_string().contains("needs GCC_12.0.0 of libgcc_s.so.1"), "{error}");
    }

    #[test]
    fn refuses_a_program_whose_library_no_node_has() {
        let program = Sample::program().needs("libseccomp.so.2");
        let folder = Folder::release().elf("containerd-shim-fast-v1", &program);
        let error = checked(&folder, &promised()).expect_err("who would bring it?");
        assert!(error.to_string().contains("needs libseccomp.so.2 and does not look for it"), "{error}");
    }

    #[test]
    fn refuses_an_installer_that_an_empty_image_cannot_start() {
        let folder = Folder::release().elf("shimmer-installer", &Sample::program().needs("libc.so.6"));
        let error = checked(&folder, &Promise::ThisHost).expect_err("there is no loader");
        assert!(error.to_string().contains("shimmer-installer is not static"), "{error}");
    }

    #[test]
    fn says_what_libraries_need_that_came_as_they_are() {
        let program = Sample::program().needs("libx.so.1").search("$ORIGIN/lib");
        let folder = Folder::release()
            .elf("shimmer-fast", &program)
            .elf("lib/libx.so.1", &Sample::library().needs("liby.so.2").versions(&["GLIBC_2.17"]))
            .elf("lib/liby.so.2", &Sample::library().versions(&["GLIBC_2.38", "GLIBC_2.4"]));
        let notes = checked(&folder, &promised()).expect("the programs keep it");
        assert_eq!(notes, ["fast: its libraries (libx.so.1, liby.so.2) need glibc 2.38 or later on a node"]);
    }

    #[test]
    fn says_of_a_build_for_one_machine_that_it_is_one() {
        let program = Sample::program().needs("libseccomp.so.2").versions(&["GLIBC_2.39"]);
        let folder = Folder::release().elf("shimmer-fast", &program);
        let notes = checked(&folder, &Promise::ThisHost).expect("nothing is promised");
        assert_eq!(
            notes,
            [
                "built for the machine that built it, and not for others: a node needs glibc 2.39 and libseccomp.so.2"
            ]
        );
    }
}
