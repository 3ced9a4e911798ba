use std::fs;
use std::hash::Hash;

use anyhow::Context;
use containerd_shim_wasm::sandbox::context::WasmLayer;
use shimmer_engine::Engine;

use crate::envelope::Envelope;

/// Where a compiled file is written before its bytes go into containerd's content store.
const SCRATCH: &str = "/run";

/// Compiles the layers of an image, once for each engine, version and setting.
#[derive(Default)]
pub(crate) struct Compiler<E>(E);

impl<E: Engine> containerd_shim_wasm::shim::Compiler for Compiler<E> {
    fn cache_key(&self) -> impl Hash {
        // The shim's version stands for the format of the envelope.
        (self.0.fingerprint().as_str().to_owned(), env!("CARGO_PKG_VERSION"))
    }

    /// The compiled form of each layer; none where it is compiled already.
    ///
    /// After an error the library goes on with the layers as they are, and loading them fails with the same error in
    /// the place where it can be reported: the container's `create`.
    async fn compile(&self, layers: &[WasmLayer]) -> anyhow::Result<Vec<Option<Vec<u8>>>> {
        layers
            .iter()
            .map(|layer| if layer.precompiled { Ok(None) } else { self.layer(layer).map(Some) })
            .collect()
    }
}

impl<E: Engine> Compiler<E> {
    fn layer(&self, layer: &WasmLayer) -> anyhow::Result<Vec<u8>> {
        let source = shimmer_oci::program(layer.config.digest().as_ref(), layer.layer.clone())?;
        let folder =
            tempfile::tempdir_in(SCRATCH).with_context(|| format!("no folder for compiling in {SCRATCH}"))?;
        let output = folder.path().join("compiled");
        self.0.compile(&source, &output)?;
        let code = fs::read(&output)?;
        log::info!("{} compiled layer {}", self.0.info(), layer.config.digest());
        Ok(Envelope { needs: source.needs().clone(), code: &code }.seal(&self.0.fingerprint()))
    }
}
