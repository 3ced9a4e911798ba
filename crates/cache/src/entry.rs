use std::fs::File;

use shimmer_engine::Needs;

/// Native code of a program, in an open file.
///
/// The file is open for reading only, is closed on `exec`, and has a shared lock as long as this descriptor, a
/// duplicate of it or a mapping of it is there: the cache does not evict what is locked. Opening it anew through
/// `/proc` takes no lock, and needs none: a file that is evicted while it is open lives until it is closed.
#[derive(Debug)]
pub struct Entry {
    code: File,
    needs: Needs,
    origin: Origin,
}

/// Where an [`Entry`] comes from.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Origin {
    /// It was in the cache.
    Found,
    /// It was compiled now, and is in the cache from now on.
    Made,
    /// It was compiled now, for this one start, since the cache could not be used.
    Private,
}

impl Entry {
    pub(crate) fn new(code: File, needs: Needs, origin: Origin) -> Self {
        Self { code, needs, origin }
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> &File {
        &self.code
    }

    /// What the program asks of an engine.
    #[must_use]
    pub fn needs(&self) -> &Needs {
        &self.needs
    }

    /// Where the code comes from.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// The code and what the program asks of an engine, for [`Compiled::trust`](shimmer_engine::Compiled::trust), whose
    /// condition the cache keeps if each caller's function does.
    #[must_use]
    pub fn into_parts(self) -> (File, Needs) {
        (self.code, self.needs)
    }
}
