//! The cases, one file for each topic of `docs/behaviour.md`.

mod argv;
mod components;
mod cwd;
mod env;
mod exit;
mod extensions;
mod files;
mod refusals;
mod signals;
mod stdio;
mod traps;

use crate::Case;

/// All cases, in the order of the table in `docs/behaviour.md`.
#[must_use]
pub fn all() -> Vec<Case> {
    let topics = [
        argv::cases(),
        env::cases(),
        cwd::cases(),
        files::cases(),
        stdio::cases(),
        exit::cases(),
        traps::cases(),
        refusals::cases(),
        signals::cases(),
        components::cases(),
        extensions::cases(),
    ];
    topics.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_are_unique() {
        let cases = all();
        let ids: BTreeSet<&str> = cases.iter().map(|case| case.id).collect();
        assert_eq!(ids.len(), cases.len());
    }

    #[test]
    fn every_case_stands_in_the_table_of_behaviour() {
        let table = include_str!("../../docs/behaviour.md");
        let ids = all()
            .into_iter()
            .map(|case| case.id)
            .chain(crate::scenarios().into_iter().map(|scenario| scenario.id));
        for id in ids {
            assert!(table.contains(&format!("`{id}`")), "docs/behaviour.md does not name {id}");
        }
    }
}
