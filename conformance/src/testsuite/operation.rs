use std::collections::BTreeMap;

use serde::Deserialize;

/// One step of a test, on the program that has been started.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Operation {
    /// Writes to the program's standard input, and leaves it open.
    Write {
        /// What else the format allows here is `stdin` by name.
        #[serde(default, rename = "id")]
        stream: Input,
        /// What to write.
        #[serde(default)]
        payload: String,
    },
    /// Expects output.
    Read {
        /// From where.
        #[serde(default, rename = "id")]
        stream: Stream,
        /// The next bytes of the stream.
        #[serde(default)]
        payload: String,
        /// Whether the payload is all that the program ever wrote to the stream; such a step follows the wait.
        #[serde(skip)]
        whole: bool,
    },
    /// Connects to where the program listens: it prints a line `host:port` to its standard output.
    Connect {
        /// The name that other steps have for the connection.
        #[serde(default = "server")]
        id: String,
        /// What is spoken.
        #[serde(default, rename = "protocol_type")]
        protocol: Protocol,
    },
    /// Sends on a connection.
    Send {
        /// The connection.
        id: String,
        /// What to send.
        #[serde(default)]
        payload: String,
    },
    /// Expects the next bytes on a connection.
    Recv {
        /// The connection.
        id: String,
        /// What has to come.
        #[serde(default)]
        payload: String,
    },
    /// Sends an HTTP request to the program and expects its response.
    Request {
        /// The method.
        #[serde(default = "get")]
        method: String,
        /// The path, with a query if there is one.
        #[serde(default = "slash")]
        path: String,
        /// The request's headers.
        #[serde(default)]
        headers: BTreeMap<String, String>,
        /// The request's body.
        #[serde(default)]
        body: String,
        /// What has to come back.
        #[serde(default)]
        response: Response,
    },
    /// Sends a signal.
    Kill {
        /// Which.
        #[serde(default)]
        signal: Signal,
    },
    /// Ends the program's standard input and waits for its end.
    Wait {
        /// The exit code that is expected.
        #[serde(default)]
        exit_code: u32,
    },
}

/// The one stream that is written to.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Input {
    /// The standard input.
    #[default]
    Stdin,
}

/// A stream of the program's output.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Stream {
    /// The standard output.
    #[default]
    Stdout,
    /// The standard error.
    Stderr,
}

/// What is spoken on a connection.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Protocol {
    /// A stream.
    #[default]
    Tcp,
    /// Datagrams.
    Udp,
}

/// The expected response to an HTTP request.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Response {
    /// The status code.
    pub(crate) status: u16,
    /// Headers that must be among those of the response, with these values.
    pub(crate) headers: BTreeMap<String, String>,
    /// The whole body.
    pub(crate) body: String,
}

/// A signal that a test may send.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Signal {
    /// 6.
    SigAbrt,
    /// 1.
    SigHup,
    /// 2.
    SigInt,
    /// 9.
    SigKill,
    /// 3.
    SigQuit,
    /// 15.
    #[default]
    SigTerm,
    /// 10.
    SigUsr1,
    /// 12.
    SigUsr2,
}

impl Operation {
    /// Its name in the format.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Write { .. } => "write",
            Self::Read { .. } => "read",
            Self::Connect { .. } => "connect",
            Self::Send { .. } => "send",
            Self::Recv { .. } => "recv",
            Self::Request { .. } => "request",
            Self::Kill { .. } => "kill",
            Self::Wait { .. } => "wait",
        }
    }
}

impl Signal {
    /// Its number on Linux, on x86-64 and on arm64.
    #[must_use]
    pub(crate) fn number(self) -> u32 {
        match self {
            Self::SigHup => 1,
            Self::SigInt => 2,
            Self::SigQuit => 3,
            Self::SigAbrt => 6,
            Self::SigKill => 9,
            Self::SigUsr1 => 10,
            Self::SigUsr2 => 12,
            Self::SigTerm => 15,
        }
    }
}

impl Default for Response {
    fn default() -> Self {
        Self { status: 200, headers: BTreeMap::new(), body: String::new() }
    }
}

fn server() -> String {
    "server".to_owned()
}

fn get() -> String {
    "GET".to_owned()
}

fn slash() -> String {
    "/".to_owned()
}
