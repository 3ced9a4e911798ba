use crate::{Error, ErrorKind, Info, Kind, Needs, Result};

/// What an engine runs beyond core modules with WASI preview 1, which every engine runs.
///
/// Plain data; the default claims nothing and is always true. The host [admits](Info::admit) or refuses a program by
/// it before the engine is called, so that no engine has code for what it cannot do.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Capabilities {
    /// Components that export `wasi:cli/run`, with the interfaces of WASI preview 2, sockets and outbound HTTP included.
    pub components: bool,
    /// Components that export `wasi:http/incoming-handler`, served over HTTP/1.1.
    pub http: bool,
    /// Modules whose memory is addressed by 64 bits.
    pub memory64: bool,
    /// Modules with 128-bit vectors. It shows in function bodies only, so [`Engine::compile`](crate::Engine::compile)
    /// refuses it where it is missing.
    pub simd: bool,
    /// The socket functions that WasmEdge added to `wasi_snapshot_preview1`, from `sock_open` to `sock_getaddrinfo`.
    pub sockets: bool,
    /// WASIX: the namespaces `wasix_32v1` and `wasix_64v1`, with threads over a shared memory, and sockets.
    pub wasix: bool,
}

impl Capabilities {
    /// Each capability's name, what it means in a few words, and whether it is claimed; for tables.
    #[must_use]
    pub fn list(&self) -> [(&'static str, &'static str, bool); 6] {
        let Self { components, http, memory64, simd, sockets, wasix } = *self;
        [
            ("components", "components, WASI preview 2", components),
            ("http", "`wasi:http` servers", http),
            ("memory64", "64-bit memories", memory64),
            ("simd", "128-bit SIMD", simd),
            ("sockets", "WasmEdge's socket extension", sockets),
            ("wasix", "WASIX: threads, sockets", wasix),
        ]
    }
}

impl Info {
    /// Admits a program to this engine, or says why not.
    ///
    /// This is the only such check: hosts call it before [`Engine::load`](crate::Engine::load), and no engine repeats it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] where the program needs what is not claimed, [`ErrorKind::NotFound`] where a module
    /// has no export `function` that takes and returns nothing.
    pub fn admit(&self, needs: &Needs, function: &str) -> Result<()> {
        self.admit_kind(needs).and_then(|()| self.admit_imports(needs)).and_then(|()| match needs.kind {
            Kind::Module if !needs.functions.iter().any(|name| name == function) => {
                Err(missing(needs, function))
            }
            _ => Ok(()),
        })
    }

    fn admit_kind(&self, needs: &Needs) -> Result<()> {
        let claims = &self.capabilities;
        match needs.kind {
            Kind::Module if needs.memory64 && !claims.memory64 => Err(self.refuses("a 64-bit memory")),
            Kind::Module => Ok(()),
            Kind::Command if !claims.components => Err(self.refuses("the component model")),
            Kind::HttpHandler if !claims.http => Err(self.refuses("wasi:http/incoming-handler")),
            Kind::Command | Kind::HttpHandler => Ok(()),
            Kind::Library => Err(Error::new(
                ErrorKind::NotFound,
                "the component exports neither wasi:cli/run nor wasi:http/incoming-handler of version 0.2, so there \
                 is nothing to run",
            )
            .advise("build it as a command or as an HTTP handler")),
        }
    }

    fn admit_imports(&self, needs: &Needs) -> Result<()> {
        let unknown = needs.imports.iter().find(|import| !import.is_provided(&self.capabilities));
        unknown.map_or(Ok(()), |import| Err(self.refuses(&format!("the import {import}"))))
    }

    fn refuses(&self, what: &str) -> Error {
        Error::new(
            ErrorKind::Unsupported,
            format!("the program needs {what}, which this engine does not provide"),
        )
    }
}

