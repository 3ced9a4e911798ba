//! What the host is to reach.

use shimmer_benches::results::containers::Containers;
use shimmer_benches::results::goal::{Reached, Verdict};

use super::Section;
use crate::Result;
use crate::figure::NOTHING;
use crate::table::Table;

pub(super) fn section(mut section: Section, containers: &Containers) -> Result<Section> {
    let shims = containers.ours();
    if shims.is_empty() {
        return Ok(section.missing("none of our shims was among the targets."));
    }
    let heads = ["what".to_owned(), "to reach".to_owned()];
    let mut table = Table::new(heads.into_iter().chain(shims));
    for goal in containers.goals() {
        let cells = goal.reached.into_iter().map(|reached| match reached {
            Some(Reached { figure, verdict: Verdict::Met }) => format!("**{figure}**"),
            Some(Reached { figure, verdict: Verdict::Missed }) => figure,
            Some(Reached { figure, verdict: Verdict::Noise }) => format!("{figure}, within the noise"),
            None => NOTHING.to_owned(),
        });
        table.row([goal.what, goal.target.to_owned()].into_iter().chain(cells));
    }
    section.table(
        "Bold is reached, and within the noise is what is to be reached where it lies between the ratios of the \
         quartiles. In brackets are the figures that a ratio is made of: ours, then what it is compared with.",
        &table,
    );
    Ok(section)
}
