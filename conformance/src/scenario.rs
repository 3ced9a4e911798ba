use shimmer_engine::Capabilities;

use crate::case::Seen;
use crate::guests::Program;
use crate::images::Form;
use crate::task::{self, Shim};

/// A promise that takes more than one container or more than one step to see.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// `topic/promise`, as a case's.
    pub id: &'static str,
    pub(crate) program: Program,
    pub(crate) needs: fn(&Capabilities) -> bool,
    pub(crate) play: fn(&Shim) -> Result<(), String>,
}

impl Scenario {
    /// What an engine without the capability must do with the scenario's program.
    pub(crate) fn refused(&self, shim: &Shim) -> Result<(), String> {
        let Program { name, bytes } = self.program;
        let image = shim.image(Form::Artifact, name, bytes)?;
        let spec = shim.container(self.id, &image).args([format!("/{name}")]);
        match task::seen(shim.run(spec))? {
            Seen::Refused { sentence } if sentence.contains("which this engine does not provide") => Ok(()),
            other => Err(format!("expected a refusal, but saw {}", other.describe())),
        }
    }
}
