//! One line of logfmt, in a buffer of fixed size.

use std::fmt::{self, Display, Write};

/// As much as a pipe takes whole or not at all (`PIPE_BUF`): lines of several processes never mix.
pub(crate) const CAPACITY: usize = 4096;

/// A message may take so much, so that the fields that say whose it is have room.
pub(crate) const MESSAGE: usize = 3072;

/// A line while it is written. It lives on the stack: no allocation, and no lock that a forked child could find held.
pub(crate) struct Line {
    bytes: [u8; CAPACITY],
    length: usize,
    cut: bool,
}

impl Line {
    pub(crate) fn new() -> Self {
        Self { bytes: [0; CAPACITY], length: 0, cut: false }
    }

    /// Adds a field, and as much of its value as there is room.
    pub(crate) fn field(&mut self, key: &str, value: impl Display) {
        self.field_until(END, key, value);
    }

    /// Adds the message, and leaves room for fields.
    pub(crate) fn message(&mut self, value: impl Display) {
        self.field_until(MESSAGE, "msg", value);
    }

    /// Adds fields that another line has [formatted](Self::fields), if there is room for all of them.
    pub(crate) fn append(&mut self, fields: &[u8]) {
        if fields.is_empty() {
        } else if self.length + 1 + fields.len() > END {
            self.cut = true;
        } else {
            self.separate();
            self.push(fields);
        }
    }

    /// The fields so far.
    pub(crate) fn fields(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// Says what is missing, here and before, and ends the line.
    pub(crate) fn finish(&mut self, dropped: u64) -> &[u8] {
        if self.cut {
            self.push(b" cut=true");
        }
        if dropped > 0 {
            let mut digits = Digits { line: self };
            // Room is reserved for this; nothing can fail.
            let _ = write!(digits, " dropped={dropped}");
        }
        self.push(b"\n");
        self.fields()
    }

    fn field_until(&mut self, end: usize, key: &str, value: impl Display) {
        if self.length + key.len() + r#" ="""#.len() > end {
            self.cut = true;
            return;
        }
        self.separate();
        for byte in key.bytes() {
            let plain = byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            self.push(&[if plain { byte } else { b'_' }]);
        }
        self.push(b"=");
        self.value(end, value);
    }

    fn value(&mut self, end: usize, value: impl Display) {
        self.push(b"\"");
        let start = self.length;
        let mut writer = Value { line: self, end, bare: true };
        // An error means that the line is full, which is marked, or that a value cannot print itself.
        let _ = write!(writer, "{value}");
        if writer.bare && self.length > start {
            self.bytes.copy_within(start..self.length, start - 1);
            self.length -= 1;
        } else {
            self.push(b"\"");
        }
    }

    fn separate(&mut self) {
        if self.length > 0 {
            self.push(b" ");
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        self.bytes[self.length..][..bytes.len()].copy_from_slice(bytes);
        self.length += bytes.len();
    }
}

/// Where fields end, so that [`Line::finish`] always has room.
const END: usize = CAPACITY - " cut=true dropped=18446744073709551615\n".len();

/// Writes a value between quotes, escaped, and finds out whether it needs them.
struct Value<'a> {
    line: &'a mut Line,
    end: usize,
    bare: bool,
}

impl Write for Value<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|char| self.write_char(char))
    }

    fn write_char(&mut self, char: char) -> fmt::Result {
        self.bare &= char.is_ascii_alphanumeric() || "-._/@^+".contains(char);
        match char {
            '"' => self.put(b"\\\""),
            '\\' => self.put(b"\\\\"),
            '\n' => self.put(b"\\n"),
            '\r' => self.put(b"\\r"),
            '\t' => self.put(b"\\t"),
            _ if is_hidden(char) => self.put(&code(char)),
            _ => self.put(char.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

impl Value<'_> {
    fn put(&mut self, bytes: &[u8]) -> fmt::Result {
        if self.line.length + bytes.len() + "\"".len() > self.end {
            self.line.cut = true;
            return Err(fmt::Error);
        }
        self.line.push(bytes);
        Ok(())
    }
}

struct Digits<'a> {
    line: &'a mut Line,
}

impl Write for Digits<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.line.push(text.as_bytes());
        Ok(())
    }
}

