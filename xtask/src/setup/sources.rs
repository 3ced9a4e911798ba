//! The package sources of a Debian machine, and the one that setup may add: the unstable suite from the mirror that
//! the machine uses already.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{Result, machine};

/// Makes Debian's unstable suite a source, and returns the file that does it; `None` if it is one already.
pub(crate) fn add_unstable() -> Result<Option<PathBuf>> {
    let apt = Path::new("/etc/apt");
    let sources = read(apt)?;
    if sources.iter().any(|source| source.suites.iter().any(|suite| UNSTABLE.contains(&suite.as_str()))) {
        return Ok(None);
    }
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    if field(&release, "ID") != Some("debian") {
        return Err(
            "what is left comes from Debian's unstable suite, which suits no other distribution: install \
                    WasmEdge 0.17.1 and containerd 1.7 or newer from their official releases"
                .into(),
        );
    }
    let codename = field(&release, "VERSION_CODENAME").unwrap_or("stable");
    let mirror = sources.iter().find(|source| source.is_of(codename)).ok_or_else(|| {
        format!("no package source of this machine has the suite {codename}: there is no mirror to take unstable from")
    })?;
    let file = apt.join("sources.list.d/shimmer-unstable.sources");
    fs::create_dir_all(apt.join("preferences.d"))?;
    fs::write(apt.join("preferences.d/shimmer-unstable"), PREFERENCES)?;
    fs::write(&file, mirror.unstable())?;
    Ok(Some(file))
}

const UNSTABLE: [&str; 2] = ["sid", "unstable"];
const PREFERENCES: &str =
    "# Written by `cargo xtask setup`: a package comes from unstable only where it is asked for.
Package: *
Pin: release a=unstable
Pin-Priority: 100
";

/// A source of binary packages, as apt reads it.
#[derive(Debug, Default, Eq, PartialEq)]
struct Source {
    uris: String,
    suites: Vec<String>,
    components: Vec<String>,
    /// Fields that decide whom apt trusts, in the words of a `.sources` file.
    trust: Vec<String>,
}

impl Source {
    fn is_of(&self, codename: &str) -> bool {
        let suite = |name: &String| name == codename || name == "stable";
        self.suites.iter().any(suite) && self.components.iter().any(|component| component == "main")
    }

    fn unstable(&self) -> String {
        let uris = &self.uris;
        let mut lines = vec![
            "# Written by `cargo xtask setup`, for WasmEdge and a recent containerd.".to_owned(),
            format!("Types: deb\nURIs: {uris}\nSuites: sid\nComponents: main"),
        ];
        lines.extend(self.trust.iter().cloned());
        lines.join("\n") + "\n"
    }

    /// Reads the fields of a `.sources` stanza; `None` for one that is switched off or has sources only.
    fn of_stanza(stanza: &str) -> Option<Self> {
        let mut fields: Vec<(String, String)> = Vec::new();
        for line in stanza.lines().filter(|line| !line.starts_with('#')) {
            if let (true, Some((_, value))) = (line.starts_with([' ', '\t']), fields.last_mut()) {
                value.push('\n');
                value.push_str(line);
            } else if let Some((name, value)) = line.split_once(':') {
                fields.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
            }
        }
        let value =
            |name: &str| fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str());
        let words =
            |name: &str| value(name).unwrap_or_default().split_whitespace().map(str::to_owned).collect();
        let types: Vec<String> = words("types");
        if !types.iter().any(|kind| kind == "deb") || value("enabled") == Some("no") {
            return None;
        }
        let trust = ["Signed-By", "Trusted"].into_iter();
        let trust = trust.filter_map(|name| Some(format!("{name}: {}", value(&name.to_ascii_lowercase())?)));
        Some(Self {
            uris: words("uris").join(" "),
            suites: words("suites"),
            components: words("components"),
            trust: trust.collect(),
        })
    }

    /// Reads a line of `sources.list`: `deb [signed-by=file] URI suite component...`.
    fn of_line(line: &str) -> Option<Self> {
        let line = line.split('#').next()?.trim().strip_prefix("deb")?;
        let rest = line.strip_prefix([' ', '\t'])?.trim();
        let (options, rest) = match rest.strip_prefix('[') {
            Some(rest) => rest.split_once(']')?,
            None => ("", rest),
        };
        let mut words = rest.split_whitespace().map(str::to_owned);
        let (uri, suite) = (words.next()?, words.next()?);
        let option = |name: &str| {
            options.split_whitespace().find_map(|option| option.strip_prefix(name)?.strip_prefix('='))
        };
        let trust = [("signed-by", "Signed-By"), ("trusted", "Trusted")].into_iter();
        let trust =
            trust.filter_map(|(name, field)| Some(format!("{field}: {}", option(name)?.replace(',', " "))));
        Some(Self { uris: uri, suites: vec![suite], components: words.collect(), trust: trust.collect() })
    }
}

