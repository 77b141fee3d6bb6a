//! Everything that is logged in a process, by every crate at its most talkative.

use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span;

/// All that was logged, with the target in front of each line.
static LOG: Mutex<String> = Mutex::new(String::new());

struct Lines(String);

impl Visit for Lines {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = write!(self.0, " {field}={value:?}");
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let _ = write!(self.0, " {field}={value}");
    }
}

fn keep(target: &str, record: impl FnOnce(&mut Lines)) {
    let mut lines = Lines(String::new());
    record(&mut lines);
    let _ = writeln!(kept(), "{target}{}", lines.0);
}

/// Takes everything that goes through `tracing`.
struct Spans(AtomicU64);

impl tracing::Subscriber for Spans {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        let target = attributes.metadata().target();
        keep(target, |lines| attributes.record(lines));
        span::Id::from_u64(self.0.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn record(&self, _: &span::Id, values: &span::Record<'_>) {
        keep("span", |lines| values.record(lines));
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        keep(event.metadata().target(), |lines| event.record(lines));
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// Takes everything that goes through `log`, as tungstenite does.
struct Records;

impl log::Log for Records {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        keep(record.target(), |lines| {
            let _ = write!(lines.0, " {}", record.args());
        });
    }

    fn flush(&self) {}
}

/// From here on all is kept that is logged in this process: there is one logger in each.
#[expect(
    clippy::expect_used,
    reason = "a scenario that cannot go on has failed"
)]
pub(crate) fn listen() {
    let spans = tracing::subscriber::set_global_default(Spans(AtomicU64::new(0)));
    spans.expect("nobody else listens");
    log::set_logger(&Records).expect("nobody else listens");
    log::set_max_level(log::LevelFilter::Trace);
}

/// What was logged so far.
pub(crate) fn heard() -> String {
    kept().clone()
}

fn kept() -> MutexGuard<'static, String> {
    LOG.lock().unwrap_or_else(PoisonError::into_inner)
}
