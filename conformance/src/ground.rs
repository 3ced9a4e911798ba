use shimmer_node::machine::Flavour;

use crate::named::named;

named! {
    /// What a shim's node stands on.
    Ground: "node" {
        /// This machine itself.
        Host = "host",
        /// A small virtual machine with cgroup v2.
        Vm = "vm",
        /// A virtual machine with cgroup v2 and systemd, which makes the cgroups of pods.
        VmSystemd = "vm-systemd",
    }
}

#[expect(
    clippy::derivable_impls,
    reason = "the names are declared by a macro, which knows no attribute for that"
)]
impl Default for Ground {
    fn default() -> Self {
        Self::Host
    }
}

impl Ground {
    /// The machine that it takes; none for this one.
    #[must_use]
    pub fn flavour(self) -> Option<Flavour> {
        match self {
            Self::Host => None,
            Self::Vm => Some(Flavour::Small),
            Self::VmSystemd => Some(Flavour::Systemd),
        }
    }
}
