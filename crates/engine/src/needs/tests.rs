use super::*;

fn needs(wat: &str) -> Needs {
    Needs::of(&wat::parse_str(wat).expect("the test's WAT is valid")).expect("it parses")
}

#[test]
fn lists_the_exports_that_an_entrypoint_can_name() {
    let needs = needs(
        r#"(module (import "wasi_snapshot_preview1" "sched_yield" (func (result i32)))
                   (func (export "_start")) (func (export "sum") (param i32)) (memory (export "memory") 1))"#,
    );
    assert_eq!(needs.kind, Kind::Module);
    assert_eq!(needs.functions, ["_start"]);
}

#[test]
fn tells_commands_from_handlers() {
    let component =
        |name| needs(&format!(r#"(component (instance $i) (export "{name}" (instance $i)))"#)).kind;
    assert_eq!(component("wasi:cli/run@0.2.6"), Kind::Command);
    assert_eq!(component("wasi:http/incoming-handler@0.2.0"), Kind::HttpHandler);
    assert_eq!(component("wasi:cli/run@0.3.0"), Kind::Library);
}

#[test]
fn keeps_the_types_of_functions_of_preview_1_only() {
    let needs = needs(
        r#"(module (import "wasi_snapshot_preview1" "fd_seek" (func (param i32 i64) (result i32)))
                   (import "wasi_snapshot_preview1" "proc_exit" (func (param externref)))
                   (import "wasi_snapshot_preview1" "fd_sync" (func (param v128) (result f32 f64)))
                   (import "wasi_snapshot_preview1" "fd_tell" (global i32))
                   (import "wasi_snapshot_preview1" "sock_open" (func (result i32)))
                   (import "wasix_32v1" "fd_read" (func (result i32))))"#,
    );
    let signatures: Vec<_> = needs.signatures.iter().map(|(name, ty)| format!("{name} {ty}")).collect();
    assert_eq!(
        signatures,
        [
            "fd_seek (i32 i64) -> i32",
            "fd_sync (v128) -> (f32 f64)",
            "fd_tell a global",
            "proc_exit (externref) -> ()",
        ]
    );
}

#[test]
fn many_imports_of_long_types_take_no_room() {
    let import = |count| {
        let params = "i64 ".repeat(count);
        format!(r#"(import "wasi_snapshot_preview1" "fd_read" (func (param {params})))"#)
    };
    let all: String = (0..1000).map(import).collect();
    let Needs { signatures, imports, .. } = needs(&format!("(module {all})"));
    assert_eq!((imports.len(), signatures.len()), (1, 18), "as many as there are before they are cut");
    assert!(signatures.iter().all(|(_, ty)| ty.len() < 100), "{signatures:?}");

    let name = |index: u32| ["i32 ", "i64 ", "f32 ", "f64 "][index as usize % 4];
    let import = |index| {
        let params: String = [index, index / 4, index / 16, index / 64].map(name).concat();
        format!(r#"(import "wasi_snapshot_preview1" "fd_read" (func (param {params})))"#)
    };
    let all: String = (0..256).map(import).collect();
    assert_eq!(needs(&format!("(module {all})")).signatures.len(), 64);
}

#[test]
fn a_function_of_no_type_is_told_and_not_looked_for() {
    // One import: wasi_snapshot_preview1.fd_read, a function of the type 127.
    let import = b"\x01\x16wasi_snapshot_preview1\x07fd_read\x00\x7f";
    let length = u8::try_from(import.len()).expect("it is short");
    let wasm = [b"\0asm\x01\0\0\0\x02".as_slice(), &[length], import].concat();
    let needs = Needs::of(&wasm).expect("its declarations are readable");
    assert_eq!(needs.signatures, [("fd_read".into(), "a function without a type".into())].into());
}

#[test]
fn looks_into_no_nested_module() {
    let needs = needs(r#"(component (core module (import "env" "inner" (func))))"#);
    assert!(needs.imports.is_empty(), "{:?}", needs.imports);
}

#[test]
fn every_prefix_of_a_module_is_refused() {
    let wasm = wat::parse_str(r#"(module (func (export "_start") (call 0)) (data "x"))"#).expect("valid");
    for length in 0..wasm.len() {
        // A module is a list of sections, so a prefix that ends between two is a module, too.
        match Needs::of(&wasm[..length]) {
            Ok(needs) => {
                assert!(length >= 8 && needs.kind == Kind::Module, "{length} bytes gave {needs:?}")
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::Invalid, "{length} bytes gave {error}"),
        }
    }
}

#[test]
fn refuses_a_code_section_that_promises_more_than_there_is() {
    let wasm = b"\0asm\x01\0\0\0\x0a\xff\xff\xff\x0f\x01";
    assert_eq!(Needs::of(wasm).expect_err("too short").kind(), ErrorKind::Invalid);
}
