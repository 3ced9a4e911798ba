use oci_spec::runtime::{LinuxDeviceCgroup, LinuxDeviceType, Spec};
use shimmer_cgroup::{Kind, Rule};

use crate::{Failure, FailureKind};

/// A rule about all accesses to the devices of a kind that have these numbers.
const fn allowed(kind: Kind, major: Option<u32>, minor: Option<u32>) -> Rule {
    Rule { allow: true, kind, major, minor, read: true, write: true, mknod: true }
}

const fn may_be_made(kind: Kind) -> Rule {
    Rule { read: false, write: false, ..allowed(kind, None, None) }
}

/// What runc allows every container, whatever it lists: to make any node, and to use those of `/dev` that lead to nothing
/// of the host's.
const ALWAYS: [Rule; 10] = [
    may_be_made(Kind::Char),
    may_be_made(Kind::Block),
    // null, zero, full, random, urandom
    allowed(Kind::Char, Some(1), Some(3)),
    allowed(Kind::Char, Some(1), Some(5)),
    allowed(Kind::Char, Some(1), Some(7)),
    allowed(Kind::Char, Some(1), Some(8)),
    allowed(Kind::Char, Some(1), Some(9)),
    // tty, ptmx, and terminals themselves
    allowed(Kind::Char, Some(5), Some(0)),
    allowed(Kind::Char, Some(5), Some(2)),
    allowed(Kind::Char, Some(136), None),
];

/// The rules of a container. One that lists none has what runc gives it: what is always allowed.
///
/// A node that `linux.devices` has needs a rule of its own, as under runc: one that is to be read only stays so.
///
/// # Errors
///
/// What is no rule is refused, as runc does: to leave it out could allow what it denies.
pub(crate) fn of(spec: &Spec) -> Result<Vec<Rule>, Failure> {
    let resources = spec.linux().as_ref().and_then(|linux| linux.resources().as_ref());
    let listed = resources.and_then(|resources| resources.devices().as_deref()).unwrap_or_default();
    rules(listed)
}

fn rules(listed: &[LinuxDeviceCgroup]) -> Result<Vec<Rule>, Failure> {
    let own: Result<Vec<_>, _> = listed.iter().map(rule).collect();
    Ok([own?, ALWAYS.to_vec()].concat())
}

fn rule(listed: &LinuxDeviceCgroup) -> Result<Rule, Failure> {
    let refused = |reason: &str| {
        let message =
            format!("the container cannot be made: linux.resources.devices has \"{listed}\", {reason}");
        Failure::new(FailureKind::Invalid, message)
    };
    let kind = match listed.typ().unwrap_or_default() {
        LinuxDeviceType::A => Kind::All,
        LinuxDeviceType::B => Kind::Block,
        LinuxDeviceType::C => Kind::Char,
        LinuxDeviceType::U | LinuxDeviceType::P => return Err(refused("whose type is none of a, b and c")),
    };
    let access = listed.access().as_deref().unwrap_or_default();
    if access.is_empty() || access.contains(|letter| !"rwm".contains(letter)) {
        return Err(refused("whose access is not made of r, w and m"));
    }
    if kind == Kind::All && !listed.allow() {
        // runc and version 1 take it for all of all devices; what allows is taken at its word, which is never more.
        return Ok(Rule { allow: false, ..allowed(Kind::All, None, None) });
    }
    let number = |number: Option<i64>| match number {
        None | Some(-1) => Ok(None),
        Some(number) => u32::try_from(number).map(Some).map_err(|_| refused("whose numbers are no device's")),
    };
    let may = |letter| access.contains(letter);
    let (major, minor) = (number(listed.major())?, number(listed.minor())?);
    let (read, write, mknod) = (may('r'), may('w'), may('m'));
    Ok(Rule { allow: listed.allow(), kind, major, minor, read, write, mknod })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(text: &str) -> Result<Vec<Rule>, Failure> {
        rules(&serde_json::from_str::<Vec<_>>(text).expect("rules of the specification"))
    }

    #[test]
    fn a_container_that_lists_nothing_has_what_is_always_allowed() {
        assert_eq!(listed("[]").expect("rules"), ALWAYS);
    }

    #[test]
    fn what_is_listed_comes_first_in_its_order() {
        let rules = listed(
            r#"[{"allow": false, "access": "rwm"},
                {"allow": true, "type": "c", "major": 10, "minor": 200, "access": "rw"},
                {"allow": true, "type": "b", "major": 8, "minor": -1, "access": "r"}]"#,
        )
        .expect("rules");
        let tun = Rule { mknod: false, ..allowed(Kind::Char, Some(10), Some(200)) };
        let disks = Rule { write: false, mknod: false, ..allowed(Kind::Block, Some(8), None) };
        assert_eq!(rules[..3], [Rule { allow: false, ..allowed(Kind::All, None, None) }, tun, disks]);
        assert_eq!(rules[3..], ALWAYS);
    }

    #[test]
    fn to_deny_all_denies_all_whatever_else_it_says() {
        let rules = listed(r#"[{"allow": false, "type": "a", "major": 1, "access": "r"}]"#).expect("rules");
        assert_eq!(rules[0], Rule { allow: false, ..allowed(Kind::All, None, None) });
    }

    #[test]
    fn what_is_no_rule_is_refused() {
        for text in [
            r#"[{"allow": true, "type": "c", "major": 1}]"#,
            r#"[{"allow": true, "type": "c", "major": 1, "access": "rx"}]"#,
            r#"[{"allow": true, "type": "p", "access": "r"}]"#,
            r#"[{"allow": true, "type": "c", "major": -2, "access": "r"}]"#,
            r#"[{"allow": true, "type": "c", "major": 4294967296, "access": "r"}]"#,
        ] {
            let failure = listed(text).expect_err("no rule");
            assert_eq!(failure.kind, FailureKind::Invalid, "{text}");
            assert!(failure.message.contains("linux.resources.devices"), "{failure}");
        }
    }
}
