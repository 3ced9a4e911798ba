//! The cases, one file for each topic. To add a case, add it to the list of its file; to add a topic, add its file to
//! the lists here.

mod argv;
mod cache;
mod components;
mod cwd;
mod docker;
mod engines;
mod env;
mod exec;
mod exit;
mod extensions;
mod files;
mod http;
mod images;
mod kubernetes;
mod lifecycle;
mod limits;
mod modules;
mod refusals;
mod resilience;
mod security;
mod sidecar;
mod signals;
mod sockets;
mod stdio;
mod traps;
mod wasi;

use crate::case::Case;
use crate::profile::Profile;
use crate::setup;

pub(crate) use kubernetes::servers;

/// The topics, in the order in which they are played.
const TOPICS: [fn() -> Vec<Case>; 26] = [
    argv::cases,
    env::cases,
    cwd::cases,
    stdio::cases,
    exit::cases,
    traps::cases,
    signals::cases,
    components::cases,
    extensions::cases,
    http::cases,
    images::cases,
    refusals::cases,
    files::cases,
    cache::cases,
    engines::cases,
    wasi::cases,
    modules::cases,
    sockets::cases,
    lifecycle::cases,
    exec::cases,
    sidecar::cases,
    limits::cases,
    security::cases,
    resilience::cases,
    kubernetes::cases,
    docker::cases,
];

/// All cases, in the order of the topics.
#[must_use]
pub fn all() -> Vec<Case> {
    TOPICS.iter().flat_map(|cases| cases()).collect()
}

/// What is played last, when the node has ended, by whoever has ended it.
pub(crate) fn nothing_is_left() -> Case {
    let case = Case::task("resilience/nothing-is-left-on-the-machine", setup::probe([]), |_| Ok(()));
    case.placed(Profile::Resilience, "docs/behaviour.md#resilience")
}

/// Cases that hold one row of `docs/behaviour.md`.
fn row<const N: usize>(row: &str, profile: Profile, cases: [Case; N]) -> Vec<Case> {
    let spec = format!("docs/behaviour.md#{row}");
    cases.into_iter().map(|case| case.placed(profile, &spec)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use super::*;

    const BEHAVIOUR: &str = include_str!("../../docs/behaviour.md");

    #[test]
    fn ids_are_unique_and_say_topic_and_promise() {
        let mut ids = BTreeSet::new();
        for Case { id, .. } in all() {
            let plain = |part: &str| {
                !part.is_empty()
                    && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
            };
            assert!(id.split('/').count() == 2 && id.split('/').all(plain), "{id} is not like topic/promise");
            assert!(ids.insert(id.clone()), "{id} stands there twice");
        }
    }

    #[test]
    fn there_are_at_least_150_cases() {
        assert!(all().len() >= 150, "there are {}", all().len());
    }

    #[test]
    fn every_case_can_be_played_somewhere() {
        for case in all() {
            assert!(!case.levels.is_empty(), "no driver plays {}", case.id);
        }
    }

    #[test]
    fn every_case_stands_in_the_row_of_behaviour_that_it_names() {
        for Case { id, spec, .. } in all() {
            let Some(row) = spec.strip_prefix("docs/behaviour.md#") else { continue };
            let anchor = format!("<a id=\"{row}\">");
            let line = BEHAVIOUR.lines().find(|line| line.contains(&anchor));
            let line = line.unwrap_or_else(|| panic!("docs/behaviour.md has no row {row}, which {id} names"));
            assert!(
                line.contains(&format!("`{id}`")),
                "the row {row} of docs/behaviour.md does not name {id}"
            );
        }
    }

    #[test]
    fn every_row_of_behaviour_names_cases_that_exist() {
        let cases = all().into_iter().chain([nothing_is_left()]);
        let ids: BTreeSet<String> = cases.map(|case| case.id.into_owned()).collect();
        for line in BEHAVIOUR.lines().filter(|line| line.contains("<a id=")) {
            let cases = line.rsplit('|').nth(1).unwrap_or_default();
            let named: Vec<&str> = cases.split('`').skip(1).step_by(2).collect();
            assert!(!named.is_empty(), "no case holds the row {line}");
            for id in named {
                assert!(ids.contains(id), "docs/behaviour.md names {id}, which is no case");
            }
        }
    }

    #[test]
    fn every_bullet_of_the_engines_contract_names_a_case() {
        let ids: BTreeSet<String> = all().into_iter().map(|case| case.id.into_owned()).collect();
        let docs = include_str!("../../crates/engine/src/lib.rs").lines();
        let text: String =
            docs.filter_map(|line| line.trim().strip_prefix("///")).collect::<Vec<_>>().join("\n");
        let sections = text.split("# Behavior").skip(1).map(|rest| rest.split("\n #").next().unwrap_or(rest));
        let bullets: Vec<&str> = sections.flat_map(|section| section.split("\n - ").skip(1)).collect();
        assert!(bullets.len() >= 10, "only {} bullets were found", bullets.len());
        for bullet in bullets {
            let named = bullet.split('`').skip(1).step_by(2).any(|word| ids.contains(word));
            assert!(named, "this promise of crates/engine names no case that holds it:\n -{bullet}");
        }
    }

    #[test]
    fn every_file_of_cases_is_a_topic() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/cases");
        let topics = include_str!("cases.rs");
        for entry in fs::read_dir(folder).expect("the folder of cases") {
            let file = entry.expect("an entry").file_name().into_string().expect("UTF-8");
            let Some(topic) = file.strip_suffix(".rs") else { continue };
            for line in [format!("mod {topic};"), format!("    {topic}::cases,")] {
                assert!(
                    topics.lines().any(|known| known == line),
                    "cases.rs has no line `{line}` for {file}"
                );
            }
        }
    }
}
