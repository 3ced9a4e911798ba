//! One run of the suite: cases are chosen, played and judged, and a report comes of it.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use glob::Pattern;
use shimmer_engine::Capabilities;

use crate::case::Case;
use crate::claims::Claims;
use crate::engine::EngineHost;
use crate::error::{Error, ErrorKind, Result};
use crate::expectations::Expectations;
use crate::failure::Failure;
use crate::ground::Ground;
use crate::kube::{Cluster, ClusterTarget, Private};
use crate::level::Level;
use crate::patience;
use crate::player::{Subject, play};
use crate::profile::Profile;
use crate::report::{LeftOut, Outcome, Report};
use crate::shim::Shim;
use crate::{account, official};

/// What is to be run.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// The shim for the drivers `task` and `cri`.
    pub shim: Option<Target>,
    /// The cluster for the driver `kube`.
    pub cluster: Option<ClusterTarget>,
    /// The program that hosts guests on an engine by itself, for the driver `engine`.
    pub engine: Option<PathBuf>,
    /// The drivers; without any, the [usual](Level::USUAL) ones that something was given for.
    pub levels: Vec<Level>,
    /// The profiles; without any, all.
    pub profiles: Vec<Profile>,
    /// Patterns of the cases' ids; without any, all.
    pub filters: Vec<Pattern>,
    /// Claims and known failures.
    pub expectations: Expectations,
    /// A folder of the official test suite for WASI, to be run as well.
    pub testsuite: Option<PathBuf>,
    /// How many cases may run at the same time; at least one does.
    pub jobs: usize,
    /// What this machine is: where systemd makes the cgroups of pods, a private node lets it.
    pub ground: Ground,
    /// How long a guest may take for a step, and a private containerd and its shim to answer a call, before the case
    /// has failed; a minute without it.
    pub patience: Option<Duration>,
}

/// Where a shim is found.
#[derive(Clone, Debug)]
pub enum Target {
    /// A binary, for which a private containerd is started.
    Binary(PathBuf),
    /// The name of a runtime of a containerd that serves already, and that containerd's socket.
    Serving(String, PathBuf),
}

/// Told how far a run has come, by the threads that play.
pub trait Progress: Sync {
    /// What is going to be made where others are at home.
    fn announces(&self, _text: &str) {}
    /// What is waited for before the first case.
    fn waits(&self, _what: &str) {}
    /// A case begins: the how-manieth of how many.
    fn begins(&self, id: &str, level: Level, position: usize, total: usize);
    /// A case has ended.
    fn ended(&self, outcome: &Outcome);
}

impl Run {
    /// Plays the cases.
    ///
    /// # Errors
    ///
    /// Where nothing can be run: no such program, a containerd that does not start, lists that name what there is
    /// not. What a case finds wrong is no error but stands in the report, and so do traces that a private node leaves.
    pub fn play(&self, progress: &dyn Progress) -> Result<Report> {
        let cases = self.cases()?;
        let known: Vec<&str> = cases.iter().map(|case| &*case.id).collect();
        self.expectations.check_ids(&known)?;
        self.expectations.check_claims(&Capabilities::default().list().map(|(name, _, _)| name))?;
        self.patience.into_iter().for_each(patience::set);
        let begin = Instant::now();
        let host = self.engine.as_deref().filter(|_| self.plays(Level::Engine)).map(EngineHost::find);
        let host = host.transpose().map_err(unusable)?;
        let of_shims = Level::OF_SHIMS.into_iter().any(|level| self.plays(level));
        let shim = if of_shims { self.start()? } else { None };
        let private = self.private(progress)?;
        let cluster = self.cluster(private.as_ref(), progress)?;
        let subjects = self.subjects(host.as_ref(), shim.as_ref(), cluster.as_ref())?;
        let mut report =
            account::opened(host.as_ref(), shim.as_ref(), cluster.as_ref(), &self.expectations, self.ground)?;
        report.machine.docker = shim.as_ref().map_or(Ok(None), |shim| self.docker(shim))?;
        if let Some(private) = &private {
            account::add_private(&mut report, private)?;
        }
        let (plan, left_out) = self.plan(&cases, &subjects);
        report.left_out = left_out;
        report.results = self.results(&plan, progress);
        report.results.extend(shim.and_then(|shim| self.remains(shim)));
        report.results.extend(cluster.and_then(|cluster| self.cluster_remains(cluster, private)));
        report.seconds = begin.elapsed().as_secs_f64();
        Ok(report)
    }

