use crate::Case;
use crate::guests::PROBE;

pub(super) fn cases() -> Vec<Case> {
    let in_data = |id| Case::new(id, PROBE).file("note", "inside").cwd("/data");
    vec![
        in_data("cwd/relative-path").args(["cwd-read", "note"]).prints("inside"),
        in_data("cwd/relative-path-with-dot").args(["cwd-read", "./note"]).prints("inside"),
        in_data("cwd/absolute-path-beside-it").args(["cwd-read", "/data/note"]).prints("inside"),
    ]
}
