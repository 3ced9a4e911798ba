//! What a container may use, in the words of the OCI runtime spec.

use serde_json::{Value, json};

/// The limits of a container; one that is not given is not set, or stays.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Resources {
    /// Memory, in bytes.
    pub memory: Option<u64>,
    /// Time of processors within each period, in microseconds.
    pub cpu_quota: Option<i64>,
    /// The length of a period, in microseconds.
    pub cpu_period: Option<u64>,
    /// The weight against other containers, where processors are short; 1024 is usual.
    pub cpu_shares: Option<u64>,
    /// The number of processes and threads.
    pub pids: Option<i64>,
}

impl Resources {
    /// As `linux.resources` of the OCI runtime spec.
    pub(crate) fn oci(&self) -> Value {
        let Self { memory, cpu_quota, cpu_period, cpu_shares, pids } = *self;
        let mut resources = json!({});
        if let Some(limit) = memory {
            resources["memory"]["limit"] = limit.into();
        }
        if let Some(quota) = cpu_quota {
            resources["cpu"]["quota"] = quota.into();
        }
        if let Some(period) = cpu_period {
            resources["cpu"]["period"] = period.into();
        }
        if let Some(shares) = cpu_shares {
            resources["cpu"]["shares"] = shares.into();
        }
        if let Some(limit) = pids {
            resources["pids"]["limit"] = limit.into();
        }
        resources
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_only_what_is_limited() {
        let some = Resources { cpu_quota: Some(5000), pids: Some(7), ..Resources::default() };
        assert_eq!(some.oci(), json!({ "cpu": { "quota": 5000 }, "pids": { "limit": 7 } }));
        assert_eq!(Resources::default().oci(), json!({}));
    }
}