    fn cases(&self) -> Result<Vec<Case>> {
        let official = self.testsuite.as_deref().map(official::cases).transpose()?;
        Ok(crate::all().into_iter().chain(official.into_iter().flatten()).collect())
    }

    fn plays(&self, level: Level) -> bool {
        if self.levels.is_empty() {
            // Who has named a cluster wants it to be used.
            return Level::USUAL.contains(&level) || (level == Level::Kube && self.cluster.is_some());
        }
        self.levels.contains(&level)
    }

    fn wants(&self, case: &Case) -> bool {
        (self.profiles.is_empty() || self.profiles.contains(&case.profile))
            && (self.filters.is_empty() || self.filters.iter().any(|filter| filter.matches(&case.id)))
    }

    fn start(&self) -> Result<Option<Shim>> {
        let claims = || Claims::of(self.expectations.claims());
        let shim = match &self.shim {
            None => return Ok(None),
            Some(Target::Binary(binary)) => Shim::start(binary, claims(), patience::patience(), self.ground),
            Some(Target::Serving(..)) if self.plays(Level::Docker) => {
                let message =
                    "the driver docker starts a dockerd on a containerd of its own, so it takes --shim";
                return Err(Error::new(ErrorKind::Usage, message));
            }
            Some(Target::Serving(runtime, socket)) => Shim::connect(runtime, socket, claims()),
        };
        let shim = shim.map_err(unusable)?;
        // Where there is no dockerd, that is said once and not by each case.
        self.docker(&shim)?;
        Ok(Some(shim))
    }

    /// The version of the dockerd that plays, where one does.
    fn docker(&self, shim: &Shim) -> Result<Option<String>> {
        if !self.plays(Level::Docker) {
            return Ok(None);
        }
        let docker = shim.node.docker().map_err(|error| unusable(error.into()))?;
        Ok(Some(docker.version().to_owned()))
    }

    /// A cluster of this run's own, for a shim whose binary was given. Only whoever asks for the driver gets one: it takes
    /// seconds, and what builds Kubernetes.
    fn private(&self, progress: &dyn Progress) -> Result<Option<Private>> {
        let Some(Target::Binary(binary)) = &self.shim else { return Ok(None) };
        if self.cluster.is_some() || !self.levels.contains(&Level::Kube) {
            return Ok(None);
        }
        Private::start(binary, &|what| progress.waits(what)).map(Some).map_err(unusable)
    }

    fn cluster(&self, private: Option<&Private>, progress: &dyn Progress) -> Result<Option<Cluster>> {
        let private = private.map(Private::target);
        // In a cluster of the run's own nobody else is at home.
        let announce = |text: &str| {
            if private.is_none() {
                progress.announces(text)
            }
        };
        let target = private.as_ref().or(self.cluster.as_ref()).filter(|_| self.plays(Level::Kube));
        let claims = || Claims::of(self.expectations.claims());
        let connect = |target| Cluster::connect(target, claims(), patience::patience(), &announce);
        target.map(connect).transpose().map_err(unusable)
    }

