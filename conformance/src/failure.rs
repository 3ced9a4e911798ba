use std::fmt::Display;

/// Why a case failed, for a person to read: nobody acts on its kind, so anything that can be shown becomes one.
#[derive(Clone, Debug)]
pub(crate) struct Failure(pub(crate) String);

/// What a step of a case gives.
pub(crate) type Result<T = ()> = std::result::Result<T, Failure>;

impl<E: Display> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// Fails with `sentence` unless `held`.
pub(crate) fn ensure(held: bool, sentence: impl FnOnce() -> String) -> Result {
    if held { Ok(()) } else { Err(Failure(sentence())) }
}
