use std::convert::Infallible;
use std::ffi::CString;
use std::io;
use std::path::Path;

use oci_spec::runtime::Process;
use shimmer_engine::{Error, ErrorKind, Result};

/// A native program, ready to take the place of the process that runs it.
#[derive(Debug)]
pub(crate) struct Native {
    path: CString,
    args: Vec<CString>,
    env: Vec<CString>,
}

impl Native {
    /// The program at `path`, with exactly the arguments and the environment of the process.
    ///
    /// As under runc, HOME is added where it is missing, of a name that is given twice the last value counts, and argv[0]
    /// stays as it was given.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] where an argument or a variable contains a NUL byte.
    pub(crate) fn new(path: &Path, process: &Process, env: Vec<(String, String)>) -> Result<Self> {
        let args = process.args().iter().flatten().map(|argument| text(argument));
        let mut env = env;
        if !env.iter().any(|(name, _)| name == "HOME") {
            env.push(("HOME".to_owned(), home(process.user().uid())));
        }
        let env = env.iter().map(|(name, value)| text(&format!("{name}={value}")));
        Ok(Self {
            path: text(&path.to_string_lossy())?,
            args: args.collect::<Result<_>>()?,
            env: env.collect::<Result<_>>()?,
        })
    }

    /// Executes the program. Returns only where that fails.
    ///
    /// # Errors
    ///
    /// Those of execve(2).
    pub(crate) fn execute(&self) -> io::Result<Infallible> {
        let pointers = |strings: &[CString]| {
            strings.iter().map(|string| string.as_ptr()).chain([std::ptr::null()]).collect::<Vec<_>>()
        };
        let (args, env) = (pointers(&self.args), pointers(&self.env));
        // SAFETY: SIG_DFL is a valid disposition. Rust's runtime ignores SIGPIPE, which a program would inherit.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        // SAFETY: all three are C strings, and lists of them that end in a null pointer, and outlive the call.
        unsafe { libc::execve(self.path.as_ptr(), args.as_ptr(), env.as_ptr()) };
        Err(io::Error::last_os_error())
    }
}

fn text(text: &str) -> Result<CString> {
    CString::new(text).map_err(|error| {
        Error::new(ErrorKind::Invalid, "an argument or a variable contains a NUL byte")
            .advise("change the container's definition")
            .because(error)
    })
}

/// The home of a user in the container's `/etc/passwd`, or `/`.
fn home(uid: u32) -> String {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let mut homes = users.lines().filter_map(|line| {
        let mut fields = line.split(':').skip(2);
        let is_user = fields.next()?.parse() == Ok(uid);
        is_user.then(|| fields.nth(2)).flatten()
    });
    homes.next().filter(|home| !home.is_empty()).unwrap_or("/").to_owned()
}
