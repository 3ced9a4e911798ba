use std::path::{Component, Path, PathBuf};

use crate::{Error, ErrorKind, Result};

/// The function that an entrypoint without `#FUNCTION` calls.
const DEFAULT_FUNCTION: &str = "_start";

/// Where a bare name is looked for when the container sets no `PATH`; the same folders as under runc.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The first argument of a container, `PATH[#FUNCTION]`: which program to run, and which of its exports to
/// call.
///
/// The first `#` separates the two, as it does under runwasi, since exports of components have a `#` in their
/// names and paths hardly ever do. Without it the function is `_start`. The path is empty in `#FUNCTION`, for
/// images whose program is a layer and not a file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entrypoint {
    path: String,
    function: String,
}

impl Entrypoint {
    /// Parses the first argument of a container.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Process`] where it is empty, names an empty function, or contains a NUL byte.
    pub fn parse(arg0: &str) -> Result<Self> {
        let error = |message| {
            Err(Error::new(ErrorKind::Process, message)
                .with("entrypoint", format!("{arg0:?}"))
                .advise("name the program as PATH or PATH#FUNCTION in the container's command"))
        };
        let (path, function) = arg0.split_once('#').unwrap_or((arg0, DEFAULT_FUNCTION));
        match () {
            () if arg0.is_empty() => error("the entrypoint is empty"),
            () if arg0.contains('\0') => error("the entrypoint contains a NUL byte"),
            () if function.is_empty() => error("the entrypoint names no function after `#`"),
            () => Ok(Self { path: path.to_owned(), function: function.to_owned() }),
        }
    }

    /// The path as it was written; empty where only a function was named.
    #[must_use]
    pub fn path(&self) -> &Path {
        Path::new(&self.path)
    }

    /// The export of a module to call.
    #[must_use]
    pub fn function(&self) -> &str {
        &self.function
    }

    /// The program's own name, which becomes `argv[0]`: the entrypoint without `#FUNCTION`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.path
    }

    /// The absolute paths at which the program may be, in the order in which to look for it.
    ///
    /// A path that contains a `/` is taken relative to `cwd`. A bare name is looked for in `cwd`, then in the
    /// folders of `PATH` in `env`. All are normalised without looking at files: `..` does not climb above
    /// `/`, so what is inside a container's root stays inside. There are none where the path is empty.
    #[must_use]
    pub fn candidates(&self, env: &[(String, String)], cwd: &str) -> Vec<PathBuf> {
        if self.path.is_empty() {
            return Vec::new();
        }
        let mut candidates = vec![absolute(cwd, &self.path)];
        if !self.path.contains('/') {
            let folders =
                env.iter().find(|(name, _)| name == "PATH").map_or(DEFAULT_PATH, |(_, value)| value);
            for folder in folders.split(':') {
                let candidate = absolute(cwd, Path::new(folder).join(&self.path));
                if !candidates.contains(&candidate) {
                    candidates.push(candidate);
                }
            }
        }
        candidates
    }
}

/// The path that `path` is when looked at from `folder`, absolute and free of `.` and `..`.
pub(crate) fn absolute(folder: impl AsRef<Path>, path: impl AsRef<Path>) -> PathBuf {
    let mut normal = PathBuf::from("/");
    for component in folder.as_ref().join(path).components() {
        match component {
            Component::Normal(name) => normal.push(name),
            Component::ParentDir => {
                normal.pop();
            }
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn parse(arg0: &str) -> (String, String) {
        let entrypoint = Entrypoint::parse(arg0).unwrap_or_else(|error| panic!("{arg0:?}: {error}"));
        (entrypoint.name().to_owned(), entrypoint.function().to_owned())
    }

    fn candidates(arg0: &str, path: Option<&str>, cwd: &str) -> Vec<String> {
        let env = path.map(|path| ("PATH".to_owned(), path.to_owned()));
        let entrypoint = Entrypoint::parse(arg0).expect("the test's entrypoint is valid");
        let paths = entrypoint.candidates(env.as_slice(), cwd);
        paths.iter().map(|path| path.display().to_string()).collect()
    }

    #[test]
    fn separates_the_path_from_the_function() {
        for (arg0, path, function) in [
            ("/app.wasm", "/app.wasm", "_start"),
            ("app.wasm#run", "app.wasm", "run"),
            ("#init", "", "init"),
            ("app.wasm#wasi:cli/run@0.2.0#run", "app.wasm", "wasi:cli/run@0.2.0#run"),
            ("/", "/", "_start"),
        ] {
            assert_eq!(parse(arg0), (path.to_owned(), function.to_owned()), "{arg0:?}");
        }
    }

    #[test]
    fn refuses_what_names_nothing() {
        for (arg0, complaint) in [
            ("", "the entrypoint is empty (entrypoint: \"\"); name the program"),
            ("#", "names no function after `#`"),
            ("app.wasm#", "names no function after `#`"),
            ("app\0.wasm", "contains a NUL byte (entrypoint: \"app\\0.wasm\")"),
            ("app.wasm#a\0", "contains a NUL byte"),
        ] {
            let error = Entrypoint::parse(arg0).expect_err("it names nothing");
            assert_eq!(error.kind(), ErrorKind::Process, "{arg0:?}");
            assert!(error.to_string().contains(complaint), "{arg0:?}: {error}");
        }
    }

    #[test]
    fn looks_for_a_path_in_one_place() {
        assert_eq!(candidates("/bin/../app.wasm#f", Some("/bin"), "/srv"), ["/app.wasm"]);
        assert_eq!(candidates("./app.wasm", Some("/bin"), "/srv"), ["/srv/app.wasm"]);
        assert_eq!(candidates("sub/app.wasm", None, "/srv"), ["/srv/sub/app.wasm"]);
    }

    #[test]
    fn looks_for_a_name_in_the_working_directory_and_then_in_path() {
        assert_eq!(
            candidates("app.wasm", Some("/bin::tools:/srv:/bin"), "/srv"),
            ["/srv/app.wasm", "/bin/app.wasm", "/srv/tools/app.wasm"]
        );
        let fallback = candidates("app.wasm", None, "/");
        assert_eq!((fallback.len(), fallback[1].as_str()), (7, "/usr/local/sbin/app.wasm"));
    }

    #[test]
    fn has_no_candidate_without_a_path() {
        assert!(candidates("#init", None, "/").is_empty());
    }

    #[test]
    fn never_climbs_above_the_root() {
        assert_eq!(candidates("../../../etc/passwd", None, "/a"), ["/etc/passwd"]);
        assert_eq!(candidates("..", Some("../../x"), "/a")[0], "/");
        let mut random = Random::seeded(1);
        for _ in 0..5_000 {
            let arg0 = random.text("./#a:\0 ..~", 24);
            let (cwd, path) = (random.text("/.a", 12), random.text("/.:a", 12));
            let Ok(entrypoint) = Entrypoint::parse(&arg0) else { continue };
            for candidate in entrypoint.candidates(&[("PATH".to_owned(), path)], &cwd) {
                let text = candidate.to_str().expect("all parts are UTF-8");
                let is_normal = text.split('/').all(|part| part != ".." && part != ".");
                assert!(text.starts_with('/') && is_normal, "{arg0:?} in {cwd:?} gave {text:?}");
            }
        }
    }
}
