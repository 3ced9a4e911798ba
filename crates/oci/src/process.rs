use std::collections::HashSet;
use std::net::{AddrParseError, IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use oci_spec::runtime::Spec;
use shimmer_engine::{Directory, Guest, Stop};

use crate::entrypoint::absolute;
use crate::{Entrypoint, Error, ErrorKind, Result};

/// The variable in a container's environment that says where its `wasi:http` server listens, as `IP:PORT`.
pub const HTTP_ADDR: &str = "SHIMMER_HTTP_ADDR";

/// Where a `wasi:http` server listens if its container does not say.
const DEFAULT_HTTP_ADDR: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 8080);

/// What the OCI runtime specification says about the process of a container.
#[derive(Clone, Copy, Debug)]
pub struct Process<'a> {
    /// `process.args`, the entrypoint first.
    pub args: &'a [String],
    /// `process.env`, each `NAME=VALUE`.
    pub env: &'a [String],
    /// `process.cwd`, absolute.
    pub cwd: &'a str,
}

impl<'a> Process<'a> {
    /// The process of a runtime specification.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Process`] where the specification has none, or its working directory is no UTF-8.
    pub fn of(spec: &'a Spec) -> Result<Self> {
        let error = |message| Error::new(ErrorKind::Process, message);
        let process = spec.process().as_ref().ok_or_else(|| error("the container has no process to run"))?;
        let cwd = process.cwd().to_str().ok_or_else(|| error("the working directory is no UTF-8"))?;
        let args = process.args().as_deref().unwrap_or_default();
        Ok(Self { args, env: process.env().as_deref().unwrap_or_default(), cwd })
    }

    /// The first argument.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Process`] where there is none, and as [`Entrypoint::parse`].
    pub fn entrypoint(&self) -> Result<Entrypoint> {
        Entrypoint::parse(self.args.first().map_or("", String::as_str))
    }

    /// The environment as names and values, in order, split at the first `=`.
    ///
    /// Nothing is added, and of a name that is given twice the last value counts, as under runc: CRI puts a container's
    /// variables behind those of its image. An entry that is no pair is refused, as runc does, rather than
    /// shown to guests of different engines in different ways.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Process`] where an entry has no `=`, no name, or contains a NUL byte.
    pub fn environment(&self) -> Result<Vec<(String, String)>> {
        let mut names = HashSet::new();
        let mut variables = self.env.iter().map(|entry| variable(entry)).collect::<Result<Vec<_>>>()?;
        variables.reverse();
        variables.retain(|(name, _)| names.insert(name.clone()));
        variables.reverse();
        Ok(variables)
    }

    /// All that the guest can know and reach. `root_entries` are the names of the directories in the
    /// container's `/`.
    ///
    /// A guest whose working directory is `/` finds `/` open. In any other working directory, wasi-libc does
    /// not resolve relative paths against what WASI tells it, since WASI does not, and it forgets whether a
    /// path began with a `/` before it looks for the open directory with the longest matching name, of equals
    /// the last. So such a guest finds open `/`, each directory in it under its own name, and last the
    /// working directory as `.`.
    ///
    /// One limit of this is wasi-libc's: in a working directory other than `/`, an absolute path to a *file*
    /// directly in `/`, and `/` itself when it is listed, lead to the working directory instead. A relative
    /// path that begins with the name of a directory in `/` leads there.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Process`] as [`entrypoint`](Self::entrypoint) and [`environment`](Self::environment), and
    /// where the working directory is not absolute, an argument contains a NUL byte, or [`HTTP_ADDR`] is no
    /// address.
    pub fn guest(&self, root_entries: impl IntoIterator<Item = String>, stop: Stop) -> Result<Guest> {
        let entrypoint = self.entrypoint()?;
        let env = self.environment()?;
        let cwd = self.working_directory()?;
        Ok(Guest {
            args: self.arguments(&entrypoint)?,
            http: http_address(&env)?,
            env,
            function: entrypoint.function().to_owned(),
            directories: directories(&cwd, root_entries),
            cwd: cwd.to_string_lossy().into_owned(),
            stop,
        })
    }