/// Whether a terminal or a pager would act on a character instead of showing it: controls, line separators of
/// Unicode, and what turns the direction of text around. All have four hexadecimal digits at most.
fn is_hidden(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// `\u001b`, which readers of Go's and of JSON's strings both understand.
fn code(char: char) -> [u8; 6] {
    let digit = |shift: u32| b"0123456789abcdef"[(char as usize >> shift) & 0xf];
    [b'\\', b'u', digit(12), digit(8), digit(4), digit(0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(value: &str) -> String {
        let mut line = Line::new();
        line.field("key", value);
        String::from_utf8(line.finish(0).to_vec()).unwrap()
    }

    #[test]
    fn values_are_quoted_only_if_needed() {
        for (value, text) in [
            ("wasmtime", "key=wasmtime\n"),
            ("/run/k8s.io/f5-c1", "key=/run/k8s.io/f5-c1\n"),
            ("", "key=\"\"\n"),
            ("two words", "key=\"two words\"\n"),
            ("a=b", "key=\"a=b\"\n"),
            ("größer", "key=\"größer\"\n"),
        ] {
            assert_eq!(written(value), text);
        }
    }

    #[test]
    fn hostile_text_cannot_forge_a_line() {
        for (value, text) in [
            ("x\ntime=\"now\" level=error", r#"key="x\ntime=\"now\" level=error""#),
            ("x\r\tlevel=error", r#"key="x\r\tlevel=error""#),
            ("x\" level=error y=\"", r#"key="x\" level=error y=\"""#),
            ("x\\\" level=error", r#"key="x\\\" level=error""#),
            ("\u{1b}[2K\0\u{7f}", r#"key="\u001b[2K\u0000\u007f""#),
            ("\u{85}\u{2028}\u{2029}\u{202e}", r#"key="\u0085\u2028\u2029\u202e""#),
        ] {
            assert_eq!(written(value), format!("{text}\n"));
        }
    }

    #[test]
    fn a_key_cannot_forge_a_field() {
        let mut line = Line::new();
        line.field("a b=\"\n", "c");
        assert_eq!(line.finish(0), b"a_b___=c\n");
    }

    #[test]
    fn a_long_line_is_cut_and_says_so() {
        for length in 4000..4200 {
            for unit in ["x", "\"", "\u{1b}", "ß", "🦀"] {
                let mut line = Line::new();
                line.field("key", unit.repeat(length / unit.len()));
                line.field("next", "value");
                let line = line.finish(u64::MAX);
                assert!(line.len() <= CAPACITY, "{}", line.len());
                let text = std::str::from_utf8(line).unwrap();
                assert!(text.ends_with(" dropped=18446744073709551615\n"), "{text}");
                let whole = text.contains("next=value") && length < CAPACITY;
                assert_eq!(text.contains(" cut=true"), !whole, "{text}");
            }
        }
    }

    #[test]
    fn a_long_message_leaves_room_for_fields() {
        let mut line = Line::new();
        line.message("x y ".repeat(CAPACITY));
        line.field("container", "f5c1");
        let text = String::from_utf8(line.finish(0).to_vec()).unwrap();
        assert!(
            text.ends_with("x\" container=f5c1 cut=true\n") || text.contains("\" container=f5c1 cut=true\n")
        );
    }

    #[test]
    fn fields_that_do_not_fit_whole_are_left_out() {
        let mut line = Line::new();
        line.message("x".repeat(CAPACITY));
        line.append(&[b'y'; 2000]);
        line.append(b"a=b");
        assert!(line.finish(0).ends_with(b"x a=b cut=true\n"));
    }
}
