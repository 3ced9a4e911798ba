//! The structured log: one line for each event, in the words of containerd's own log.

use std::fmt::{Debug, Display};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::{retry_on_intr, write};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::{LookupSpan, SpanRef};

use crate::Identity;
use crate::line::Line;
use crate::timestamp::Timestamp;

/// Writes lines to a descriptor that may be full or have no reader.
#[derive(Debug)]
pub(crate) struct Log {
    descriptor: OwnedFd,
    level: Level,
    /// What is the same in all lines.
    identity: Vec<u8>,
    dropped: AtomicU64,
}

impl Log {
    pub(crate) fn new(descriptor: OwnedFd, identity: &Identity<'_>, level: Level) -> Self {
        let mut line = Line::new();
        line.field("engine", identity.engine);
        line.field("namespace", identity.namespace);
        line.field("pod", identity.pod);
        let log = Self { level, identity: line.fields().to_vec(), dropped: AtomicU64::new(0), descriptor };
        if let Err(error) = log.never_block() {
            // Not reached with an open descriptor; a log that might block is still worth more than none.
            log.tell(&Level::WARN, &format_args!("this log may hold up its writer: {error}"));
        }
        log
    }

    fn never_block(&self) -> io::Result<()> {
        let flags = fcntl_getfl(&self.descriptor)?;
        Ok(fcntl_setfl(&self.descriptor, flags | OFlags::NONBLOCK)?)
    }

    fn tell(&self, level: &Level, message: &dyn Display) {
        let mut line = begin(level);
        line.message(message);
        line.append(&self.identity);
        self.put(line);
    }

    /// Writes a line or counts it as dropped.
    fn put(&self, mut line: Line) {
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        let bytes = line.finish(dropped);
        // A pipe takes a line whole; where another kind of file took a part, the line is as good as lost.
        let written = retry_on_intr(|| write(self.descriptor.as_fd(), bytes));
        if written != Ok(bytes.len()) {
            self.dropped.fetch_add(dropped + 1, Ordering::Relaxed);
        }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Log {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        admits(self.level, metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::from_level(self.level))
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut line = Line::new();
        attributes.record(&mut Fields(&mut line));
        span.extensions_mut().insert(Formatted(line.fields().to_vec()));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut line = Line::new();
        if let Some(Formatted(fields)) = span.extensions().get() {
            line.append(fields);
        }
        values.record(&mut Fields(&mut line));
        span.extensions_mut().replace(Formatted(line.fields().to_vec()));
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut line = begin(event.metadata().level());
        let mut message = Message { line: &mut line, found: false };
        event.record(&mut message);
        if !message.found {
            line.message("");
        }
        line.append(&self.identity);
        if let Some(span) = context.event_span(event) {
            append_outermost_first(&mut line, &span);
        }
        event.record(&mut Fields(&mut line));
        self.put(line);
    }
}

/// Whether something is told. Ours is, at the level that was asked for. Libraries are heard when they warn: below that
/// they tell how they do what we asked of them, step by step, and we tell ourselves what came of it.
fn admits(level: Level, metadata: &Metadata<'_>) -> bool {
    *metadata.level() <= if is_ours(metadata.target()) { level } else { level.min(Level::WARN) }
}

/// Whether a target is a module of Shimmer's.
pub(crate) fn is_ours(target: &str) -> bool {
    ["shimmer", "containerd_shim_"].iter().any(|prefix| target.starts_with(prefix))
}

/// The fields of a span as they are in lines.
struct Formatted(Vec<u8>);

/// Recursive, since collecting the spans would allocate; they are nested a few deep.
fn append_outermost_first<'a, S: LookupSpan<'a>>(line: &mut Line, span: &SpanRef<'a, S>) {
    if let Some(parent) = span.parent() {
        append_outermost_first(line, &parent);
    }
    if let Some(Formatted(fields)) = span.extensions().get() {
        line.append(fields);
    }
}

fn begin(level: &Level) -> Line {
    let mut line = Line::new();
    line.field("time", Timestamp(SystemTime::now()));
    line.field("level", word(level));
    line
}

/// The levels of containerd's log.
fn word(level: &Level) -> &'static str {
    match *level {
        Level::ERROR => "error",
        Level::WARN => "warning",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

const MESSAGE: &str = "message";

/// Takes the message out of an event, and nothing else.
struct Message<'a> {
    line: &'a mut Line,
    found: bool,
}

impl Visit for Message<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == MESSAGE {
            self.line.message(format_args!("{value:?}"));
            self.found = true;
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

/// Takes all but the message.
struct Fields<'a>(&'a mut Line);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() != MESSAGE {
            self.0.field(field.name(), format_args!("{value:?}"));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read;

