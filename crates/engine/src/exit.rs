/// How a guest ended.
///
/// # Behavior
///
/// - `proc_exit(n)` is `Code(n)` for 0 to 255; a larger `n` keeps its low eight bits, as exit(2) has it.
/// - `wasi:cli/exit` and the result of `wasi:cli/run` are `Code(0)` for ok and `Code(1)` for err.
/// - Returning from the called export is `Code(0)`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Exit {
    /// The guest ended by itself, with this status.
    Code(u8),
    /// The server finished what was in flight after [`Guest::stop`](crate::Guest::stop) fired.
    Drained,
    /// The guest trapped. The text is the engine's message with its WebAssembly backtrace, for the guest's stderr.
    Trap(String),
}

impl Exit {
    /// The status of a guest that called `proc_exit` or its like with `code`.
    #[must_use]
    pub fn with_code(code: u32) -> Self {
        Self::Code((code & 0xff) as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_low_eight_bits_of_a_status() {
        assert_eq!(Exit::with_code(0), Exit::Code(0));
        assert_eq!(Exit::with_code(255), Exit::Code(255));
        assert_eq!(Exit::with_code(256 + 7), Exit::Code(7));
    }
}
