//! What may go wrong while a node is changed: for tests, which let it happen at every step.

use std::cell::Cell;
use std::io;
use std::panic::resume_unwind;

/// What goes wrong.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Kind {
    #[default]
    Nothing,
    /// The process ends, and nothing of it runs any more: a panic that is caught outside.
    Killed,
    /// From now on the disk has no room for anything new, until the fault is taken away.
    Full,
    /// From now on nothing can be changed at all, as on a disk that has become read-only.
    Sick,
}

/// When it goes wrong: before the change that is this many changes away.
#[derive(Debug, Default)]
pub(crate) struct Fault {
    kind: Cell<Kind>,
    steps: Cell<usize>,
    /// How many changes there have been.
    seen: Cell<usize>,
}

impl Fault {
    pub(crate) fn set(&self, kind: Kind, steps: usize) {
        self.kind.set(kind);
        self.steps.set(steps);
        self.seen.set(0);
    }

    pub(crate) fn seen(&self) -> usize {
        self.seen.get()
    }

    pub(crate) fn strike(&self, needs_room: bool) -> io::Result<()> {
        let seen = self.seen.get();
        self.seen.set(seen + 1);
        match self.kind.get() {
            // As a panic, but nobody is told.
            Kind::Killed if seen == self.steps.get() => resume_unwind(Box::new("killed")),
            Kind::Full if needs_room && seen >= self.steps.get() => Err(io::ErrorKind::StorageFull.into()),
            Kind::Sick if seen >= self.steps.get() => Err(io::ErrorKind::ReadOnlyFilesystem.into()),
            _ => Ok(()),
        }
    }
}