fn read(apt: &Path) -> Result<Vec<Source>> {
    let folder = apt.join("sources.list.d");
    let mut files: Vec<PathBuf> = machine::names(&folder).iter().map(|name| folder.join(name)).collect();
    files.sort();
    files.insert(0, apt.join("sources.list"));
    let mut sources = Vec::new();
    for file in files.iter().filter(|file| file.exists()) {
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("sources") => sources.extend(stanzas(&fs::read_to_string(file)?)),
            Some("list") => sources.extend(lines(&fs::read_to_string(file)?)),
            _ => {}
        }
    }
    Ok(sources)
}

fn stanzas(text: &str) -> Vec<Source> {
    let lines: Vec<&str> = text.lines().collect();
    lines
        .split(|line| line.trim().is_empty())
        .filter_map(|stanza| Source::of_stanza(&stanza.join("\n")))
        .collect()
}

fn lines(text: &str) -> Vec<Source> {
    text.lines().filter_map(Source::of_line).collect()
}

/// A value of `/etc/os-release`.
fn field<'a>(release: &'a str, name: &str) -> Option<&'a str> {
    let value = release.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
    Some(value.trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STANZAS: &str = "Types: deb
# a comment inside
URIs: mirror:one
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /keyring.gpg

Types: deb deb-src
URIs: mirror:security
Suites: bookworm-security
Components: main

Types: deb-src
URIs: mirror:sources
Suites: bookworm
Components: main

Enabled: no
Types: deb
URIs: mirror:off
Suites: sid
Components: main
";

    #[test]
    fn reads_stanzas_and_leaves_out_what_apt_leaves_out() {
        let sources = stanzas(STANZAS);
        let uris: Vec<&str> = sources.iter().map(|source| source.uris.as_str()).collect();
        assert_eq!(uris, ["mirror:one", "mirror:security"]);
        let release: Vec<bool> = sources.iter().map(|source| source.is_of("bookworm")).collect();
        assert_eq!(release, [true, false], "the security suite is no mirror of Debian");
    }

    #[test]
    fn reads_the_lines_of_the_older_format() {
        let text = "# deb mirror:none bookworm main\ndeb-src mirror:none bookworm main\n\
                    deb [arch=amd64 signed-by=/keyring.gpg] mirror:one bookworm main # ours\ndeb\tmirror:two sid main\n";
        let sources = lines(text);
        assert_eq!(sources.len(), 2, "{sources:?}");
        assert_eq!(sources[0].trust, ["Signed-By: /keyring.gpg"]);
        assert!(sources[0].is_of("bookworm") && !sources[0].is_of("trixie"));
        assert_eq!((sources[1].uris.as_str(), sources[1].suites[0].as_str()), ("mirror:two", "sid"));
    }

    #[test]
    fn unstable_comes_from_the_same_mirror_with_the_same_trust() {
        let written = stanzas(STANZAS)[0].unstable();
        let read = stanzas(&written);
        assert_eq!(read.len(), 1, "{written}");
        assert_eq!(
            (read[0].uris.as_str(), read[0].suites.as_slice()),
            ("mirror:one", ["sid".to_owned()].as_slice())
        );
        assert_eq!(read[0].trust, ["Signed-By: /keyring.gpg"]);
    }

    #[test]
    fn keeps_a_key_that_is_written_into_the_source() {
        let stanza = "Types: deb\nURIs: mirror:one\nSuites: bookworm\nComponents: main\nSigned-By:\n -----BEGIN\n .\n abc\n";
        let written = stanzas(stanza)[0].unstable();
        assert!(written.ends_with("Signed-By: \n -----BEGIN\n .\n abc\n"), "{written}");
    }

    #[test]
    fn reads_the_name_of_the_release() {
        let release =
            "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_CODENAME=bookworm\nID=debian\n";
        assert_eq!(
            (field(release, "ID"), field(release, "VERSION_CODENAME")),
            (Some("debian"), Some("bookworm"))
        );
    }
}
