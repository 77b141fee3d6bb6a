//! Captures everything that this process logs: every crate at its most verbose level.

use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span;

/// Everything that was logged, with the target at the beginning of each line.
static LOG: Mutex<String> = Mutex::new(String::new());

/// Collects the fields of an event or span as text.
struct Lines(String);

impl Visit for Lines {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = write!(self.0, " {field}={value:?}");
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let _ = write!(self.0, " {field}={value}");
    }
}

fn append(target: &str, record: impl FnOnce(&mut Lines)) {
    let mut lines = Lines(String::new());
    record(&mut lines);
    let _ = writeln!(lock_log(), "{target}{}", lines.0);
}

/// Captures what is logged with `tracing`. Holds the number of spans.
struct TracingCapture(AtomicU64);

impl tracing::Subscriber for TracingCapture {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        let target = attributes.metadata().target();
        append(target, |lines| attributes.record(lines));
        span::Id::from_u64(self.0.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn record(&self, _: &span::Id, values: &span::Record<'_>) {
        append("span", |lines| values.record(lines));
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        append(event.metadata().target(), |lines| event.record(lines));
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// Captures what is logged with `log`, which tungstenite uses.
struct LogCapture;

impl log::Log for LogCapture {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        append(record.target(), |lines| {
            let _ = write!(lines.0, " {}", record.args());
        });
    }

    fn flush(&self) {}
}

/// Starts capturing. Can be called once in a process, because the loggers are global.
#[expect(clippy::expect_used, reason = "a panic fails the scenario")]
pub(crate) fn capture_logs() {
    let installed = tracing::subscriber::set_global_default(TracingCapture(AtomicU64::new(0)));
    installed.expect("no other subscriber is set");
    log::set_logger(&LogCapture).expect("no other logger is set");
    log::set_max_level(log::LevelFilter::Trace);
}

/// Everything that was logged so far.
pub(crate) fn captured_logs() -> String {
    lock_log().clone()
}

fn lock_log() -> MutexGuard<'static, String> {
    LOG.lock().unwrap_or_else(PoisonError::into_inner)
}
