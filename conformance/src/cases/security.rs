mod hostile;
mod layers;
mod outside;
mod process;

use crate::case::Case;

pub(super) fn cases() -> Vec<Case> {
    [outside::cases(), layers::cases(), process::cases(), hostile::cases()].concat()
}
