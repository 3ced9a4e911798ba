use containerd_shim_protos::protobuf::Message;
use containerd_shim_protos::protobuf::well_known_types::any::Any;
use containerd_shim_protos::shim::oci::Options as RuncOptions;
use serde::Deserialize;

use crate::error::{Error, Kind, Result};

/// What containerd's configuration says about this runtime, under `options`.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct Options {
    /// Whether systemd makes the cgroups.
    pub(crate) systemd_cgroup: bool,
}

impl Options {
    /// Reads them in either of the forms that containerd knows: those of runc's shim, or TOML for any other.
    ///
    /// # Errors
    ///
    /// [`Kind::Invalid`] where they are malformed.
    pub(crate) fn of(any: Option<&Any>) -> Result<Self> {
        let Some(any) = any else { return Ok(Self::default()) };
        let invalid = |cause: String| {
            Error::new(Kind::Invalid, format!("the runtime's options in containerd's configuration: {cause}"))
        };
        if any.type_url.ends_with("runc.v1.Options") {
            let options =
                RuncOptions::parse_from_bytes(&any.value).map_err(|error| invalid(error.to_string()))?;
            return Ok(Self { systemd_cgroup: options.systemd_cgroup });
        }
        if any.type_url.ends_with("runtimeoptions.v1.Options") {
            let body = config_body(&any.value).ok_or_else(|| invalid("they are cut off".to_owned()))?;
            let text = std::str::from_utf8(body).map_err(|error| invalid(error.to_string()))?;
            return toml::from_str(text).map_err(|error| invalid(error.to_string()));
        }
        Ok(Self::default())
    }
}

/// The field `config_body` of `runtimeoptions.v1.Options`, number 3, of the wire type 2; empty where it is missing.
fn config_body(mut message: &[u8]) -> Option<&[u8]> {
    const BODY: u64 = 3 << 3 | 2;
    let mut body: &[u8] = &[];
    while !message.is_empty() {
        let (tag, rest) = varint(message)?;
        if tag & 7 != 2 {
            return None;
        }
        let (length, rest) = varint(rest)?;
        let (value, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        if tag == BODY {
            body = value;
        }
        message = rest;
    }
    Some(body)
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (position, byte) in bytes.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f).checked_shl(u32::try_from(position).ok()? * 7)?;
        if byte & 0x80 == 0 {
            return Some((value, &bytes[position + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn any(url: &str, value: Vec<u8>) -> Any {
        Any { type_url: url.to_owned(), value, ..Any::default() }
    }

    #[test]
    fn reads_both_forms() {
        let runc = RuncOptions { systemd_cgroup: true, ..RuncOptions::default() };
        let runc = any("containerd.runc.v1.Options", runc.write_to_bytes().expect("it is complete"));
        let text = b"SystemdCgroup = true\nOther = 1\n";
        let mut message = vec![0x0a, 1, b'x', 0x1a, u8::try_from(text.len()).expect("it is short")];
        message.extend(text);
        let toml = any("runtimeoptions.v1.Options", message);
        for form in [runc, toml] {
            assert!(Options::of(Some(&form)).expect("it is well-formed").systemd_cgroup, "{form:?}");
        }
        assert_eq!(Options::of(None).expect("there are none"), Options::default());
    }

    #[test]
    fn refuses_what_is_malformed() {
        for value in [vec![0x1a, 9, b'x'], vec![0x1a, 2, b'=', b'='], vec![0xff; 12], vec![0x08, 1]] {
            let error =
                Options::of(Some(&any("runtimeoptions.v1.Options", value))).expect_err("it is malformed");
            assert_eq!(error.kind(), Kind::Invalid);
        }
    }
}