    fn subjects<'a>(
        &self,
        host: Option<&'a EngineHost>,
        shim: Option<&'a Shim>,
        cluster: Option<&'a Cluster>,
    ) -> Result<Vec<Subject<'a>>> {
        let mut subjects: Vec<Subject<'a>> = host.map(Subject::Engine).into_iter().collect();
        for level in Level::OF_SHIMS.into_iter().filter(|level| self.plays(*level)) {
            subjects.extend(shim.map(|shim| Subject::Shim(shim, level)));
        }
        subjects.extend(cluster.map(Subject::Cluster));
        let missing = self.levels.iter().find(|level| !subjects.iter().any(|one| one.level() == **level));
        match missing {
            Some(level) => {
                Err(Error::new(ErrorKind::Usage, format!("nothing was given for the driver {level}")))
            }
            None => Ok(subjects),
        }
    }

    /// What is to be played, and what cannot be played here.
    fn plan<'a>(&self, cases: &'a [Case], subjects: &[Subject<'a>]) -> (Vec<Played<'a>>, Vec<LeftOut>) {
        let all = subjects.iter().flat_map(|subject| cases.iter().map(move |case| (case, *subject)));
        let wanted = all.filter(|(case, subject)| self.wants(case) && subject.is_for(case));
        let (mut plan, mut left_out) = (Vec::new(), Vec::new());
        for (case, subject) in wanted {
            match subject.misses(case) {
                None => plan.push((case, subject)),
                Some(reason) => {
                    let (id, level) = (case.id.to_string(), subject.level());
                    left_out.push(LeftOut { id, level, reason: reason.to_owned() });
                }
            }
        }
        (plan, left_out)
    }

    /// First those that may share the machine, then those that may not.
    fn results(&self, plan: &[Played<'_>], progress: &dyn Progress) -> Vec<Outcome> {
        let (alone, together): (Vec<_>, Vec<_>) = plan.iter().copied().partition(|(case, _)| case.alone);
        let position = AtomicUsize::new(0);
        let one = |(case, subject): &Played<'_>| {
            let position = position.fetch_add(1, Ordering::SeqCst) + 1;
            progress.begins(&case.id, subject.level(), position, plan.len());
            let outcome = account::outcome(case, *subject, play(case, *subject), &self.expectations);
            progress.ended(&outcome);
            outcome
        };
        let mut outcomes = parallel(&together, self.jobs.max(1), &one);
        outcomes.extend(alone.iter().map(one));
        outcomes
    }

    /// Ends what was made in the cluster, and a private cluster as well; what is left is a failure of the shim's.
    fn cluster_remains(&self, cluster: Cluster, private: Option<Private>) -> Option<Outcome> {
        let name = cluster.runtime_class.clone();
        let ended = cluster.close().and_then(|()| private.map_or(Ok(()), Private::stop));
        (self.wants(&crate::cases::nothing_is_left()) || ended.is_err())
            .then(|| account::remains(&name, Level::Kube, ended, &self.expectations))
    }

    /// Ends the node; what it leaves on the machine is a failure of the shim's.
    fn remains(&self, shim: Shim) -> Option<Outcome> {
        if !self.wants(&crate::cases::nothing_is_left()) {
            return None;
        }
        let name = shim.name.clone();
        Some(account::remains(&name, Level::Task, shim.stop(), &self.expectations))
    }
}

/// A case, and on what it is played.
type Played<'a> = (&'a Case, Subject<'a>);

/// Plays with several threads; the outcomes are in the order of the cases.
fn parallel<T: Sync>(work: &[T], jobs: usize, one: &(impl Fn(&T) -> Outcome + Sync)) -> Vec<Outcome> {
    let next = AtomicUsize::new(0);
    let outcomes = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while let Some((index, item)) = {
                    let index = next.fetch_add(1, Ordering::SeqCst);
                    work.get(index).map(|item| (index, item))
                } {
                    let outcome = one(item);
                    outcomes.lock().unwrap_or_else(PoisonError::into_inner).push((index, outcome));
                }
            });
        }
    });
    let mut outcomes = outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
    outcomes.sort_by_key(|(index, _)| *index);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}

fn unusable(Failure(sentence): Failure) -> Error {
    Error::new(ErrorKind::Node, sentence)
}
