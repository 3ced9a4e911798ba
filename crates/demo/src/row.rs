use std::fmt;
use std::time::Duration;

use shimmer_node::{Node, Output};

use crate::Error;
use crate::program::Program;

/// What the shim writes into its log when it compiles a program.
const COMPILED: &str = "compiled a program";
/// How often a warm start is repeated; the median counts.
const WARM_STARTS: usize = 5;

/// What kind of image a program came in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Native,
    Rootfs,
    Artifact,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Native => "native",
            Self::Rootfs => "rootfs",
            Self::Artifact => "artifact",
        })
    }
}

/// What was seen of one program on one engine in one kind of image.
pub(crate) struct Row {
    pub(crate) program: &'static str,
    pub(crate) does: String,
    pub(crate) engine: String,
    pub(crate) kind: Kind,
    pub(crate) code: u32,
    pub(crate) cold: Duration,
    pub(crate) warm: Duration,
    /// How the engine came by its code on warm starts.
    pub(crate) warm_code: &'static str,
    /// How the output differed from what was expected.
    pub(crate) failure: Option<String>,
}

/// Runs a program cold and then warm.
pub(crate) fn measure(node: &Node, program: &Program, engine: &str, kind: Kind) -> Result<Row, Error> {
    let run = |start: usize| {
        node.run(program.container(&format!("{}-{engine}-{kind}-{start}", program.name), engine, kind))
    };
    let cold = run(0)?;
    let compiled = compilations(node)?;
    let warm = (1..=WARM_STARTS).map(run).collect::<Result<Vec<_>, _>>()?;
    let compiled_again = compilations(node)? - compiled;
    let failure = [&cold].into_iter().chain(&warm).find_map(|output| difference(program, output));
    let recompiled =
        (compiled_again > 0).then(|| format!("{compiled_again} of {WARM_STARTS} warm starts compiled"));
    let mut times: Vec<Duration> = warm.iter().map(|output| output.phases.total()).collect();
    times.sort_unstable();
    Ok(Row {
        program: program.name,
        does: program.does.clone(),
        engine: engine.to_owned(),
        kind,
        code: cold.code,
        cold: cold.phases.total(),
        warm: times[times.len() / 2],
        warm_code: match kind {
            Kind::Native => "native",
            Kind::Rootfs | Kind::Artifact if compiled_again > 0 => "compiled",
            Kind::Rootfs | Kind::Artifact => "cached",
        },
        failure: failure.or(recompiled),
    })
}

/// How many programs the shims have compiled so far.
fn compilations(node: &Node) -> Result<usize, Error> {
    Ok(node.log()?.matches(COMPILED).count())
}

fn difference(program: &Program, output: &Output) -> Option<String> {
    let stdout = String::from_utf8_lossy(&output.stdout);
    if output.code == program.code && stdout == program.stdout {
        return None;
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    Some(format!(
        "expected status {} and {:?}, but saw {}, {stdout:?} and on stderr {stderr:?}",
        program.code, program.stdout, output.code
    ))
}
