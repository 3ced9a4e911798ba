//! Standard streams: input, output and terminals.

use shimmer_node::{ContainerSpec, ErrorKind};

use crate::{RUNC, SOON, assert_success, import, node, shell, start, text};

#[test]
fn loses_no_byte_of_a_large_output() {
    let node = node();
    let image = import(&node);
    let output = node.run(shell(&image, "large", "head -c 8000000 /dev/zero")).expect("it runs");
    assert_eq!((output.code, output.stdout.len()), (0, 8_000_000));
}

#[test]
fn gives_the_program_its_input_and_then_its_end() {
    let node = node();
    let image = import(&node);
    let spec = || ContainerSpec::new("cat", &image, RUNC).args(["/bin/cat"]);
    let input = vec![b'x'; 300_000];
    let output = node.run(spec().stdin(input.clone())).expect("it runs");
    assert_success(&output);
    assert!(output.stdout == input, "{} bytes of {} came back", output.stdout.len(), input.len());
    let output = node.run(spec()).expect("it runs without any input");
    assert_eq!((output.code, output.stdout), (0, Vec::new()));
    let unread = ContainerSpec::new("true", &image, RUNC).args(["/bin/true"]).stdin(input);
    assert_success(&node.run(unread).expect("it runs and does not read"));
}

#[test]
fn gives_the_program_what_is_written_while_it_runs() {
    let node = node();
    let spec = shell(&import(&node), "c", "echo up; read line; echo got $line; cat; echo end");
    let mut task = start(&node, spec.stdin_open());
    task.write("one\n").expect("it is written");
    task.wait_for("got one", SOON).expect("it is read");
    task.write("two\n").expect("it is written");
    task.close_stdin().expect("the input is closed");
    assert_eq!(task.wait(SOON).expect("it ends").code, 0);
    assert_eq!(text(&task.delete().expect("it is deleted").stdout), "up\ngot one\ntwo\nend\n");
}

#[test]
fn refuses_to_write_where_the_input_was_not_left_open() {
    let node = node();
    let image = import(&node);
    let none = start(&node, shell(&image, "none", "echo up; exec sleep 1000"));
    let whole = start(&node, shell(&image, "whole", "echo up; exec sleep 1000").stdin(*b"all of it"));
    for task in [none, whole] {
        let error = task.write("more").expect_err("it has no open input");
        assert_eq!(error.kind(), &ErrorKind::Spec, "{error}");
        assert!(error.to_string().contains("stdin_open"), "{error}");
    }
}

#[test]
fn shows_both_outputs_on_a_terminal_of_the_size_that_was_set() {
    let node = node();
    let script = "echo up; read line; busybox stty size; echo err >&2";
    let mut task = start(&node, shell(&import(&node), "c", script).terminal().stdin_open());
    task.resize(123, 45).expect("its size is set");
    task.write("\n").expect("it is written");
    assert_eq!(task.wait(SOON).expect("it ends").code, 0);
    let output = task.delete().expect("it is deleted");
    assert!(text(&output.stdout).contains("45 123\r\nerr\r\n"), "{:?}", text(&output.stdout));
    assert_eq!(output.stderr, b"", "there is no stderr");
}
