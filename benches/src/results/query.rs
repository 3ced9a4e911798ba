//! Finding figures, and only where there are some.

use super::containers::{Containers, Form, Heat, Level, Memory, Program, Starts, Store, Throughput};
use super::target;
use crate::summary::Summary;

/// How a container was started.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Setting {
    /// Who asked.
    pub level: Level,
    /// Whether the program had run before.
    pub heat: Heat,
    /// What containerd's root was on.
    pub store: Store,
}

impl Setting {
    /// What the goals are about: a task that has run before, in memory.
    pub const WARM: Self = Self { level: Level::Task, heat: Heat::Warm, store: Store::Memory };
    /// A task that nobody has seen before.
    pub const COLD: Self = Self { heat: Heat::Cold, ..Self::WARM };
    /// A pod's container that has run before.
    pub const POD: Self = Self { level: Level::Pod, ..Self::WARM };
    /// A pod's container that nobody has seen before.
    pub const COLD_POD: Self = Self { heat: Heat::Cold, ..Self::POD };
    /// A warm task, where containerd's database is on a disk.
    pub const DISK: Self = Self { store: Store::Disk, ..Self::WARM };
}

/// The kinds of images, the one that is shown where only one can be first.
pub const FORMS: [Form; 3] = [Form::Artifact, Form::Rootfs, Form::Native];

impl Summary {
    /// The median, where anything was measured.
    #[must_use]
    pub fn middle(&self) -> Option<f64> {
        self.median.is_finite().then_some(self.median)
    }
}

impl Starts {
    /// How it was started.
    #[must_use]
    pub fn setting(&self) -> Setting {
        Setting { level: self.level, heat: self.heat, store: self.store }
    }

    fn is(&self, target: &str, program: Program, setting: Setting) -> bool {
        self.target == target && self.program == program && self.setting() == setting
    }
}

impl Containers {
    /// The shims that have goals, in the order of their names.
    #[must_use]
    pub fn ours(&self) -> Vec<String> {
        self.shims.keys().filter(|name| target::is_ours(name)).cloned().collect()
    }

    /// The program that is started in all settings: hello, or the one that the user named in its place.
    #[must_use]
    pub fn small(&self) -> Program {
        let has = |program| self.starts.iter().any(|row| row.program == program);
        if has(Program::Module) && !has(Program::Hello) { Program::Module } else { Program::Hello }
    }

    /// The starts of one container.
    #[must_use]
    pub fn start(&self, target: &str, program: Program, image: Form, setting: Setting) -> Option<&Starts> {
        let mut rows =
            self.starts.iter().filter(|row| row.image == image && row.is(target, program, setting));
        rows.find(|row| row.failure.is_none() && row.to_exit.middle().is_some())
    }

    /// Whether anybody tried to start one so, with or without success.
    #[must_use]
    pub fn was_tried(&self, target: &str, program: Program, setting: Setting) -> bool {
        self.starts.iter().any(|row| row.is(target, program, setting))
    }

    /// The starts in the first kind of image that there is.
    #[must_use]
    pub fn start_of(&self, target: &str, program: Program, setting: Setting) -> Option<&Starts> {
        FORMS.into_iter().find_map(|image| self.start(target, program, image, setting))
    }

    /// The starts in a setting, and beside them those of a warm task of the same image: in the first kind of image that
    /// has both, or else in the first that was started so.
    #[must_use]
    pub fn beside_warm(
        &self,
        target: &str,
        program: Program,
        setting: Setting,
    ) -> Option<(&Starts, Option<&Starts>)> {
        let in_image = |image| {
            let row = self.start(target, program, image, setting)?;
            Some((row, self.start(target, program, image, Setting::WARM)))
        };
        let pairs = || FORMS.into_iter().filter_map(in_image);
        pairs().find(|(_, warm)| warm.is_some()).or_else(|| pairs().next())
    }

    /// Milliseconds from creation to exit, less those of a shim that does nothing.
    #[must_use]
    pub fn above_floor(&self, starts: &Starts) -> Option<f64> {
        Some(starts.to_exit.middle()? - self.floor_of(starts)?)
    }

    /// What the floor takes in the same setting for the same program, or for hello, if it was not given that one. A
    /// native program is in a root filesystem, whatever its image is called.
    #[must_use]
    pub fn floor_of(&self, starts: &Starts) -> Option<f64> {
        let image = if starts.image == Form::Native { Form::Rootfs } else { starts.image };
        let of = |program| self.start(target::FLOOR, program, image, starts.setting());
        of(starts.program).or_else(|| of(Program::Hello))?.to_exit.middle()
    }

