use std::fs::{File, Metadata};

use serde::{Deserialize, Serialize};
use shimmer_engine::Needs;

use crate::folder::Folder;
use crate::{Digest, Error, ErrorKind, Identity, Key, Result, clock, seal};

/// The name of the record in an entry.
pub(crate) const RECORD: &str = "record";

/// What is known of an entry's code.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Record {
    program: Digest,
    engine: String,
    fingerprint: String,
    needs: Needs,
    /// The checksum of the code.
    code: Digest,
    /// The code's file, when it was last compared with the checksum.
    file: Identity,
    /// The boot in which that was, if a later change of the file would show.
    boot: Option<String>,
}

impl Record {
    /// Describes code that was just compiled.
    pub(crate) fn of(key: &Key, needs: Needs, code: &File) -> std::io::Result<Self> {
        let Checked { digest, file, boot } = Checked::read(code)?;
        Ok(Self {
            program: key.digest,
            engine: key.engine.clone(),
            fingerprint: key.fingerprint.as_str().to_owned(),
            needs,
            code: digest,
            file,
            boot,
        })
    }

    /// Reads the record of an entry.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Damaged`] and others where it is none.
    pub(crate) fn read(entry: &Folder) -> Result<(Self, File, Metadata)> {
        let (bytes, file, metadata) = entry.read(RECORD)?;
        let record = seal::unseal(&bytes)
            .map_err(|error: Error| error.with("path", entry.path().join(RECORD).display().to_string()))?;
        Ok((record, file, metadata))
    }

    /// The bytes of the file.
    pub(crate) fn sealed(&self) -> Result<Vec<u8>> {
        seal::seal(self)
    }

    /// Whether the code is of this program, engine and fingerprint.
    pub(crate) fn belongs_to(&self, key: &Key) -> bool {
        (self.program, self.engine.as_str(), self.fingerprint.as_str())
            == (key.digest, key.engine.as_str(), key.fingerprint.as_str())
    }

    /// Whether the code needs no reading: it was compared in this boot, and its file has not been changed since. Only
    /// root could have done that and hidden it, and root owns the node anyway. What a disk does while the machine is
    /// off is seen at the first use after the boot.
    pub(crate) fn vouches_for(&self, file: &Identity) -> bool {
        self.boot.is_some() && self.boot.as_deref() == clock::boot() && self.file == *file
    }

    /// Compares the code with the checksum, and notes that.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Damaged`] where they differ.
    pub(crate) fn verify(&mut self, code: &File) -> Result<()> {
        let damaged = || Error::new(ErrorKind::Damaged, "the compiled code was changed");
        if code.metadata().map_or(0, |metadata| metadata.len()) != self.file.size {
            return Err(damaged());
        }
        let Checked { digest, file, boot } = Checked::read(code).map_err(|error| damaged().because(error))?;
        if digest != self.code {
            return Err(damaged());
        }
        (self.file, self.boot) = (file, boot);
        Ok(())
    }

    pub(crate) fn program(&self) -> Digest {
        self.program
    }

    pub(crate) fn engine(&self) -> &str {
        &self.engine
    }

    pub(crate) fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    pub(crate) fn into_needs(self) -> Needs {
        self.needs
    }
}

/// A file's digest, and what will show a change since.
struct Checked {
    digest: Digest,
    file: Identity,
    boot: Option<String>,
}

impl Checked {
    fn read(code: &File) -> std::io::Result<Self> {
        let file = Identity::of(&code.metadata()?);
        // A change in the same tick of the clock as the last one would leave the identity as it is. So reading begins
        // in the next tick; where that cannot be had, nothing is promised.
        let settled = file.changed().pass();
        let digest = Digest::of_file(code)?;
        let same = Identity::of(&code.metadata()?) == file;
        let boot = clock::boot().filter(|_| settled && same).map(str::to_owned);
        Ok(Self { digest, file, boot })
    }
}

#[cfg(test)]
impl Record {
    /// The same record, as if it came from before the last boot.
    pub(crate) fn of_another_boot(self) -> Self {
        Self { boot: Some("another".to_owned()), ..self }
    }

    /// The same record, as if the file had looked like this then.
    pub(crate) fn of_file(self, file: Identity) -> Self {
        Self { file, ..self }
    }

    pub(crate) fn is_of_this_boot(&self) -> bool {
        self.boot.as_deref() == clock::boot()
    }
}