    use rustix::pipe::{PipeFlags, pipe_with};
    use tracing::subscriber::with_default;
    use tracing::{debug, error, info, info_span, warn};
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    const IDENTITY: Identity<'_> = Identity { engine: "fake", namespace: "k8s.io", pod: "f5c1" };

    /// What `told` wrote, without its time.
    fn lines(level: Level, told: impl FnOnce()) -> Vec<String> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let log = Log::new(writer, &IDENTITY, level);
        with_default(tracing_subscriber::registry().with(log), told);
        read(reader)
    }

    fn read(reader: OwnedFd) -> Vec<String> {
        let mut text = String::new();
        File::from(reader).read_to_string(&mut text).unwrap();
        text.lines().map(|line| line.split_once("Z\" ").unwrap().1.to_owned()).collect()
    }

    #[test]
    fn an_event_is_a_line() {
        let told = lines(Level::INFO, || info!(status = 3, path = %"/a b", "a container ended"));
        let line = r#"level=info msg="a container ended" engine=fake namespace=k8s.io pod=f5c1 status=3 path="/a b""#;
        assert_eq!(told, [line]);
    }

    #[test]
    fn span_fields_are_in_the_line() {
        let told = lines(Level::INFO, || {
            let outer = info_span!("create", container = "c1", digest = tracing::field::Empty);
            outer.record("digest", "sha256");
            let _outer = outer.enter();
            let _inner = info_span!("load", exec = %"e 1").entered();
            warn!(status = 1, "late");
        });
        let line = r#"level=warning msg=late engine=fake namespace=k8s.io pod=f5c1 container=c1 digest=sha256 exec="e 1" status=1"#;
        assert_eq!(told, [line]);
    }

    #[test]
    fn an_event_without_a_message_is_a_line() {
        let told = lines(Level::INFO, || info!(status = 0));
        assert_eq!(told, [r#"level=info msg="" engine=fake namespace=k8s.io pod=f5c1 status=0"#]);
    }

    #[test]
    fn hostile_text_cannot_forge_a_line() {
        let hostile = "x\ntime=\"2026\" level=error msg=forged\r\n";
        let told = lines(Level::INFO, || {
            let _span = info_span!("create", container = hostile).entered();
            info!(name = hostile, "{hostile}");
        });
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0].matches(r#"x\ntime=\"2026\" level=error msg=forged\r\n"#).count(), 3, "{told:?}");
    }

    #[test]
    fn ours_is_told_at_the_level_and_libraries_when_they_warn() {
        for (level, count) in [(Level::ERROR, 1), (Level::INFO, 3), (Level::DEBUG, 4)] {
            let told = lines(level, || {
                debug!("ours");
                info!(target: "containerd_shim_wasmtime_v1", "ours");
                info!(target: "libcontainer::process", "theirs");
                debug!(target: "libcontainer::process", "theirs");
                warn!(target: "libcgroups", "theirs");
                error!("ours");
            });
            assert_eq!(told.len(), count, "{told:?}");
        }
    }

    #[test]
    fn a_full_fifo_drops_and_counts() {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let full = |log: &File| io::Write::write(&mut &*log, &[b'\n'; 4096]).is_err();
        let filler = File::from(writer.try_clone().unwrap());
        let log = Log::new(writer, &IDENTITY, Level::INFO);
        let mut reader = File::from(reader);
        with_default(tracing_subscriber::registry().with(log), || {
            while !full(&filler) {}
            drop(filler);
            info!("first");
            info!("second");
            reader.read_exact(&mut [0; 32768]).unwrap();
            info!("third");
            info!("fourth");
        });
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        let told: Vec<_> = text.lines().filter(|line| !line.is_empty()).collect();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].contains("msg=third") && told[0].ends_with(" dropped=2"), "{told:?}");
        assert!(told[1].contains("msg=fourth") && told[1].ends_with("pod=f5c1"), "{told:?}");
    }

    #[test]
    fn no_reader_does_not_kill_and_its_successor_learns_what_it_missed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        let open = |flags| rustix::fs::open(&path, flags | OFlags::NONBLOCK | OFlags::CLOEXEC, 0.into());
        let first = open(OFlags::RDONLY).unwrap();
        let log = Log::new(open(OFlags::WRONLY).unwrap(), &IDENTITY, Level::INFO);
        let second = with_default(tracing_subscriber::registry().with(log), || {
            drop(first);
            error!("nobody hears this");
            let second = open(OFlags::RDONLY).unwrap();
            info!("somebody hears this");
            second
        });
        let told = read(second);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].ends_with(" dropped=1"), "{told:?}");
    }
}
