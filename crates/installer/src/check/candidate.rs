//! What to dump before anything is in its place.

use std::path::{Path, PathBuf};

use crate::config::{self, Writing, Written};
use crate::distribution::{Node, Placement, Site, imports};
use crate::error::{Error, Result};
use crate::tree;

/// Files in a folder of our own, and the configuration to dump: `containerd --config <root> config dump`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Candidate {
    /// To be written first: paths below the folder that was given, as the node names them.
    pub(crate) files: Vec<(PathBuf, Vec<u8>)>,
    pub(crate) root: PathBuf,
}

impl Candidate {
    /// What containerd has now; with what an earlier install wrote, if that is in its place.
    pub(crate) fn before(site: &Site, folder: &Path) -> Self {
        match &site.rendered {
            Some(rendered) => Self { files: Vec::new(), root: rendered.clone() },
            None if site.configured => Self { files: Vec::new(), root: site.config.clone() },
            None => {
                let empty = folder.join("empty.toml");
                let content = format!("version = {}\n", site.schema.number()).into_bytes();
                Self { files: vec![(empty.clone(), content)], root: empty }
            }
        }
    }

    /// What containerd would have with `writing` in its place. `folder` is a folder of our own on the node, in which nothing
    /// else is; `node` is the one that `site` was detected on: without `old`, which may be in its place still.
    ///
    /// The root is tried as a copy whose imports are spelled out, with the candidate where it is going to be: so the order is
    /// the real one, and a file that is read later and changes our tables is seen. Where `site.rendered` is none, a dump of
    /// `site.config` says the same as soon as everything is in its place; else only when the distribution has rendered its
    /// configuration anew.
    pub(crate) fn after(
        node: &Node<'_>,
        site: &Site,
        writing: &Writing,
        old: Option<&Written>,
        folder: &Path,
    ) -> Result<Self> {
        let paths = Paths { node, site, folder };
        match (&site.rendered, &site.placement) {
            (Some(rendered), _) => paths.rendered(rendered, writing, old),
            (None, Placement::Edit(file) | Placement::New(file)) if *file == site.config => {
                paths.root(writing)
            }
            _ => paths.imported(writing),
        }
    }
}

struct Paths<'a> {
    node: &'a Node<'a>,
    site: &'a Site,
    folder: &'a Path,
}

impl Paths<'_> {
    /// What the distribution has made, with our tables.
    fn rendered(&self, rendered: &Path, writing: &Writing, old: Option<&Written>) -> Result<Candidate> {
        let text = self.text(rendered)?;
        let text = config::rendered(self.site, &text, old, &writing.written.wanted)?;
        let after = self.folder.join("rendered.toml");
        let files = vec![(after.clone(), self.copied(rendered, &text, None)?.into_bytes())];
        Ok(Candidate { files, root: after })
    }

    /// The root itself is written.
    fn root(&self, writing: &Writing) -> Result<Candidate> {
        let after = self.folder.join("root.toml");
        let text = String::from_utf8_lossy(&writing.content);
        let files = vec![(after.clone(), self.copied(&self.site.config, &text, None)?.into_bytes())];
        Ok(Candidate { files, root: after })
    }

    /// A file is written that the root imports.
    fn imported(&self, writing: &Writing) -> Result<Candidate> {
        let file = self.site.placement.file();
        let candidate = self.folder.join("candidate.toml");
        let after = self.folder.join("root.toml");
        let text = self.text(&self.site.config)?;
        let root = self.copied(&self.site.config, &text, Some((file, &candidate)))?;
        let content = String::from_utf8_lossy(&writing.content);
        let content = self.copied(file, &content, None)?;
        let files = vec![(candidate, content.into_bytes()), (after.clone(), root.into_bytes())];
        Ok(Candidate { files, root: after })
    }

    /// `text` of `file`, so that it means the same in another folder; `swap` has a file that is read in place of one that is
    /// imported, or going to be.
    fn copied(&self, file: &Path, text: &str, swap: Option<(&Path, &Path)>) -> Result<String> {
        let unclear = |error: String| Error::refused(format!("{} cannot be tried: {error}", file.display()));
        let value = tree::parse(text).map_err(unclear)?;
        let named = imports::named(&value, file)?;
        if named.is_empty() && swap.is_none() {
            return Ok(text.to_owned());
        }
        let mut list = Vec::new();
        for import in &named {
            list.extend(imports::files(self.node, import, swap.map(|(file, _)| file))?);
        }
        if let Some((placed, candidate)) = swap {
            let at = list.iter().position(|import| import == placed).ok_or_else(|| {
                unclear(format!("it does not import {}, in which the runtimes would be", placed.display()))
            })?;
            list[at] = candidate.to_owned();
        }
        let list: toml_edit::Array =
            list.iter().map(|import| import.to_string_lossy().into_owned()).collect();
        let mut document: toml_edit::DocumentMut =
            text.parse().map_err(|error| unclear(format!("{error}")))?;
        document["imports"] = toml_edit::value(list);
        Ok(document.to_string())
    }

    fn text(&self, file: &Path) -> Result<String> {
        let bytes = self.node.read(file)?.unwrap_or_default();
        String::from_utf8(bytes)
            .map_err(|_| Error::refused(format!("{} is not text in UTF-8", file.display())))
    }
}