fn missing(needs: &Needs, function: &str) -> Error {
    const SHOWN: usize = 8;
    let mut known = needs.functions.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if needs.functions.len() > SHOWN {
        known.push_str(", …");
    }
    let error = Error::new(
        ErrorKind::NotFound,
        format!("the module exports no function `{function}` without parameters and results"),
    );
    match known.as_str() {
        "" => error.advise("it exports none at all: build it as a command"),
        _ => error.advise(format!("name one that it has as PATH#FUNCTION: {known}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Source;

    fn admit(capabilities: Capabilities, wat: &str, function: &str) -> Result<()> {
        let source = Source::parse(wat::parse_str(wat).expect("the test's WAT is valid")).expect("it parses");
        Info { name: "fake", version: "1".into(), capabilities }.admit(source.needs(), function)
    }

    fn claims(claim: impl FnOnce(&mut Capabilities)) -> Capabilities {
        let mut capabilities = Capabilities::default();
        claim(&mut capabilities);
        capabilities
    }

    #[test]
    fn admits_a_plain_command_by_default() {
        let wat = r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func (param i32))) (func (export "_start")))"#;
        admit(Capabilities::default(), wat, "_start").expect("every engine runs preview 1");
    }

    #[test]
    fn refuses_an_import_that_nobody_provides() {
        let wat = r#"(module (import "env" "nothing" (func)) (func (export "_start")))"#;
        let error = admit(claims(|c| c.wasix = true), wat, "_start").expect_err("env.nothing is unknown");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("env.nothing"), "{error}");
    }

    #[test]
    fn refuses_a_function_that_preview_1_does_not_have() {
        let wat = r#"(module (import "wasi_snapshot_preview1" "proc_fork" (func)) (func (export "_start")))"#;
        let error = admit(Capabilities::default(), wat, "_start").expect_err("there is no proc_fork");
        assert!(error.to_string().contains("wasi_snapshot_preview1.proc_fork"), "{error}");
    }

    #[test]
    fn sockets_are_admitted_where_they_are_claimed() {
        let wat = r#"(module (import "wasi_snapshot_preview1" "sock_open" (func)) (func (export "_start")))"#;
        admit(claims(|c| c.sockets = true), wat, "_start").expect("claimed");
        let error = admit(Capabilities::default(), wat, "_start").expect_err("not claimed");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }

    #[test]
    fn shared_memory_is_admitted_with_wasix_only() {
        let wat = r#"(module (import "env" "memory" (memory 1 2 shared))
                             (import "wasix_32v1" "thread_sleep" (func)) (func (export "_start")))"#;
        admit(claims(|c| c.wasix = true), wat, "_start").expect("claimed");
        admit(Capabilities::default(), wat, "_start").expect_err("not claimed");
    }

    #[test]
    fn says_which_functions_a_module_has_when_the_named_one_is_missing() {
        let wat = r#"(module (func (export "greet")) (func (export "sum") (param i32)))"#;
        let error = admit(Capabilities::default(), wat, "_start").expect_err("no _start");
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("`_start`") && error.to_string().contains("greet"), "{error}");
        assert!(!error.to_string().contains("sum"), "sum takes a parameter: {error}");
    }

    #[test]
    fn a_component_without_a_known_export_is_refused_by_name() {
        let error =
            admit(claims(|c| c.components = true), "(component)", "_start").expect_err("nothing to run");
        assert!(error.to_string().contains("wasi:cli/run"), "{error}");
    }

    #[test]
    fn a_component_needs_the_capability() {
        let wat = r#"(component (instance $i) (export "wasi:cli/run@0.2.0" (instance $i)))"#;
        admit(claims(|c| c.components = true), wat, "_start").expect("claimed");
        let error = admit(Capabilities::default(), wat, "_start").expect_err("not claimed");
        assert!(error.to_string().contains("component model"), "{error}");
    }

    #[test]
    fn a_64_bit_memory_needs_the_capability() {
        let wat = r#"(module (memory i64 1) (func (export "_start")))"#;
        admit(claims(|c| c.memory64 = true), wat, "_start").expect("claimed");
        admit(Capabilities::default(), wat, "_start").expect_err("not claimed");
    }
}
