//! How a change of files becomes one of the running node: containerd is started again if it must be, serves, has the right
//! handlers, and each of them makes a pod.

use std::path::Path;

use crate::error::Result;
use crate::journal::{Effect, Restarting};
use crate::machine::{Machine, Supervisor};

/// What has to be so once a change has settled.
#[derive(Debug)]
pub(crate) struct Settling<'a> {
    pub(crate) machine: &'a dyn Machine,
    pub(crate) socket: &'a Path,
    /// Handlers that there must be, each with whether systemd makes its cgroups.
    pub(crate) there: Vec<(String, bool)>,
    /// Handlers that there must be no more.
    pub(crate) gone: Vec<String>,
    /// Handlers that there must be when the change is undone.
    pub(crate) before: Vec<String>,
}

impl Effect for Settling<'_> {
    fn settle(&mut self, restart: Option<&Restarting>) -> Result<()> {
        if let Some(restart) = restart {
            // Once more, now that everything is in its place: a containerd that refuses this would not come back.
            if restart.has_config {
                self.machine.dump(&restart.containerd, &restart.config)?;
            }
            self.machine.restart(&restart.socket, &restart.supervisor)?;
            if restart.supervisor == Supervisor::Nobody {
                return Ok(());
            }
        }
        self.verify()
    }

    fn resettle(&mut self, restart: Option<&Restarting>) -> Result<()> {
        let serves = |listed: &[String]| self.before.iter().all(|handler| listed.contains(handler));
        restart.map_or(Ok(()), |restart| reread(self.machine, restart, &serves))
    }
}

impl Settling<'_> {
    /// Waits for containerd and its handlers, and tries each.
    pub(crate) fn verify(&self) -> Result<()> {
        let is_right = |listed: &[String]| {
            let has = |handler: &String| listed.contains(handler);
            self.there.iter().all(|(handler, _)| has(handler)) && !self.gone.iter().any(has)
        };
        self.machine.handlers(self.socket, &is_right)?;
        for (handler, systemd) in &self.there {
            self.machine.try_pod(self.socket, handler, *systemd)?;
        }
        Ok(())
    }
}

/// Lets containerd read again what is there now, and waits until it serves: after a change was undone.
pub(crate) fn reread(
    machine: &dyn Machine,
    restart: &Restarting,
    until: &dyn Fn(&[String]) -> bool,
) -> Result<()> {
    machine.restart(&restart.socket, &restart.supervisor)?;
    if restart.supervisor == Supervisor::Nobody {
        return Ok(());
    }
    machine.handlers(&restart.socket, until).map(drop)
}
