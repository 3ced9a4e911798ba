//! A source of the same pseudo-random damage at every run of the tests.

/// Marsaglia's xorshift with 64 bits.
pub(crate) struct Random(u64);

impl Random {
    /// Distinct, fixed sequences for distinct seeds.
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(0x9e37_79b9_7f4a_7c15 ^ (seed << 1 | 1))
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }

    /// The bytes with a bit changed, a byte changed, the end cut off, or something added: never the same bytes.
    pub(crate) fn damage(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        let at = self.below(bytes.len());
        match self.below(5) {
            0 | 1 => bytes[at] ^= 1 << self.below(8),
            2 => bytes[at] = bytes[at].wrapping_add(1 + self.below(255) as u8),
            3 => bytes.truncate(at),
            _ => bytes.insert(at, b'0'),
        }
        bytes
    }
}
