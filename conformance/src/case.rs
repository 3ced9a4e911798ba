use std::borrow::Cow;
use std::sync::Arc;

use crate::expected::{Entry, Expected, Text};
use crate::failure::Result;
use crate::host::Form;
use crate::kube::KubeStage;
use crate::level::Level;
use crate::profile::{Keyword, Profile};
use crate::setup::Setup;
use crate::stage::Stage;
use crate::testsuite::Script;

/// One promise: what is run, and what must be seen.
#[derive(Clone, Debug)]
pub struct Case {
    /// `topic/promise`, both in lower case with dashes.
    pub id: Cow<'static, str>,
    /// What it is about.
    pub profile: Profile,
    /// How binding it is.
    pub keyword: Keyword,
    /// Where the promise is made: a row of `docs/behaviour.md`, or a public specification.
    pub spec: String,
    /// The capabilities without which the program must be refused.
    pub needs: &'static [&'static str],
    /// Where it means something.
    pub levels: Vec<Level>,
    /// Whether the same can be shown by a native program, so that runc is the reference.
    pub(crate) twin: bool,
    /// Whether no other case may run at the same time.
    pub(crate) alone: bool,
    /// Whether it takes minutes, so that it is for whole runs and not for every test.
    pub(crate) long: bool,
    /// Whether it takes a containerd of the run's own, or a cluster of this machine: it looks at its processes or its
    /// log, or ends it.
    pub(crate) private: bool,
    /// In which forms an engine by itself gets the program; without any, in those that its profile asks for.
    pub(crate) forms: &'static [Form],
    pub(crate) setup: Setup,
    pub(crate) play: Play,
}

/// How a case is played.
#[derive(Clone, Debug)]
pub(crate) enum Play {
    /// One guest from start to end, and what is seen of it. The signal is sent when it has printed `ready`.
    Once { signal: Option<u32>, expected: Expected },
    /// What takes more steps or more than one container.
    Steps(fn(&Stage<'_>) -> Result),
    /// The same in a Kubernetes.
    Cluster(fn(&KubeStage<'_>) -> Result),
    /// A test of the official suite for WASI, or why it cannot be played.
    Official(Arc<Result<Script>>),
}

impl Case {
    /// A guest that must end with status 0; every driver that can show it does.
    pub(crate) fn new(id: &'static str, setup: Setup) -> Self {
        let expected = Expected::Ended { code: 0, stdout: Vec::new(), stderr: Vec::new(), left: Vec::new() };
        let mut levels = vec![Level::Task];
        levels.extend(setup.is_for_engines().then_some(Level::Engine));
        levels.extend(setup.is_for_pods().then_some(Level::Cri));
        levels.extend(setup.is_for_kube().then_some(Level::Kube));
        levels.extend(setup.is_for_docker().then_some(Level::Docker));
        Self::of(id, setup, levels, Play::Once { signal: None, expected })
    }

    /// Several steps, with containerd's task service. `setup` is what the steps run.
    pub(crate) fn task(id: &'static str, setup: Setup, steps: fn(&Stage<'_>) -> Result) -> Self {
        Self::of(id, setup, vec![Level::Task], Play::Steps(steps))
    }

    /// Several steps, with CRI.
    pub(crate) fn cri(id: &'static str, setup: Setup, steps: fn(&Stage<'_>) -> Result) -> Self {
        Self::of(id, setup, vec![Level::Cri], Play::Steps(steps))
    }

    /// Several steps, with a container of Docker.
    pub(crate) fn docker(id: &'static str, setup: Setup, steps: fn(&Stage<'_>) -> Result) -> Self {
        Self::of(id, setup, vec![Level::Docker], Play::Steps(steps))
    }

    /// Several steps, with whatever makes containers: containerd's task service, CRI and, where the setup has no words
    /// of theirs, Docker.
    pub(crate) fn container(id: &'static str, setup: Setup, steps: fn(&Stage<'_>) -> Result) -> Self {
        let mut levels = vec![Level::Task, Level::Cri];
        levels.extend(setup.is_for_docker().then_some(Level::Docker));
        Self::of(id, setup, levels, Play::Steps(steps))
    }

