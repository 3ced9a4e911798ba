use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Digest, Error, ErrorKind, Result};

/// A value as JSON behind the digest of that JSON, so that no damage can turn it into another value.
pub(crate) fn seal(value: &impl Serialize) -> Result<Vec<u8>> {
    let json = serde_json::to_vec(value)
        .map_err(|error| Error::new(ErrorKind::Io, "a record cannot be encoded").because(error))?;
    let mut sealed = Digest::of(&json).to_string().into_bytes();
    sealed.push(b'\n');
    sealed.extend(json);
    Ok(sealed)
}

/// The value that was sealed.
///
/// # Errors
///
/// [`ErrorKind::Damaged`] for all other bytes.
pub(crate) fn unseal<T: DeserializeOwned>(sealed: &[u8]) -> Result<T> {
    let damaged = || Error::new(ErrorKind::Damaged, "a record is damaged");
    let line = sealed.iter().position(|byte| *byte == b'\n').ok_or_else(damaged)?;
    let (digest, json) = (&sealed[..line], &sealed[line + 1..]);
    if digest != Digest::of(json).to_string().as_bytes() {
        return Err(damaged());
    }
    serde_json::from_slice(json).map_err(|error| damaged().because(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn damage_never_gives_another_value() {
        let value = vec!["a".to_owned(), "b".repeat(100)];
        let sealed = seal(&value).expect("strings can be encoded");
        assert_eq!(unseal::<Vec<String>>(&sealed).expect("it is whole"), value);
        let mut random = Random::seeded(1);
        for _ in 0..2_000 {
            let damaged = random.damage(&sealed);
            assert_eq!(
                unseal::<Vec<String>>(&damaged).expect_err("it is damaged").kind(),
                ErrorKind::Damaged
            );
        }
    }
}
