//! Runs cases on an engine by itself: the test calls its own binary again for each, and that child is the host.

use std::fs::{self, File};
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::{env, io, thread};

use libtest_mimic::{Failed, Trial};
use shimmer_engine::{Compiled, Directory, Engine, Error, Exit, Guest, Info, Program, Result, Source, Stop};
use tempfile::TempDir;

use crate::case::{Case, Level, Seen};
use crate::guests::HELLO;

/// What tells a child from its parent: this word, the case, the form, a folder.
const CHILD: &str = "--as-host-of";
/// Where a child says why the guest did not run, in its folder.
const REFUSAL: &str = "refusal";
const TRAP: u8 = 134;
/// The form of a program that is a compiled file of nobody's.
const STALE: &str = "stale";

/// One trial for each case and each form of a program: source, and compiled file.
pub(crate) fn trials(info: &Info) -> Vec<Trial> {
    let info = Arc::new(info.clone());
    let cases = crate::all().into_iter().filter(|case| case.levels.contains(&Level::Engine));
    let forms = cases.flat_map(|case| ["compiled", "source"].map(|form| (case.clone(), form)));
    let stated = info.clone();
    let table = Trial::test("readme/states-the-capabilities", move || Ok(states_capabilities(&stated)?));
    forms
        .map(|(case, form)| {
            let info = info.clone();
            Trial::test(format!("{}/{form}", case.id), move || {
                let seen = observe(&case, form).map_err(|error| error.to_string());
                case.judge(&info, seen).map_err(Failed::from)
            })
        })
        .chain([table, stale()])
        .collect()
}

/// A compiled file that is none must be refused as stale, and not be executed, interpreted or crashed on.
fn stale() -> Trial {
    Trial::test("refusal/stale-compiled-file", || {
        let case = Case::new("program/module", HELLO);
        match observe(&case, STALE)? {
            Seen::Refused { sentence }
                if sentence.contains("compile it again") && sentence.contains(case.name) =>
            {
                Ok(())
            }
            other => {
                Err(format!("expected a refusal that says to compile again, but saw {}", other.describe())
                    .into())
            }
        }
    })
}

/// Compares the engine's row in the README with what the engine claims.
fn states_capabilities(info: &Info) -> std::result::Result<(), String> {
    let capabilities = info.capabilities.list();
    let row = |first: &str, cells: Vec<&str>| format!("| {first} | {} |", cells.join(" | "));
    let head = row("engine", capabilities.iter().map(|(_, meaning, _)| *meaning).collect());
    let body = capabilities.iter().map(|(_, _, claimed)| if *claimed { "yes" } else { "–" }).collect();
    let body = row(&info.to_string(), body);
    let readme = include_str!("../../README.md");
    match [head, body].into_iter().find(|line| !readme.lines().any(|known| known == line)) {
        Some(line) => Err(format!("the README's table of engines has no line\n{line}")),
        None => Ok(()),
    }
}

/// Runs a case in a child process.
fn observe(case: &Case, form: &str) -> io::Result<Seen> {
    let folder = TempDir::new()?;
    fs::create_dir_all(folder.path().join("root/data"))?;
    for (name, content) in &case.files {
        fs::write(folder.path().join("root/data").join(name), content)?;
    }
    let mut child = Command::new(env::current_exe()?)
        .args([CHILD, case.id, form])
        .arg(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let stdin = child.stdin.take();
    let bytes = case.stdin;
    // A child that reads nothing breaks the pipe, and that is its own affair.
    let writer = thread::spawn(move || stdin.map(|mut stdin| stdin.write_all(bytes)));
    let output = child.wait_with_output()?;
    let _ = writer.join();
    if let Ok(sentence) = fs::read_to_string(folder.path().join(REFUSAL)) {
        return Ok(Seen::Refused { sentence });
    }
    let code = output.status.code().and_then(|code| u32::try_from(code).ok());
    let code = code.ok_or_else(|| io::Error::other(format!("the engine crashed: {}", output.status)))?;
    Ok(Seen::Ended { code, stdout: output.stdout, stderr: output.stderr })
}

/// In a child: hosts the case that the arguments name, and ends as its guest did.
pub(crate) fn child(engine: &dyn Engine) -> Option<ExitCode> {
    let arguments: Vec<String> = env::args().collect();
    let [_, word, id, form, folder] = arguments.as_slice() else { return None };
    if word != CHILD {
        return None;
    }
    let case = crate::all().into_iter().find(|case| case.id == *id)?;
    let folder = Path::new(folder);
    Some(match host(engine, &case, form, folder) {
        Ok(Exit::Code(code)) => ExitCode::from(code),
        Ok(Exit::Drained) => ExitCode::SUCCESS,
        Ok(Exit::Trap(message)) => {
            let _ = writeln!(io::stderr(), "{message}");
            ExitCode::from(TRAP)
        }
        Err(error) => {
            let error = error.with("engine", engine.info().to_string());
            let written = fs::write(folder.join(REFUSAL), error.to_string());
            if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
    })
}

fn host(engine: &dyn Engine, case: &Case, form: &str, folder: &Path) -> Result<Exit> {
    let named = |error: Error| error.with("file", case.name);
    let function = case.function.strip_prefix('#').unwrap_or("_start");
    let source = Source::parse(case.program.to_vec()).map_err(named)?;
    engine.info().admit(source.needs(), function).map_err(named)?;
    let program = match form {
        "source" => Program::Source(source),
        STALE => not_compiled(&source, folder)?,
        _ => compile(engine, source, folder)?,
    };
    let instance = engine.load(program).map_err(named)?;
    let (stop, _stopper) = Stop::pair()?;
    let mut args = vec![format!("/{}", case.name)];
    args.extend(case.args.iter().map(|arg| (*arg).to_owned()));
    let guest = Guest {
        args,
        env: case.env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        function: function.to_owned(),
        directories: vec![Directory { host: folder.join("root"), guest: "/".into() }],
        cwd: "/".into(),
        http: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        stop,
    };
    instance.run(&guest)
}

/// What a cache might hold after a crash.
fn not_compiled(source: &Source, folder: &Path) -> Result<Program> {
    let output = folder.join("compiled");
    fs::write(&output, "neither native code nor WebAssembly")?;
    // SAFETY: not kept, on purpose; but the bytes are text, which no engine takes for code.
    Ok(Program::Compiled(unsafe { Compiled::trust(File::open(&output)?, source.needs().clone()) }))
}

fn compile(engine: &dyn Engine, source: Source, folder: &Path) -> Result<Program> {
    let output = folder.join("compiled");
    engine.compile(&source, &output)?;
    let file = File::open(&output)?;
    // SAFETY: the engine has compiled the file two lines above, in a folder of this test.
    Ok(Program::Compiled(unsafe { Compiled::trust(file, source.needs().clone()) }))
}
