//! Everything once in each round.

use shimmer_benches::progress::{self, Progress};
use shimmer_benches::turn;

use crate::case::Case;

/// Lets every case take its turn in every round, after one that does not count.
pub(crate) fn all(cases: &mut [Case], rounds: usize) {
    progress::line("the round that does not count");
    cases.iter_mut().for_each(Case::take_turn);
    cases.iter_mut().for_each(|case| case.answers.clear());
    let mut progress = Progress::new("engines", rounds);
    for round in 0..rounds {
        progress.step("everything once");
        for place in turn::order(cases.len(), round) {
            cases[place].take_turn();
        }
    }
}
