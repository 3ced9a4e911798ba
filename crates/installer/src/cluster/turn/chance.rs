//! Who may take a lease, by what it says and for how long it has said so. Pure: no clock, no server.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::ObjectMeta;

use crate::cluster::turn::Slots;

/// What a node may do with a slot.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Chance {
    /// Nobody has it, or its holder has not renewed it for as long as it was to last.
    Free,
    /// The node has it already: an earlier attempt was interrupted.
    Ours,
    /// Its holder has this long to renew it.
    Taken(Duration),
    /// Its holder needs a hand, and keeps it.
    Kept,
}

/// What the node of `slots` may do with a lease that has looked like this for so long, by the node's own clock: the
/// clocks of two machines are not compared.
pub(super) fn chance(lease: &Lease, slots: &Slots<'_>, unchanged: Duration) -> Chance {
    let Some(holder) = holder(lease) else { return Chance::Free };
    if node_of(holder) == slots.node {
        return Chance::Ours;
    }
    if broken(lease).is_some() {
        return Chance::Kept;
    }
    let seconds = lease.spec.as_ref().and_then(|spec| spec.lease_duration_seconds);
    let lasts = seconds.and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs);
    match lasts.unwrap_or(slots.duration).checked_sub(unchanged) {
        Some(left) if !left.is_zero() => Chance::Taken(left),
        _ => Chance::Free,
    }
}

/// Who has a lease.
pub(super) fn holder(lease: &Lease) -> Option<&str> {
    let holder = lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref());
    holder.filter(|holder| !holder.is_empty())
}

/// The node of a holder. No node's name has a slash.
pub(super) fn node_of(holder: &str) -> &str {
    holder.split_once('/').map_or(holder, |(node, _)| node)
}

/// Why the holder of a lease keeps it.
pub(super) fn broken(lease: &Lease) -> Option<&str> {
    lease.metadata.annotations.as_ref()?.get(BROKEN).map(String::as_str)
}

/// The lease as its new holder writes it; `old` is what it was, if it was there.
pub(super) fn taken(old: Option<&Lease>, name: &str, slots: &Slots<'_>, now: Timestamp) -> Lease {
    let identity = slots.identity();
    let mut lease = old.cloned().unwrap_or_else(|| Lease {
        metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
        spec: None,
    });
    unbreak(&mut lease);
    let before = lease.spec.take().unwrap_or_default();
    let changes = before.holder_identity.as_deref() != Some(&identity);
    lease.spec = Some(LeaseSpec {
        acquire_time: if changes { Some(MicroTime(now)) } else { before.acquire_time },
        lease_transitions: Some(before.lease_transitions.unwrap_or_default().saturating_add(changes.into())),
        lease_duration_seconds: Some(i32::try_from(slots.duration.as_secs()).unwrap_or(i32::MAX).max(1)),
        renew_time: Some(MicroTime(now)),
        holder_identity: Some(identity),
        ..before
    });
    lease
}

/// The lease as its holder renews it.
pub(super) fn renewed(lease: &Lease, now: Timestamp) -> Lease {
    let mut lease = lease.clone();
    lease.spec.get_or_insert_default().renew_time = Some(MicroTime(now));
    lease
}

/// The lease as its holder leaves it.
pub(super) fn released(lease: &Lease) -> Lease {
    let mut lease = lease.clone();
    unbreak(&mut lease);
    lease.spec.get_or_insert_default().holder_identity = None;
    lease
}

/// The lease as a holder leaves it that needs a hand.
pub(super) fn kept(lease: &Lease, why: &str) -> Lease {
    let mut lease = lease.clone();
    lease.metadata.annotations.get_or_insert_default().insert(BROKEN.to_owned(), why.to_owned());
    lease
}

/// On a lease whose holder could neither be changed nor be put back: why.
const BROKEN: &str = "shimmer.dev/needs-a-hand";