    fn arguments(&self, entrypoint: &Entrypoint) -> Result<Vec<String>> {
        let rest = self.args.get(1..).unwrap_or_default();
        if let Some(argument) = rest.iter().find(|argument| argument.contains('\0')) {
            return Err(Error::new(ErrorKind::Process, "an argument contains a NUL byte")
                .with("argument", format!("{argument:?}")));
        }
        Ok([entrypoint.name().to_owned()].into_iter().chain(rest.iter().cloned()).collect())
    }

    fn working_directory(&self) -> Result<PathBuf> {
        if !self.cwd.starts_with('/') || self.cwd.contains('\0') {
            return Err(Error::new(ErrorKind::Process, "the working directory is no absolute path")
                .with("cwd", format!("{:?}", self.cwd)));
        }
        Ok(absolute("/", self.cwd))
    }
}

fn variable(entry: &str) -> Result<(String, String)> {
    let error = |message| Err(Error::new(ErrorKind::Process, message).with("variable", format!("{entry:?}")));
    match entry.split_once('=') {
        _ if entry.contains('\0') => error("an environment variable contains a NUL byte"),
        None => error("an environment variable has no `=`"),
        Some(("", _)) => error("an environment variable has no name"),
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
    }
}

fn http_address(env: &[(String, String)]) -> Result<SocketAddr> {
    env.iter().find(|(name, _)| name == HTTP_ADDR).map_or(Ok(DEFAULT_HTTP_ADDR), |(_, value)| {
        value.parse().map_err(|error: AddrParseError| {
            Error::new(ErrorKind::Process, format!("{HTTP_ADDR} is no address"))
                .with("value", format!("{value:?}"))
                .because(error)
                .advise("set it to IP:PORT, like 0.0.0.0:8080 or [::]:8080")
        })
    })
}