    /// Hellos a second, so many at a time.
    #[must_use]
    pub fn throughput_of(&self, target: &str, at_once: usize) -> Option<&Throughput> {
        let is_it = |row: &&Throughput| row.target == target && row.at_once == at_once;
        let mut rows = self.throughput.iter().filter(is_it);
        rows.find(|row| row.failure.is_none() && row.per_second.middle().is_some())
    }

    /// What one of so many containers holds, in the first kind of image that there is.
    #[must_use]
    pub fn memory_of(&self, target: &str, program: Program, level: Level, count: usize) -> Option<&Memory> {
        let is_it = |row: &&Memory, image| {
            row.target == target
                && row.program == program
                && row.level == level
                && row.containers == count
                && row.image == image
                && row.failure.is_none()
                && row.total.middle().is_some()
        };
        FORMS.into_iter().find_map(|image| self.memory.iter().find(|row| is_it(row, image)))
    }

    /// How many containers there were when memory was looked at, in rising order.
    #[must_use]
    pub fn memory_counts(&self, program: Program, level: Level) -> Vec<usize> {
        let rows = self.memory.iter().filter(|row| row.program == program && row.level == level);
        sorted(rows.map(|row| row.containers))
    }

    /// How many containers were run at a time, in rising order.
    #[must_use]
    pub fn parallelism(&self) -> Vec<usize> {
        sorted(self.throughput.iter().map(|row| row.at_once))
    }
}

fn sorted(counts: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut counts: Vec<usize> = counts.collect();
    counts.sort_unstable();
    counts.dedup();
    counts
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// One start, of which only the whole is known.
    pub(in crate::results) fn started(
        target: &str,
        program: Program,
        image: Form,
        setting: Setting,
        time: f64,
    ) -> Starts {
        let Setting { level, heat, store } = setting;
        let [sandbox, create, output, instruction, event, exit, delete] =
            [(); 7].map(|()| Summary::of(Vec::new()));
        Starts {
            target: target.into(),
            program,
            image,
            level,
            heat,
            store,
            to_exit: Summary::of(vec![time]),
            sandbox,
            create,
            output,
            instruction,
            event,
            exit,
            delete,
            failure: None,
        }
    }

    #[test]
    fn settings_are_kept_apart_and_an_artifact_comes_before_a_rootfs() {
        let of = |image, setting, time| started("wasmtime", Program::Hello, image, setting, time);
        let containers = Containers {
            starts: vec![
                of(Form::Rootfs, Setting::WARM, 1.0),
                of(Form::Artifact, Setting::WARM, 2.0),
                of(Form::Rootfs, Setting::COLD, 3.0),
            ],
            ..Containers::default()
        };
        let time = |setting| Some(containers.start_of("wasmtime", Program::Hello, setting)?.to_exit.median);
        assert_eq!([Setting::WARM, Setting::COLD, Setting::POD].map(time), [Some(2.0), Some(3.0), None]);
    }

    #[test]
    fn what_failed_was_tried_and_has_no_figures() {
        let row = started("wasmer", Program::Python, Form::Artifact, Setting::WARM, 1.0);
        let row = Starts { failure: Some("no components".into()), ..row };
        let containers = Containers { starts: vec![row], ..Containers::default() };
        assert!(containers.was_tried("wasmer", Program::Python, Setting::WARM));
        assert!(containers.start_of("wasmer", Program::Python, Setting::WARM).is_none());
        assert!(!containers.was_tried("wasmer", Program::Python, Setting::COLD));
    }

    #[test]
    fn the_floor_of_a_program_that_it_was_not_given_is_that_of_hello() {
        let of = |target, program, image, time| started(target, program, image, Setting::WARM, time);
        let native = of("runc", Program::Hello, Form::Native, 56.0);
        let python = of("wasmtime", Program::Python, Form::Artifact, 35.0);
        let floors = [
            of(target::FLOOR, Program::Hello, Form::Rootfs, 4.0),
            of(target::FLOOR, Program::Hello, Form::Artifact, 5.0),
        ];
        let containers = Containers { starts: floors.to_vec(), ..Containers::default() };
        assert_eq!([&native, &python].map(|row| containers.above_floor(row)), [Some(52.0), Some(30.0)]);
    }

    #[test]
    fn the_users_program_stands_in_for_hello() {
        let mut containers = Containers::default();
        assert_eq!(containers.small(), Program::Hello);
        let module = started("wasmtime", Program::Module, Form::Artifact, Setting::WARM, 1.0);
        containers.starts.push(module);
        assert_eq!(containers.small(), Program::Module);
    }
}
