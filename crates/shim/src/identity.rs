//! What the shim says about itself to `-info`: containerd.types.runtime.v1 `RuntimeInfo`.

/// The encoded message: `name` is field 1, `version` field 2, whose `version` is its field 1.
pub(crate) fn info(engine: &str) -> Vec<u8> {
    let version = field(1, env!("CARGO_PKG_VERSION").as_bytes());
    [field(1, format!("io.containerd.{engine}.v1").as_bytes()), field(2, &version)].concat()
}

fn field(number: u8, value: &[u8]) -> Vec<u8> {
    const LENGTH_DELIMITED: u8 = 2;
    let length = u8::try_from(value.len()).ok().filter(|length| *length < 128);
    let length = length.expect("a name and a version of ours are shorter than 128 bytes");
    [&[number << 3 | LENGTH_DELIMITED, length], value].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_has_name_and_version() {
        let info = info("fake");
        assert!(info.starts_with(b"\x0a\x15io.containerd.fake.v1\x12"), "{info:?}");
        assert!(info.ends_with(env!("CARGO_PKG_VERSION").as_bytes()));
    }
}
