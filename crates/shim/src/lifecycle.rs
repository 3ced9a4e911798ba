//! What may happen to a process when: the whole of it, as one table without side effects.

use crate::error::{Error, Kind, Result};

/// Where a process is in its life.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Stage {
    /// It is known and not made yet: a container while it is created, an exec until it is started.
    Known,
    /// It is made, and waits for its start.
    Created,
    /// It is being started.
    Starting,
    Running,
    Paused,
    Stopped,
}

/// What containerd asks for.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Wish {
    CloseIo,
    Delete,
    Exec,
    Kill,
    ListProcesses,
    Measure,
    Pause,
    Resize,
    Resume,
    Start,
    Update,
}

impl Stage {
    #[cfg(test)]
    const ALL: [Self; 6] =
        [Self::Known, Self::Created, Self::Starting, Self::Running, Self::Paused, Self::Stopped];

    /// Whether `wish` may be fulfilled now.
    ///
    /// # Errors
    ///
    /// [`Kind::NotFound`] for what has ended and cannot be killed, as containerd's clients expect, and
    /// [`Kind::State`] for everything else.
    pub(crate) fn permits(self, wish: Wish) -> Result<()> {
        use Stage::{Created, Known, Paused, Running, Starting, Stopped};
        let permitted = match wish {
            Wish::Start => matches!(self, Known | Created),
            Wish::Kill => matches!(self, Created | Starting | Running | Paused),
            Wish::Delete => matches!(self, Known | Created | Stopped),
            Wish::Exec => matches!(self, Created | Starting | Running),
            Wish::Pause => matches!(self, Running),
            Wish::Resume => matches!(self, Paused),
            Wish::Update | Wish::ListProcesses => matches!(self, Created | Starting | Running | Paused),
            Wish::Measure => matches!(self, Created | Starting | Running | Paused | Stopped),
            Wish::Resize => !matches!(self, Stopped),
            // Whose input has ended with it.
            Wish::CloseIo => true,
        };
        if permitted {
            return Ok(());
        }
        Err(match (wish, self) {
            (Wish::Kill, Stopped) => Error::new(Kind::NotFound, "the process has ended already"),
            (Wish::Kill, _) => Error::new(Kind::NotFound, "the process has not been started yet"),
            _ => {
                Error::new(Kind::State, format!("a process that is {} cannot {}", self.words(), wish.words()))
            }
        })
    }

    fn words(self) -> &'static str {
        match self {
            Self::Known => "not made yet",
            Self::Created => "created",
            Self::Starting => "being started",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
        }
    }
}

impl Wish {
    fn words(self) -> &'static str {
        match self {
            Self::CloseIo => "have its input closed",
            Self::Delete => "be deleted",
            Self::Exec => "have another one executed beside it",
            Self::Kill => "be killed",
            Self::ListProcesses => "have its processes listed",
            Self::Measure => "be measured",
            Self::Pause => "be paused",
            Self::Resize => "have its terminal resized",
            Self::Resume => "be resumed",
            Self::Start => "be started",
            Self::Update => "be given other limits",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One row for each wish; one letter for each stage of [`Stage::ALL`]: yes, state, or not found.
    const TABLE: [(Wish, &str); 11] = [
        (Wish::CloseIo, "yyyyyy"),
        (Wish::Delete, "yysssy"),
        (Wish::Exec, "syyyss"),
        (Wish::Kill, "nyyyyn"),
        (Wish::ListProcesses, "syyyys"),
        (Wish::Measure, "syyyyy"),
        (Wish::Pause, "sssyss"),
        (Wish::Resize, "yyyyys"),
        (Wish::Resume, "ssssys"),
        (Wish::Start, "yyssss"),
        (Wish::Update, "syyyys"),
    ];

    #[test]
    fn every_wish_is_answered_in_every_stage_as_the_table_says() {
        for (wish, answers) in TABLE {
            for (stage, expected) in Stage::ALL.into_iter().zip(answers.chars()) {
                let answer = match stage.permits(wish).map_err(|error| error.kind()) {
                    Ok(()) => 'y',
                    Err(Kind::State) => 's',
                    Err(Kind::NotFound) => 'n',
                    Err(other) => panic!("{wish:?} in {stage:?} is {other:?}"),
                };
                assert_eq!(answer, expected, "{wish:?} in {stage:?}");
            }
        }
    }
}
