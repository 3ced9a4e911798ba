//! Work of every kind, as a guest and natively from the same source.

#[expect(unreachable_pub, reason = "the guest's own crate shares this file, and there it is public")]
#[path = "../../conformance/guests/logs/src/access.rs"]
mod access;
#[expect(unreachable_pub, reason = "the guest's own crate shares this file, and there it is public")]
#[path = "../../conformance/guests/vectors/src/blend.rs"]
mod blend;
#[expect(unreachable_pub, reason = "the guest's own crate shares this file, and there it is public")]
#[path = "../../conformance/guests/compute/src/kernel.rs"]
mod compute;

use std::hint::black_box;

use self::compute::Kernel as Compute;

/// One piece of work.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kernel {
    pub(crate) name: &'static str,
    /// What an engine needs to be good at.
    pub(crate) kind: &'static str,
    /// Takes some tens of milliseconds natively.
    size: u32,
    pub(crate) guest: Guest,
    native: fn(u32) -> String,
}

/// The guest that does it.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Guest {
    Compute,
    Vectors,
    Logs,
}

impl Guest {
    pub(crate) const ALL: [Self; 3] = [Self::Compute, Self::Vectors, Self::Logs];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Compute => "compute",
            Self::Vectors => "vectors",
            Self::Logs => "logs",
        }
    }

    pub(crate) fn wasm(self) -> &'static [u8] {
        match self {
            Self::Compute => include_bytes!("../../conformance/guests/prebuilt/compute.wasm"),
            Self::Vectors => include_bytes!("../../conformance/guests/prebuilt/vectors.wasm"),
            Self::Logs => include_bytes!("../../conformance/guests/prebuilt/logs.wasm"),
        }
    }
}

#[rustfmt::skip]
pub(crate) const KERNELS: [Kernel; 8] = [
    Kernel { name: "sha256", kind: "integers", size: 8, guest: Guest::Compute, native: |n| Compute::Sha256.run(n) },
    Kernel { name: "matmul", kind: "floating point", size: 320, guest: Guest::Compute, native: |n| Compute::Matmul.run(n) },
    Kernel { name: "blend", kind: "SIMD", size: 300, guest: Guest::Vectors, native: |n| blend::blend(n).to_string() },
    Kernel { name: "sieve", kind: "memory, in order", size: 8_000_000, guest: Guest::Compute, native: |n| Compute::Sieve.run(n) },
    Kernel { name: "chase", kind: "memory, at random", size: 8, guest: Guest::Compute, native: |n| Compute::Chase.run(n) },
    Kernel { name: "fib", kind: "calls", size: 35, guest: Guest::Compute, native: |n| Compute::Fib.run(n) },
    Kernel { name: "clock", kind: "calls of the host", size: 1_000_000, guest: Guest::Compute, native: |n| Compute::Clock.run(n) },
    Kernel { name: "logs", kind: "a real program", size: 20_000, guest: Guest::Logs, native: access::access },
];

/// How much of the work is done to show that it can be done.
const LITTLE: u32 = 8;

impl Kernel {
    pub(crate) fn of_name(name: &str) -> Option<&'static Self> {
        KERNELS.iter().find(|kernel| kernel.name == name)
    }

    /// How much work there is, of which a quick run does little.
    pub(crate) fn size(&self, is_quick: bool) -> u32 {
        match self.name {
            // Its work doubles with each step and a half.
            "fib" if is_quick => self.size - LITTLE,
            _ if is_quick => (self.size / LITTLE).max(1),
            _ => self.size,
        }
    }

    /// Whether its size is a number of calls of the host, and little happens beside.
    pub(crate) fn is_of_calls(&self) -> bool {
        self.name == "clock"
    }

    /// The guest's arguments.
    pub(crate) fn arguments(&self, size: u32) -> Vec<String> {
        match self.guest {
            Guest::Logs => vec![size.to_string()],
            Guest::Compute | Guest::Vectors => vec![self.name.to_owned(), size.to_string()],
        }
    }

    /// The line that the guest prints, and native code as well: proof that the work was done.
    pub(crate) fn line(&self, size: u32) -> String {
        format!("{} {size} = {}\n", self.name, self.run(size))
    }

    fn run(&self, size: u32) -> String {
        (self.native)(black_box(size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_says_natively_what_it_did_and_how_much_of_it() {
        for kernel in &KERNELS {
            let line = kernel.line(2);
            assert!(line.starts_with(&format!("{} 2 = ", kernel.name)) && line.ends_with('\n'), "{line}");
        }
    }

    #[test]
    fn a_quick_run_does_less() {
        for kernel in &KERNELS {
            assert!(kernel.size(true) < kernel.size(false), "{}", kernel.name);
        }
    }
}