fn unbreak(lease: &mut Lease) {
    if let Some(annotations) = &mut lease.metadata.annotations {
        annotations.remove(BROKEN);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LASTS: Duration = Duration::from_secs(60);
    const NEVER: Duration = Duration::ZERO;

    fn slots(node: &str) -> Slots<'_> {
        Slots { node, lease: "shimmer", count: 1, duration: LASTS }
    }

    fn held_by(node: &str) -> Lease {
        taken(None, "shimmer-0", &slots(node), Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn a_lease_without_a_holder_is_free() {
        assert_eq!(chance(&Lease::default(), &slots("a"), NEVER), Chance::Free);
        assert_eq!(chance(&released(&held_by("b")), &slots("a"), NEVER), Chance::Free);
        let mut empty = held_by("b");
        empty.spec.as_mut().unwrap().holder_identity = Some(String::new());
        assert_eq!(chance(&empty, &slots("a"), NEVER), Chance::Free);
    }

    #[test]
    fn a_lease_lasts_as_long_as_it_says_and_no_longer() {
        let second = Duration::from_secs(1);
        assert_eq!(chance(&held_by("b"), &slots("a"), NEVER), Chance::Taken(LASTS));
        assert_eq!(chance(&held_by("b"), &slots("a"), LASTS - second), Chance::Taken(second));
        assert_eq!(chance(&held_by("b"), &slots("a"), LASTS), Chance::Free);
        let impatient = Slots { duration: second, ..slots("a") };
        assert_eq!(chance(&held_by("b"), &impatient, second), Chance::Taken(LASTS - second));
        let mut silent = held_by("b");
        silent.spec.as_mut().unwrap().lease_duration_seconds = None;
        assert_eq!(chance(&silent, &impatient, second), Chance::Free);
    }

    #[test]
    fn what_another_clock_says_does_not_count() {
        let long_ago = taken(None, "shimmer-0", &slots("b"), Timestamp::MIN);
        let to_come = taken(None, "shimmer-0", &slots("b"), Timestamp::MAX);
        assert_eq!(chance(&long_ago, &slots("a"), NEVER), Chance::Taken(LASTS));
        assert_eq!(chance(&to_come, &slots("a"), LASTS), Chance::Free);
    }

    #[test]
    fn the_same_node_goes_on_at_once() {
        assert_eq!(chance(&held_by("b"), &slots("b"), NEVER), Chance::Ours);
        assert_eq!(chance(&held_by("node1"), &slots("node11"), NEVER), Chance::Taken(LASTS));
        assert_eq!(chance(&kept(&held_by("b"), "why"), &slots("b"), NEVER), Chance::Ours);
    }

    #[test]
    fn a_node_that_needs_a_hand_keeps_its_turn() {
        let lease = kept(&held_by("b"), "it does not come back");
        assert_eq!(chance(&lease, &slots("a"), LASTS * 100), Chance::Kept);
        assert_eq!(broken(&lease), Some("it does not come back"));
        let again = taken(Some(&lease), "shimmer-0", &slots("b"), Timestamp::UNIX_EPOCH);
        assert_eq!(broken(&again), None);
        assert_eq!(broken(&released(&lease)), None);
    }

    #[test]
    fn a_new_holder_keeps_what_is_not_its_own() {
        let mut old = released(&held_by("b"));
        old.metadata.resource_version = Some("7".into());
        old.metadata.labels = Some([("app".to_owned(), "shimmer".to_owned())].into());
        let new = taken(Some(&old), "shimmer-0", &slots("a"), Timestamp::UNIX_EPOCH);
        assert_eq!(
            (&new.metadata.resource_version, &new.metadata.labels),
            (&old.metadata.resource_version, &old.metadata.labels)
        );
        assert_eq!(holder(&new).map(node_of), Some("a"));
        assert_eq!(new.spec.unwrap().lease_transitions, Some(2));
    }
}
