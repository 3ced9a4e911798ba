//! One thing that is measured in every round.

use std::fs;
use std::path::PathBuf;

use shimmer_benches::host::{Answer, Result};

use crate::engine::Engine;
use crate::kernel::Kernel;
use crate::program::Program;

/// What is measured.
#[derive(Clone, Debug)]
pub(crate) enum Subject {
    /// Compiling a program into a file.
    Compile { program: Program, engine: String },
    /// Compiling it in memory, and running it with nothing to do: one engine compiles when it runs.
    Source { program: Program, engine: String },
    /// Mapping the compiled file, and running it with nothing to do.
    Start { program: Program, engine: String },
    /// A kernel, on an engine or natively.
    Kernel { kernel: &'static Kernel, size: u32, engine: String },
}

/// It, and its samples.
pub(crate) struct Case {
    pub(crate) subject: Subject,
    pub(crate) arguments: Vec<String>,
    engine: Engine,
    /// What the guest must print.
    expected: Option<String>,
    /// What is written, and measured and removed afterwards.
    output: Option<PathBuf>,
    pub(crate) answers: Vec<Answer>,
    /// The size of what was written.
    pub(crate) bytes: u64,
    pub(crate) failure: Option<String>,
}

impl Subject {
    pub(crate) fn compile(program: Program, engine: String) -> Self {
        Self::Compile { program, engine }
    }

    pub(crate) fn source(program: Program, engine: String) -> Self {
        Self::Source { program, engine }
    }

    pub(crate) fn start(program: Program, engine: String) -> Self {
        Self::Start { program, engine }
    }

    pub(crate) fn engine(&self) -> &str {
        match self {
            Self::Compile { engine, .. }
            | Self::Source { engine, .. }
            | Self::Start { engine, .. }
            | Self::Kernel { engine, .. } => engine,
        }
    }
}

impl Case {
    pub(crate) fn new(subject: Subject, engine: &Engine, arguments: Vec<String>) -> Self {
        Self {
            subject,
            arguments,
            engine: engine.clone(),
            expected: None,
            output: None,
            answers: Vec::new(),
            bytes: 0,
            failure: None,
        }
    }

    pub(crate) fn prints(self, line: String) -> Self {
        Self { expected: Some(line), ..self }
    }

    pub(crate) fn writes(self, file: PathBuf) -> Self {
        Self { output: Some(file), ..self }
    }

    /// Once more, unless it has failed before.
    pub(crate) fn take_turn(&mut self) {
        if self.failure.is_some() {
            return;
        }
        match self.answer() {
            Ok(answer) => self.answers.push(answer),
            Err(error) => self.failure = Some(error.to_string()),
        }
    }

    fn answer(&mut self) -> Result<Answer> {
        let (answer, printed) = self.engine.call(&self.arguments)?;
        if answer.code != 0 {
            return Err(format!("the guest ended with {}", answer.code).into());
        }
        if let Some(expected) = self.expected.as_ref().filter(|expected| **expected != printed) {
            return Err(format!("the guest printed {printed:?}, and native code {expected:?}").into());
        }
        if let Some(output) = &self.output {
            self.bytes = fs::metadata(output)?.len();
            fs::remove_file(output)?;
        }
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// A host that is a shell: it prints, answers, and ends with a status.
    fn case(printed: &str, answer: &str, status: u8) -> Case {
        let shell = Engine::at(Path::new("/bin/sh"));
        let kernel = Kernel::of_name("fib").expect("it is one of ours");
        let subject = Subject::Kernel { kernel, size: 1, engine: shell.name.clone() };
        let script = format!("echo '{printed}'; echo warning >&2; echo '{answer}' >&2; exit {status}");
        Case::new(subject, &shell, vec!["-c".into(), script]).prints("fib 1 = 1\n".into())
    }

    fn answer(code: u8) -> String {
        serde_json::to_string(&Answer { code, ..Answer::default() }).expect("it is data")
    }

    fn failure(mut case: Case) -> String {
        case.take_turn();
        case.failure.unwrap_or_default()
    }

    #[test]
    fn the_last_line_of_a_host_is_its_answer() {
        let mut case = case("fib 1 = 1", &answer(0), 0);
        case.take_turn();
        assert_eq!((case.answers.len(), case.failure), (1, None));
    }

    #[test]
    fn a_guest_that_has_not_done_its_work_has_failed() {
        assert!(failure(case("fib 1 = 2", &answer(0), 0)).contains("fib 1 = 2"));
        assert!(failure(case("fib 1 = 1", &answer(3), 0)).contains("ended with 3"));
        assert!(failure(case("fib 1 = 1", "it trapped", 1)).contains("it trapped"));
        assert!(failure(case("fib 1 = 1", "Killed", 0)).contains("Killed"), "no answer at all");
    }

    #[test]
    fn what_has_failed_has_no_further_turn() {
        let mut case = case("fib 1 = 2", &answer(0), 0);
        case.take_turn();
        case.expected = None;
        case.take_turn();
        assert!(case.answers.is_empty() && case.failure.is_some());
    }
}
