//! Holds the tables of results in docs/conformance.md to the list of cases, so that none outlives what it counts.

use std::collections::BTreeMap;
use std::path::Path;

use crate::case::Case;
use crate::level::Level;
use crate::official;
use crate::profile::Profile;

const PAGE: &str = include_str!("../../../docs/conformance.md");
const MARK: &str = "<!-- table of ";
const MACHINES: &[Profile] =
    &[Profile::Core, Profile::Limits, Profile::Exec, Profile::Sidecar, Profile::Resilience];

/// The numbers of cases, by what a row is about.
type Rows<T> = BTreeMap<(Level, Profile), T>;

/// A table between marks, and how it comes about: what `cargo xtask conformance` plays for it.
struct Table {
    name: &'static str,
    levels: &'static [Level],
    profiles: &'static [Profile],
    /// Whether the tests of conformance/testsuite are played as well.
    official: bool,
    command: &'static str,
}

const TABLES: [Table; 7] = [
    Table {
        name: "our shims",
        levels: &[Level::Engine, Level::Task, Level::Cri, Level::Docker],
        profiles: Profile::ALL,
        official: true,
        command: "cargo xtask conformance --update",
    },
    Table {
        name: "our shims in a cluster",
        levels: &[Level::Kube],
        profiles: Profile::ALL,
        official: false,
        command: "cargo xtask conformance --update --node cluster",
    },
    Table {
        name: "our shims in vm",
        levels: &[Level::Task, Level::Cri],
        profiles: MACHINES,
        official: false,
        command: "cargo xtask conformance --update --node vm",
    },
    Table {
        name: "our shims in vm-systemd",
        levels: &[Level::Task, Level::Cri],
        profiles: MACHINES,
        official: false,
        command: "cargo xtask conformance --update --node vm-systemd",
    },
    Table {
        name: "our shims under containerd 1.7",
        levels: &[Level::Task, Level::Cri, Level::Docker],
        profiles: Profile::ALL,
        official: true,
        command: "SHIMMER_CONTAINERD=FOLDER cargo xtask conformance --update -- \
                  --driver task --driver cri --driver docker",
    },
    Table {
        name: "our shims in a cluster under containerd 1.7",
        levels: &[Level::Kube],
        profiles: &[Profile::Kubernetes],
        official: false,
        command: "SHIMMER_CONTAINERD=FOLDER cargo xtask conformance --update --node cluster -- \
                  --profile kubernetes",
    },
    Table {
        name: "our hosts",
        levels: &[Level::Task, Level::Cri],
        profiles: Profile::ALL,
        official: true,
        command: "cargo xtask conformance --update",
    },
];

impl Table {
    /// How many cases there are.
    fn cases(&self) -> Rows<usize> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testsuite");
        let official = self.official.then(|| official::cases(&folder).expect("the suite's own tests"));
        let cases: Vec<Case> = crate::all().into_iter().chain(official.into_iter().flatten()).collect();
        let mut rows = Rows::new();
        for level in self.levels {
            for case in cases.iter().filter(|case| case.is_for(*level, false)) {
                *rows.entry((*level, case.profile)).or_default() += 1;
            }
            // What the node or cluster leaves is looked at once, when it has ended.
            if [Level::Task, Level::Kube].contains(level) {
                *rows.entry((*level, crate::cases::nothing_is_left().profile)).or_default() += 1;
            }
        }
        rows.retain(|(_, profile), _| self.profiles.contains(profile));
        rows
    }

    /// How many cases the page shows, in each column.
    fn shown(&self) -> Rows<Vec<usize>> {
        let begin = format!("{MARK}{} -->", self.name);
        let (_, rest) = PAGE.split_once(&begin).unwrap_or_else(|| panic!("the page has no mark {begin}"));
        let (table, _) = rest.split_once("<!-- end of the table -->").expect("a table has an end");
        table.lines().filter_map(row).collect()
    }

    /// Where the page has other numbers than there are cases.
    fn stale(&self) -> Vec<String> {
        let (cases, shown) = (self.cases(), self.shown());
        let named = |key: &(Level, Profile)| format!("{} | {}", key.0, key.1);
        let gone = shown.keys().filter(|key| !cases.contains_key(key));
        let gone = gone.map(|key| format!("`{}` is shown, and no such case is played", named(key)));
        let other = cases.iter().filter_map(|(key, count)| match shown.get(key) {
            Some(columns) if columns.iter().all(|column| column == count) => None,
            Some(columns) => Some(format!("`{}` is of {columns:?} cases, and there are {count}", named(key))),
            None => Some(format!("`{}` is missing, with {count} cases", named(key))),
        });
        gone.chain(other).collect()
    }
}

/// The number of cases in each cell of a line like `| task | core | 76/77 (1 known) |`.
fn row(line: &str) -> Option<((Level, Profile), Vec<usize>)> {
    let mut cells = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ");
    let key = (cells.next()?.parse().ok()?, cells.next()?.parse().ok()?);
    let count = |cell: &str| {
        let (_, rest) = cell.split_once('/')?;
        rest.split(' ').next()?.parse().ok()
    };
    // A cell without a number is a profile that was not played.
    Some((key, cells.map(|cell| count(cell).unwrap_or_default()).collect()))
}

#[test]
fn the_tables_of_results_count_the_cases_that_exist() {
    let stale = TABLES.iter().filter_map(|table| {
        let rows = table.stale();
        (!rows.is_empty())
            .then(|| format!("the table of {}, by `{}`:\n  {}", table.name, table.command, rows.join("\n  ")))
    });
    let stale: Vec<String> = stale.collect();
    assert!(stale.is_empty(), "docs/conformance.md is stale: play again\n{}", stale.join("\n"));
}

#[test]
fn every_table_of_results_is_compared() {
    let marked: Vec<&str> =
        PAGE.split(MARK).skip(1).filter_map(|rest| Some(rest.split_once(" -->")?.0)).collect();
    assert_eq!(marked, TABLES.map(|table| table.name));
}

#[test]
fn the_page_names_the_command_of_every_table_of_ours() {
    for Table { command, .. } in TABLES {
        assert!(PAGE.contains(&format!("`{command}`")), "docs/conformance.md does not say `{command}`");
    }
}

#[test]
fn a_row_has_a_number_in_each_column() {
    let cells = row("| task | core | 76/77 (1 known) | 77/77 | – |").expect("a row");
    assert_eq!(cells, ((Level::Task, Profile::Core), vec![77, 77, 0]));
    assert_eq!(row("| level | profile | wasmtime |"), None);
    assert_eq!(row("| `trap/stack-overflow` | task | known |"), None);
}
