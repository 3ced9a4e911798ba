use std::path::PathBuf;

/// What containerd executes a shim for, in the flags of its runtime v2 protocol.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Arguments {
    pub(crate) action: String,
    /// containerd's socket.
    pub(crate) address: String,
    pub(crate) bundle: PathBuf,
    pub(crate) debug: bool,
    pub(crate) id: String,
    pub(crate) info: bool,
    pub(crate) namespace: String,
    pub(crate) version: bool,
    pub(crate) help: bool,
}

impl Arguments {
    /// Parses flags as Go's flag package does: `-name value`, `-name=value`, with one dash or two.
    ///
    /// # Errors
    ///
    /// A sentence that names the argument that makes no sense.
    pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut parsed = Self::default();
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let Some(flag) = argument.strip_prefix('-') else {
                parsed.action = argument;
                continue;
            };
            let flag = flag.strip_prefix('-').unwrap_or(flag);
            let (name, given) =
                flag.split_once('=').map_or((flag, None), |(name, value)| (name, Some(value)));
            let mut value = || {
                let value = given.map(str::to_owned).or_else(|| arguments.next());
                value.ok_or_else(|| format!("the flag -{name} needs a value"))
            };
            match name {
                "address" => parsed.address = value()?,
                "bundle" => parsed.bundle = value()?.into(),
                "id" => parsed.id = value()?,
                "namespace" => parsed.namespace = value()?,
                "publish-binary" | "socket" => drop(value()?),
                "debug" => parsed.debug = given != Some("false"),
                "info" => parsed.info = given != Some("false"),
                "v" | "version" | "V" => parsed.version = true,
                "h" | "help" => parsed.help = true,
                _ => {
                    return Err(format!(
                        "the flag -{name} is unknown; --help lists what a person may ask for"
                    ));
                }
            }
        }
        Ok(parsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Arguments, String> {
        Arguments::parse(arguments.iter().map(|&argument| argument.to_owned()))
    }

    #[test]
    fn reads_what_containerd_writes() {
        let arguments =
            ["-namespace", "k8s.io", "-id=a", "--address", "/c.sock", "-publish-binary", "/c", "start"];
        let parsed = parse(&arguments).expect("it is what containerd writes");
        assert_eq!((parsed.namespace.as_str(), parsed.id.as_str()), ("k8s.io", "a"));
        assert_eq!((parsed.address.as_str(), parsed.action.as_str()), ("/c.sock", "start"));
    }

    #[test]
    fn names_what_it_does_not_know() {
        assert!(parse(&["-nothing"]).expect_err("unknown").contains("-nothing"));
        assert!(parse(&["-id"]).expect_err("no value").contains("-id needs a value"));
    }
}