    /// Several steps in a Kubernetes; the native twin shows the same on the runtime that is the reference.
    pub(crate) fn cluster(id: &'static str, setup: Setup, steps: fn(&KubeStage<'_>) -> Result) -> Self {
        Self { twin: true, ..Self::of(id, setup, vec![Level::Kube], Play::Cluster(steps)) }
    }

    /// It takes capabilities of the engine.
    pub(crate) fn needs<const N: usize>(self, needs: &'static [&'static str; N]) -> Self {
        Self { needs, ..self }
    }

    /// It may be broken for a stated reason.
    pub(crate) fn should(self) -> Self {
        Self { keyword: Keyword::Should, ..self }
    }

    /// The probe's native twin shows the same.
    pub(crate) fn twin(self) -> Self {
        Self { twin: true, ..self }
    }

    /// Nothing else may run at the same time.
    pub(crate) fn alone(self) -> Self {
        Self { alone: true, ..self }
    }

    /// It takes minutes.
    pub(crate) fn long(self) -> Self {
        Self { long: true, ..self }
    }

    /// It looks at processes, at containerd's log or folders, or ends containerd: at somebody else's it cannot be played.
    pub(crate) fn private(self) -> Self {
        Self { private: true, ..self }
    }

    /// The engine gets the program in one form only, which a shim has no way to be given.
    pub(crate) fn in_form<const N: usize>(self, forms: &'static [Form; N]) -> Self {
        Self { forms, ..self }.only([Level::Engine])
    }

    /// It means something at these levels only, for a reason that a reader of the case sees.
    pub(crate) fn only<const N: usize>(mut self, levels: [Level; N]) -> Self {
        self.levels.retain(|level| levels.contains(level));
        self
    }

    /// Another place of the promise than its topic's.
    pub(crate) fn spec(self, spec: &str) -> Self {
        Self { spec: spec.to_owned(), ..self }
    }

    /// Sends a signal when the guest has printed `ready`; only a host delivers one.
    pub(crate) fn signal(mut self, number: u32) -> Self {
        if let Play::Once { signal, .. } = &mut self.play {
            *signal = Some(number);
        }
        // CRI knows no call that sends a signal of one's choice.
        self.only([Level::Task, Level::Docker])
    }

    pub(crate) fn ends_with(mut self, status: u32) -> Self {
        if let Play::Once { expected: Expected::Ended { code, .. }, .. } = &mut self.play {
            *code = status;
        }
        self
    }

    pub(crate) fn prints(self, text: impl Into<String>) -> Self {
        self.stdout(Text::Is(text.into()))
    }

    pub(crate) fn prints_among_others(self, text: &str) -> Self {
        self.stdout(Text::Has(text.to_owned()))
    }

    pub(crate) fn never_prints(self, text: &str) -> Self {
        self.stdout(Text::HasNot(text.to_owned()))
    }

    pub(crate) fn complains(mut self, text: &str) -> Self {
        if let Play::Once { expected: Expected::Ended { stderr, .. }, .. } = &mut self.play {
            stderr.push(Text::Has(text.to_owned()));
        }
        self
    }

    /// Afterwards a path below `/data` is this.
    pub(crate) fn leaves(self, path: &str, entry: Entry) -> Self {
        self.left(path, Some(entry))
    }

    /// Afterwards a path below `/data` leads nowhere.
    pub(crate) fn leaves_nothing_at(self, path: &str) -> Self {
        self.left(path, None)
    }

    /// The container cannot be created, for a reason that says all of `says`.
    pub(crate) fn refused<const N: usize>(mut self, says: [&str; N]) -> Self {
        if let Play::Once { expected, .. } = &mut self.play {
            *expected = Expected::Refused { says: says.map(str::to_owned).into() };
        }
        self
    }

    /// The forms in which an engine by itself gets the program: compiled, and for what every container does the source
    /// as well.
    pub(crate) fn forms(&self) -> &'static [Form] {
        match (self.forms, self.profile) {
            ([], Profile::Core | Profile::Images) => &[Form::Compiled, Form::Source],
            ([], _) => &[Form::Compiled],
            (forms, _) => forms,
        }
    }

    /// Gives it a profile and, where it names no place of its own, the place of the promise.
    pub(crate) fn placed(self, profile: Profile, spec: &str) -> Self {
        let spec = if self.spec.is_empty() { spec.to_owned() } else { self.spec };
        Self { profile, spec, ..self }
    }

    /// Whether a driver plays it with these guests.
    pub(crate) fn is_for(&self, level: Level, native: bool) -> bool {
        self.levels.contains(&level) && (self.twin || !native)
    }

    pub(crate) fn of(id: impl Into<Cow<'static, str>>, setup: Setup, levels: Vec<Level>, play: Play) -> Self {
        Self {
            id: id.into(),
            profile: Profile::Core,
            keyword: Keyword::Must,
            spec: String::new(),
            needs: &[],
            levels,
            twin: false,
            alone: false,
            long: false,
            private: false,
            forms: &[],
            setup,
            play,
        }
    }

    fn left(mut self, path: &str, entry: Option<Entry>) -> Self {
        if let Play::Once { expected: Expected::Ended { left, .. }, .. } = &mut self.play {
            left.push((path.to_owned(), entry));
        }
        self
    }

    fn stdout(mut self, text: Text) -> Self {
        if let Play::Once { expected: Expected::Ended { stdout, .. }, .. } = &mut self.play {
            stdout.push(text);
        }
        self
    }
}