fn directories(cwd: &Path, root_entries: impl IntoIterator<Item = String>) -> Vec<Directory> {
    let directory = |host: &Path, guest: &str| Directory { host: host.to_owned(), guest: guest.to_owned() };
    let root = Path::new("/");
    let mut directories = vec![directory(root, "/")];
    if cwd != root {
        let mut names: Vec<_> = root_entries.into_iter().map(|name| absolute("/", name)).collect();
        names.retain(|path| path.parent() == Some(root));
        names.sort_unstable();
        names.dedup();
        directories.extend(names.iter().map(|path| directory(path, &path.to_string_lossy())));
        directories.push(directory(cwd, "."));
    }
    directories
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(list: &[&str]) -> Vec<String> {
        list.iter().map(|&text| text.to_owned()).collect()
    }

    fn guest(args: &[&str], env: &[&str], cwd: &str, root: &[&str]) -> Result<Guest> {
        let (stop, _stopper) = Stop::pair().expect("a pipe can be made");
        Process { args: &strings(args), env: &strings(env), cwd }.guest(strings(root), stop)
    }

    fn refusal(args: &[&str], env: &[&str], cwd: &str) -> String {
        let error = guest(args, env, cwd, &[]).expect_err("it makes no sense");
        assert_eq!(error.kind(), ErrorKind::Process, "{error}");
        error.to_string()
    }

    #[test]
    fn names_the_guest_without_its_function() {
        let guest = guest(&["/app.wasm#run", "-v", "#"], &[], "/", &[]).expect("it is valid");
        assert_eq!(guest.args, ["/app.wasm", "-v", "#"]);
        assert_eq!(guest.function, "run");
    }

    #[test]
    fn splits_variables_at_the_first_equals_sign() {
        let guest = guest(&["a"], &["A=1=2", "B="], "/", &[]).expect("it is valid");
        let expected = [("A", "1=2"), ("B", "")].map(|(name, value)| (name.into(), value.into()));
        assert_eq!(guest.env, expected);
    }

    #[test]
    fn refuses_variables_that_are_no_pairs() {
        assert!(refusal(&["a"], &["LONELY"], "/").contains("has no `=` (variable: \"LONELY\")"));
        assert!(refusal(&["a"], &["=x"], "/").contains("has no name (variable: \"=x\")"));
        assert!(refusal(&["a"], &["A=\0"], "/").contains("a NUL byte"));
    }

    #[test]
    fn refuses_a_process_without_arguments() {
        assert!(refusal(&[], &[], "/").contains("the entrypoint is empty"));
        assert!(refusal(&["a", "b\0"], &[], "/").contains("an argument contains a NUL byte"));
    }

    #[test]
    fn opens_only_the_root_for_a_guest_that_works_there() {
        for cwd in ["/", "//", "/app/.."] {
            let guest = guest(&["a"], &[], cwd, &["etc", "app"]).expect("it is valid");
            assert_eq!(guest.directories, [Directory { host: "/".into(), guest: "/".into() }], "in {cwd:?}");
            assert_eq!(guest.cwd, "/");
        }
    }

    #[test]
    fn opens_the_working_directory_last_so_that_relative_paths_lead_there() {
        let guest =
            guest(&["a"], &[], "/srv/data/", &["etc", "app", "", "..", "a/b", "etc"]).expect("it is valid");
        let shown: Vec<_> =
            guest.directories.iter().map(|each| format!("{}={}", each.guest, each.host.display())).collect();
        assert_eq!(shown, ["/=/", "/app=/app", "/etc=/etc", ".=/srv/data"]);
        assert_eq!(guest.cwd, "/srv/data");
    }

    #[test]
    fn refuses_a_working_directory_that_is_not_absolute() {
        for cwd in ["", "srv", "./", "/a\0"] {
            assert!(refusal(&["a"], &[], cwd).contains("is no absolute path"), "{cwd:?}");
        }
    }

    #[test]
    fn of_a_variable_that_is_given_twice_the_last_value_counts() {
        let guest = guest(&["a"], &["X=image", "Y=1", "X=container"], "/", &[]).expect("it is valid");
        let expected =
            [("Y", "1"), ("X", "container")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(guest.env, expected);
    }

    #[test]
    fn listens_where_the_environment_says() {
        let address = |env: &[&str]| guest(&["a"], env, "/", &[]).expect("it is valid").http.to_string();
        assert_eq!(address(&[]), "0.0.0.0:8080");
        assert_eq!(address(&["SHIMMER_HTTP_ADDR=[::1]:80"]), "[::1]:80");
    }

    #[test]
    fn refuses_an_address_that_is_none() {
        for value in ["", "8080", ":8080", "localhost:80", "1.2.3.4:99999"] {
            let message = refusal(&["a"], &[&format!("SHIMMER_HTTP_ADDR={value}")], "/");
            assert!(
                message.contains(&format!("SHIMMER_HTTP_ADDR is no address (value: {value:?})")),
                "{message}"
            );
        }
    }

    #[test]
    fn reads_the_process_of_a_specification() {
        let spec: Spec = serde_json::from_str(
            r#"{"ociVersion": "1.1.0", "process": {"user": {"uid": 0, "gid": 0}, "args": ["a.wasm"], "cwd": "/"}}"#,
        )
        .expect("the specification is valid");
        let process = Process::of(&spec).expect("it has a process");
        assert_eq!(process.entrypoint().expect("it is valid").name(), "a.wasm");
        assert!(process.env.is_empty());
        let error =
            Process::of(&serde_json::from_str(r#"{"ociVersion": "1.1.0"}"#).expect("valid")).map(|_| ());
        assert!(error.expect_err("there is none").to_string().contains("no process"));
    }
}
