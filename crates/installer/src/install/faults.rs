//! Every step of everything that changes a node is the one before which the process dies, or from which on the disk is full
//! or read-only; and the next run puts the node in order.

use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use super::*;
use crate::disk;
use crate::fake::{Bed, shim};
use crate::fault::Kind;

type Files = Vec<(PathBuf, Vec<u8>)>;

/// Something that changes a node.
#[derive(Clone, Copy)]
struct Deed {
    name: &'static str,
    /// What there was before.
    before: fn(&Bed),
    /// Gives what was warned of.
    run: fn(&Bed) -> Result<Vec<String>>,
}

const DEEDS: [Deed; 4] = [
    Deed { name: "an install", before: |_| {}, run: |bed| install_of(bed, "1.0.0", "one") },
    Deed { name: "an upgrade", before: installed, run: |bed| install_of(bed, "1.1.0", "one") },
    Deed {
        name: "an upgrade with another handler",
        before: installed,
        run: |bed| install_of(bed, "1.1.0", "new"),
    },
    Deed { name: "an uninstall", before: installed, run: |bed| bed.uninstall().map(|done| done.warnings) },
];

/// On a node that has containerd 2 since.
const MOVE: Deed = Deed {
    name: "an upgrade into another file",
    before: updated,
    run: |bed| install_of(bed, "1.1.0", "one"),
};

fn install_of(bed: &Bed, version: &str, handler: &str) -> Result<Vec<String>> {
    let mut options = Bed::options(bed.good_release(version));
    options.shims = vec![shim("one", handler), shim("two", "two")];
    bed.install(&options).map(|done| done.warnings)
}

fn installed(bed: &Bed) {
    install_of(bed, "1.0.0", "one").expect("it works");
}

/// containerd is another since the install, so that our tables belong into another file.
fn updated(bed: &Bed) {
    bed.machine.update("1.7.24");
    installed(bed);
    bed.machine.update("2.2.0");
}

/// What containerd and its distribution see: no folders of ours, and nothing that lies beside a file while it changes.
fn configurations(mut files: Files) -> Files {
    let is_beside = |path: &Path| path.file_name().is_some_and(disk::is_beside);
    files.retain(|(path, content)| !path.starts_with("opt") && !content.is_empty() && !is_beside(path));
    files
}

/// One deed on one kind of node, and what the node is without any fault.
struct Course {
    deed: Deed,
    make: fn() -> Bed,
    name: String,
    /// Before anything was installed.
    bare: Files,
    /// After the deed.
    done: Files,
    steps: usize,
}

impl Course {
    fn all() -> Vec<Self> {
        let nodes = [(Bed::with_drop_ins as fn() -> Bed, "drop-ins"), (Bed::with_one_file, "one file")];
        let pairs = nodes.into_iter().flat_map(|node| DEEDS.map(|deed| (node, deed)));
        let courses =
            pairs.map(|((make, node), deed)| Self::of(deed, make, format!("{} with {node}", deed.name)));
        courses.chain([Self::of(MOVE, Bed::with_old_drop_ins, MOVE.name.to_owned())]).collect()
    }

    fn of(deed: Deed, make: fn() -> Bed, name: String) -> Self {
        let bed = make();
        let bare = bed.snapshot();
        (deed.before)(&bed);
        bed.fault(Kind::Nothing, 0);
        (deed.run)(&bed).unwrap_or_else(|error| panic!("{name}: {error}"));
        let (steps, done) = (bed.host.fault.seen(), bed.snapshot());
        assert!(steps > 20, "{name} has {steps} steps");
        Self { deed, make, name, bare, done, steps }
    }

    /// Calls `each` for every step, in as many threads as there are processors.
    fn at_every_step(&self, each: impl Fn(usize) + Sync) {
        let threads = thread::available_parallelism().map_or(1, NonZero::get);
        thread::scope(|scope| {
            for first in 0..threads {
                let each = &each;
                scope.spawn(move || (first..self.steps).step_by(threads).for_each(each));
            }
        });
    }

    /// A node on which the deed goes wrong at a step, what it was before, and what came of it: nothing where it was killed.
    fn struck(&self, kind: Kind, step: usize) -> (Bed, Files, Option<Result<Vec<String>>>) {
        let bed = (self.make)();
        (self.deed.before)(&bed);
        let before = bed.snapshot();
        bed.fault(kind, step);
        let outcome = catch_unwind(AssertUnwindSafe(|| (self.deed.run)(&bed)));
        bed.fault(Kind::Nothing, 0);
        (bed, before, outcome.ok())
    }

    /// The deed is done as if nothing had been, and then, or at once, everything is taken away.
    fn put_in_order(&self, bed: &Bed, again: bool, why: &str) {
        if again {
            (self.deed.run)(bed).unwrap_or_else(|error| panic!("{why}, then again: {error}"));
            assert!(bed.snapshot() == self.done, "{why}, then again: {:?}", bed.differences(&self.done));
            assert_told(bed, why);
        }
        bed.uninstall().unwrap_or_else(|error| panic!("{why}, then uninstalled: {error}"));
        assert!(bed.snapshot() == self.bare, "{why}, then uninstalled: {:?}", bed.differences(&self.bare));
        assert_told(bed, why);
    }
}

/// containerd has what it would have if it were started now.
fn assert_told(bed: &Bed, why: &str) {
    let now = bed.machine.serving.borrow().clone();
    bed.machine.read();
    assert_eq!(now, *bed.machine.serving.borrow(), "{why}");
}

#[test]
fn is_finished_or_undone_wherever_it_was_killed() {
    for course in Course::all() {
        course.at_every_step(|step| {
            for again in [true, false] {
                let why = format!("{}, killed at {step} of {}", course.name, course.steps);
                let (bed, _, outcome) = course.struck(Kind::Killed, step);
                assert!(outcome.is_none(), "{why}: {outcome:?}");
                course.put_in_order(&bed, again, &why);
            }
        });
    }
}

#[test]
fn a_full_disk_leaves_the_node_as_it_was() {
    for course in Course::all() {
        course.at_every_step(|step| {
            let (bed, before, outcome) = course.struck(Kind::Full, step);
            let why = format!("{}, full at {step} of {}: {outcome:?}", course.name, course.steps);
            match outcome.expect("nobody killed it") {
                Ok(warnings) => {
                    assert_eq!(warnings, Vec::<String>::new(), "{why}");
                    assert!(bed.snapshot() == course.done, "{why}: {:?}", bed.differences(&course.done));
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Failed, "{why}");
                    assert!(bed.snapshot() == before, "{why}: {:?}", bed.differences(&before));
                }
            }
            assert_told(&bed, &why);
            course.put_in_order(&bed, step % 2 == 0, &why);
        });
    }
}

#[test]
fn a_disk_that_becomes_read_only_leaves_a_node_that_the_next_run_puts_in_order() {
    for course in Course::all() {
        course.at_every_step(|step| {
            let (bed, before, outcome) = course.struck(Kind::Sick, step);
            let why = format!("{}, read-only at {step} of {}: {outcome:?}", course.name, course.steps);
            let failed = outcome.expect("nobody killed it").err();
            if failed.is_some_and(|error| error.kind() == ErrorKind::Failed) {
                // An uninstall that has taken everything from containerd and cannot tidy up has failed as well.
                let now = configurations(bed.snapshot());
                let whole = [before, course.done.clone()].map(configurations);
                assert!(whole.contains(&now), "{why}: {now:?}");
            }
            course.put_in_order(&bed, step % 2 == 0, &why);
        });
    }
}
