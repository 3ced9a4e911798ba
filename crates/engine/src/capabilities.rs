use crate::{Error, ErrorKind, Info, Kind, Needs, Result, preview1};

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
    /// [`ErrorKind::Unsupported`] where the program needs what is not claimed, [`ErrorKind::Invalid`] where it imports a
    /// function of WASI with another type than WASI's, [`ErrorKind::NotFound`] where a module has no export `function`
    /// that takes and returns nothing.
    pub fn admit(&self, needs: &Needs, function: &str) -> Result<()> {
        self.admit_kind(needs)?;
        self.admit_imports(needs)?;
        self.admit_signatures(needs)?;
        match needs.kind {
            Kind::Module if !needs.functions.iter().any(|name| name == function) => {
                Err(missing(needs, function))
            }
            _ => Ok(()),
        }
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

    fn admit_signatures(&self, needs: &Needs) -> Result<()> {
        needs.signatures.iter().try_for_each(|(name, signature)| match preview1::signature(name) {
            // With the sockets of WasmEdge it has their type.
            Some(_) if self.capabilities.sockets && name == "sock_accept" => Ok(()),
            Some(known) if signature != known => Err(mistyped(name, signature, known)),
            _ => Ok(()),
        })
    }

    fn refuses(&self, what: &str) -> Error {
        Error::new(
            ErrorKind::Unsupported,
            format!("the program needs {what}, which this engine does not provide"),
        )
    }
}

fn mistyped(name: &str, signature: &str, known: &str) -> Error {
    let import = format!("{}.{name}", preview1::NAMESPACE);
    Error::new(ErrorKind::Invalid, format!("the program imports {import} as {signature}, and it is {known}"))
        .advise("rebuild it against WASI preview 1")
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
    use std::fs;

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

    /// Imports a function of preview 1 with a type in the words of [`Needs::signatures`].
    fn importing(name: &str, signature: &str) -> String {
        let (params, results) = signature.split_once(" -> ").expect("it has an arrow");
        let [params, results] = [params, results].map(|list| list.trim_matches(['(', ')']));
        let import = format!(
            r#"(import "wasi_snapshot_preview1" "{name}" (func (param {params}) (result {results})))"#
        );
        format!(r#"(module {import} (func (export "_start")))"#)
    }

    #[test]
    fn admits_each_function_of_preview_1_with_its_type() {
        for (name, signature) in preview1::FUNCTIONS {
            admit(Capabilities::default(), &importing(name, signature), "_start")
                .unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }

    #[test]
    fn refuses_each_function_of_preview_1_with_another_type() {
        for (name, signature) in preview1::FUNCTIONS {
            for other in [signature.replacen('(', "(i64 ", 1), signature.replacen("->", "-> f32", 1)] {
                let error = admit(Capabilities::default(), &importing(name, &other), "_start")
                    .expect_err("it is wrong");
                assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
                assert!(error.to_string().contains(signature), "{error}");
            }
        }
    }

    #[test]
    fn says_which_function_has_another_type_and_which_it_should_have() {
        let wat = importing("sched_yield", "(i64) -> i64");
        let error = admit(claims(|c| c.wasix = true), &wat, "_start").expect_err("it is () -> i32");
        assert_eq!(
            error.to_string(),
            "the program imports wasi_snapshot_preview1.sched_yield as (i64) -> i64, and it is () -> i32; rebuild it \
             against WASI preview 1"
        );
    }

    #[test]
    fn refuses_a_function_of_preview_1_that_is_imported_as_something_else_or_twice() {
        for import in [
            r#"(import "wasi_snapshot_preview1" "sched_yield" (global i32))"#,
            r#"(import "wasi_snapshot_preview1" "sched_yield" (func (result i32)))
               (import "wasi_snapshot_preview1" "sched_yield" (func (result i64)))"#,
        ] {
            let wat = format!(r#"(module {import} (func (export "_start")))"#);
            let error = admit(Capabilities::default(), &wat, "_start").expect_err("it is () -> i32");
            assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        }
    }

    #[test]
    fn accept_has_another_type_among_the_sockets() {
        let wat = importing("sock_accept", "(i32 i32) -> i32");
        admit(claims(|c| c.sockets = true), &wat, "_start").expect("it is WasmEdge's");
        let error = admit(Capabilities::default(), &wat, "_start").expect_err("it is not WASI's");
        assert!(error.to_string().contains("sock_accept"), "{error}");
        let wat = importing("sock_recv", "(i32 i32) -> i32");
        admit(claims(|c| c.sockets = true), &wat, "_start").expect_err("it is nobody's");
    }

    #[test]
    fn wasix_has_types_of_its_own() {
        let wat =
            r#"(module (import "wasix_32v1" "sched_yield" (func (param i64))) (func (export "_start")))"#;
        admit(claims(|c| c.wasix = true), wat, "_start").expect("nobody compares them");
    }

    #[test]
    fn admits_what_compilers_make() {
        let all = claims(|c| {
            (c.components, c.http, c.memory64, c.simd, c.sockets, c.wasix) =
                (true, true, true, true, true, true);
        });
        let refused = |capabilities| -> Vec<_> {
            let info = Info { name: "fake", version: "1".into(), capabilities };
            let refuses = |needs: &Needs| {
                info.admit(needs, needs.functions.first().map_or("_start", String::as_str)).is_err()
            };
            guests().into_iter().filter(|(_, needs)| refuses(needs)).map(|(name, _)| name).collect()
        };
        assert_eq!(refused(all), ["unknown-import.wasm"]);
        let plain = Capabilities { sockets: false, ..all };
        assert_eq!(refused(plain), ["unknown-import.wasm", "wasmedge-sockets.wasm"]);
    }

    /// The guests of the conformance suite by the names of their files, sorted.
    fn guests() -> Vec<(String, Needs)> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../conformance/guests/prebuilt");
        let mut guests: Vec<_> = fs::read_dir(folder)
            .expect("the guests are committed")
            .map(|entry| entry.expect("it is readable").path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "wasm"))
            .map(|path| {
                let needs = Needs::of(&fs::read(&path).expect("it is readable")).expect("it parses");
                (path.file_name().expect("it has one").to_string_lossy().into_owned(), needs)
            })
            .collect();
        guests.sort_by(|(one, _), (other, _)| one.cmp(other));
        assert!(guests.len() > 20, "there are {} guests", guests.len());
        guests
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
