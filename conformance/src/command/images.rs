use std::path::PathBuf;

use clap::Args;
use shimmer_conformance::{Result, write_images};

#[derive(Debug, Args)]
pub(crate) struct Images {
    /// The folder, which is made if it is missing
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// One archive, DIR/images.tar, for `ctr --namespace k8s.io images import`, in place of a layout for each image
    #[arg(long)]
    archive: bool,
}

impl Images {
    pub(crate) fn run(&self) -> Result<bool> {
        let count = write_images(&self.folder, self.archive)?;
        println!("{count} images in {}", self.folder.display());
        Ok(true)
    }
}
