//! The kernels by name; each turns a size into one number, which proves that the work was done.

use std::hint::black_box;
use std::str::FromStr;
use std::time::Instant;

use crate::sha256::Sha256;

/// One piece of CPU-bound work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernel {
    /// The nth Fibonacci number by naive recursion: calls and returns.
    Fib,
    /// How many primes lie below n: branches and byte-wide memory.
    Sieve,
    /// The trace of the product of two n × n matrices: floating point and strided memory.
    Matmul,
    /// SHA-256 over n MiB of a known pattern: 32-bit arithmetic and rotation.
    Sha256,
    /// A walk through n MiB in which each step's place is read at the one before: the latency of memory.
    Chase,
    /// n looks at the monotonic clock: calls of the host.
    Clock,
}

impl Kernel {
    /// Every kernel, in the order of the benches.
    pub const ALL: [Self; 6] = [Self::Fib, Self::Sieve, Self::Matmul, Self::Sha256, Self::Chase, Self::Clock];

    /// The name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Fib => "fib",
            Self::Sieve => "sieve",
            Self::Matmul => "matmul",
            Self::Sha256 => "sha256",
            Self::Chase => "chase",
            Self::Clock => "clock",
        }
    }

    /// Does the work of size `n` and returns its result as text.
    #[must_use]
    pub fn run(self, n: u32) -> String {
        match self {
            Self::Fib => fib(black_box(n)).to_string(),
            Self::Sieve => sieve(black_box(n)).to_string(),
            Self::Matmul => matmul(black_box(n)).to_string(),
            Self::Sha256 => sha256(black_box(n)),
            Self::Chase => chase(black_box(n)).to_string(),
            Self::Clock => clock(black_box(n)).to_string(),
        }
    }
}

impl FromStr for Kernel {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let known = || Self::ALL.map(Self::name).join(", ");
        Self::ALL
            .into_iter()
            .find(|kernel| kernel.name() == name)
            .ok_or_else(|| format!("no kernel is called \"{name}\"; there are {}", known()))
    }
}

fn fib(n: u32) -> u64 {
    if n < 2 { u64::from(n) } else { fib(n - 1) + fib(n - 2) }
}

fn sieve(limit: u32) -> usize {
    let limit = limit as usize;
    let mut composite = vec![false; limit];
    let mut primes = 0;
    for candidate in 2..limit {
        if composite[candidate] {
            continue;
        }
        primes += 1;
        for multiple in (candidate.saturating_mul(candidate)..limit).step_by(candidate) {
            composite[multiple] = true;
        }
    }
    primes
}

fn matmul(n: u32) -> f64 {
    let pattern = |modulus: u32| -> Vec<f64> { (0..n * n).map(|i| f64::from(i % modulus)).collect() };
    let (left, right) = (pattern(7), pattern(5));
    let n = n as usize;
    let mut product = vec![0.0; n * n];
    for row in 0..n {
        for step in 0..n {
            let factor = left[row * n + step];
            for column in 0..n {
                product[row * n + column] += factor * right[step * n + column];
            }
        }
    }
    (0..n).map(|i| product[i * n + i]).sum()
}

fn sha256(mebibytes: u32) -> String {
    let chunk: Vec<u8> = (0..1 << 20).map(|i: u32| (i % 251) as u8).collect();
    let mut hash = Sha256::default();
    for _ in 0..mebibytes {
        hash.update(&chunk);
    }
    hash.finish().to_string()
}

/// One cycle through all places in an order that no processor guesses, then as many steps as there are places.
fn chase(mebibytes: u32) -> u32 {
    let places = mebibytes << 18;
    let mut next: Vec<u32> = (0..places).collect();
    let mut random = 1_u32;
    // Sattolo's shuffle, which leaves one cycle.
    for last in (1..next.len()).rev() {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let other = (u64::from(random) * last as u64) >> 32;
        next.swap(last, other as usize);
    }
    let (mut place, mut sum) = (0, 0_u32);
    for _ in 0..places {
        place = next[place as usize];
        sum = sum.rotate_left(1) ^ place;
    }
    sum
}

fn clock(looks: u32) -> u32 {
    let mut forward = 0;
    let mut last = Instant::now();
    for _ in 0..looks {
        let now = Instant::now();
        forward += u32::from(now >= last);
        last = now;
    }
    forward
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_computes_a_known_result() {
        let known = [
            (Kernel::Fib, 20, "6765"),
            (Kernel::Sieve, 1000, "168"),
            (Kernel::Matmul, 2, "13"),
            (Kernel::Chase, 0, "0"),
            (Kernel::Chase, 1, "235372158"),
            (Kernel::Clock, 1000, "1000"),
            (Kernel::Sha256, 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ];
        for (kernel, n, result) in known {
            assert_eq!(kernel.run(n), result, "{} of {n}", kernel.name());
        }
    }

    #[test]
    fn a_kernel_is_found_by_its_name() {
        for kernel in Kernel::ALL {
            assert_eq!(
                kernel.name().parse(),
                Ok(kernel),
                "the name {} leads back to its kernel",
                kernel.name()
            );
        }
        let refusal = "fob".parse::<Kernel>().expect_err("fob is no kernel");
        assert!(refusal.contains("fob") && refusal.contains("fib"), "names both: {refusal}");
    }
}
