use super::row;
use crate::case::Case;
use crate::level::Level;
use crate::profile::Profile;
use crate::setup::probe;

pub(super) fn cases() -> Vec<Case> {
    row(
        "env",
        Profile::Core,
        [
            Case::new(
                "env/exactly-as-given",
                probe(["env"]).env([("A", "1"), ("EMPTY", ""), ("EQUALS", "a=b=c"), ("UMLAUT", "ö ü")]),
            )
            .twin()
            .prints_among_others("A=1\n")
            .prints_among_others("EMPTY=\n")
            .prints_among_others("EQUALS=a=b=c\n")
            .prints_among_others("UMLAUT=ö ü\n"),
            Case::new("env/a-name-beyond-ascii", probe(["env"]).env([("ÜMLAUT", "ö")]))
                .prints_among_others("ÜMLAUT=ö\n")
                // The API server takes no such name.
                .only([Level::Engine, Level::Task, Level::Cri]),
            // containerd gives these to its shims.
            Case::new("env/nothing-of-the-host", probe(["env"]))
                .twin()
                .never_prints("TTRPC_ADDRESS")
                .never_prints("GRPC_ADDRESS")
                .never_prints("NAMESPACE=")
                .never_prints("CARGO"),
        ],
    )
}
