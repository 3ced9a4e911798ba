use super::*;

const ENTRY: &str = r#"
    [[failure]]
    cases = ["exec/second-process", "limits/*"]
    levels = ["task", "cri"]
    engines = ["wasmedge"]
    reason = "the host has no exec"
    link = "docs/runwasi.md#limits"
"#;

fn parse(text: &str) -> Expectations {
    Expectations::parse(text).expect("valid expectations")
}

fn refusal(text: &str) -> String {
    let error = Expectations::parse(text).expect_err(text);
    assert_eq!(error.kind(), ErrorKind::Expectations);
    error.to_string()
}

fn failed() -> Result<(), String> {
    Err("expected 0, seen 1".to_owned())
}

#[test]
fn an_entry_holds_for_its_cases_levels_and_engines_only() {
    let known = parse(ENTRY);
    let is_known = |id, level, engine| known.failure(id, level, engine).is_some();
    assert!(is_known("exec/second-process", Level::Task, "wasmedge"));
    assert!(is_known("limits/memory", Level::Cri, "wasmedge"), "below the folder");
    assert!(!is_known("exec/second-process", Level::Engine, "wasmedge"), "another level");
    assert!(!is_known("exec/second-process", Level::Task, "wasmtime"), "another engine");
    assert!(!is_known("exec/exit-code", Level::Task, "wasmedge"), "another case");
}

#[test]
fn an_entry_without_limits_holds_everywhere() {
    let known = parse("[[failure]]\ncases = ['a/b']\nreason = 'it is slow'\nlink = 'docs'");
    for level in Level::ALL {
        assert!(known.failure("a/b", *level, "any").is_some(), "{level}");
    }
}

#[test]
fn a_known_failure_that_fails_is_as_expected() {
    let verdict = parse(ENTRY).judge("limits/memory", Level::Task, "wasmedge", &failed());
    let Verdict::Known { reason, link } = &verdict else { panic!("{verdict:?}") };
    assert_eq!((reason.as_str(), link.as_str()), ("the host has no exec", "docs/runwasi.md#limits"));
    assert!(verdict.is_as_expected());
}

#[test]
fn a_known_failure_that_passes_is_red() {
    let verdict = parse(ENTRY).judge("limits/memory", Level::Task, "wasmedge", &Ok(()));
    assert!(matches!(verdict, Verdict::Mended { .. }), "{verdict:?}");
    assert!(!verdict.is_as_expected());
}

#[test]
fn what_fails_sometimes_may_pass_and_may_fail() {
    let known = parse(&format!("{ENTRY}\nsometimes = true"));
    assert_eq!(known.judge("limits/memory", Level::Cri, "wasmedge", &Ok(())), Verdict::Passed);
    let verdict = known.judge("limits/memory", Level::Cri, "wasmedge", &failed());
    assert!(matches!(verdict, Verdict::Known { .. }), "{verdict:?}");
}

#[test]
fn what_nobody_knows_of_passes_or_fails() {
    let none = Expectations::default();
    assert_eq!(none.judge("a/b", Level::Engine, "wasmtime", &Ok(())), Verdict::Passed);
    assert_eq!(none.judge("a/b", Level::Engine, "wasmtime", &failed()), Verdict::Failed);
}

#[test]
fn a_mistake_is_named_with_its_line() {
    for (text, line, word) in [
        ("engin = 'wasmtime'", 1, "engin"),
        ("[[failure]]\ncases = ['a/b']\nreason = 'why'\nlink = 'docs'\nseldom = true", 5, "seldom"),
        ("[[failure]]\ncases = ['a/b']\nreason = '  '\nlink = 'docs'", 3, "blank"),
        ("[[failure]]\ncases = ['a/b']\nreason = 'why'\nlink = ''", 4, "blank"),
        ("[[failure]]\ncases = ['a/b']\nlink = 'docs'", 1, "reason"),
        ("[[failure]]\ncases = ['a/b']\nreason = 'why'", 1, "link"),
        ("[[failure]]\ncases = []\nreason = 'why'\nlink = 'docs'", 2, "empty list"),
        ("[[failure]]\ncases = ['a/b']\nlevels = []\nreason = 'why'\nlink = 'docs'", 3, "empty list"),
        ("[[failure]]\ncases = ['a/b']\nlevels = ['pod']\nreason = 'why'\nlink = 'docs'", 3, "pod"),
        ("[[failure]]\ncases = ['*']\nreason = 'why'\nlink = 'docs'", 2, "`*`"),
        ("claims = ['http']\nclaims = ['http']", 2, "duplicate"),
    ] {
        let refusal = refusal(text);
        assert!(refusal.contains(&format!("line {line}")), "line {line} of {text}: {refusal}");
        assert!(refusal.contains(word), "{word}: {refusal}");
    }
}

#[test]
fn one_failure_has_one_reason() {
    let other = "\n[[failure]]\ncases = ['limits/memory']\nreason = 'it leaks'\nlink = 'docs'";
    let refusal = refusal(&format!("{ENTRY}{other}"));
    assert!(refusal.contains("`limits/*` and `limits/memory`"), "{refusal}");
    parse(&format!("{ENTRY}{other}\nlevels = ['engine']"));
    parse(&format!("{ENTRY}{other}\nengines = ['wasmer']"));
    self::refusal("claims = ['http', 'http']");
    self::refusal("[[failure]]\ncases = ['a/b', 'a/b']\nreason = 'why'\nlink = 'docs'");
}

#[test]
fn lists_add_up() {
    let claims = parse("engine = 'wasmedge'\nclaims = ['http']");
    let merged =
        parse(ENTRY).merge(claims.clone()).and_then(|both| both.merge(claims)).expect("no contradiction");
    assert_eq!((merged.engine(), merged.claims()), (Some("wasmedge"), ["http".to_owned()].as_slice()));
    assert!(merged.failure("limits/memory", Level::Task, "wasmedge").is_some());
}

#[test]
fn lists_may_not_contradict_each_other() {
    let error = parse(ENTRY).merge(parse(ENTRY)).expect_err("each failure twice");
    assert!(error.to_string().contains("exec/second-process"), "{error}");
    let error = parse("engine = 'wasmer'").merge(parse("engine = 'wasmedge'")).expect_err("two engines");
    assert!(error.to_string().contains("wasmer") && error.to_string().contains("wasmedge"), "{error}");
}

#[test]
fn an_entry_about_no_case_is_named() {
    let known = parse(ENTRY);
    known.check_ids(&["exec/second-process", "limits/memory", "exit/one"]).expect("both exist");
    let error = known.check_ids(&["exec/second-process", "exit/one"]).expect_err("no limits/");
    assert!(error.to_string().contains("`limits/*`") && !error.to_string().contains("second"), "{error}");
}

#[test]
fn a_claim_of_nothing_is_named() {
    let known = parse("claims = ['components', 'htp']");
    let error = known.check_claims(&["components", "http"]).expect_err("a slip of the pen");
    assert!(error.to_string().contains("`htp`") && error.to_string().contains("components, http"), "{error}");
}

#[test]
fn a_missing_file_is_named() {
    let error = Expectations::read(Path::new("no/such.toml")).expect_err("it is missing");
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.to_string().contains("no/such.toml"), "{error}");
}
