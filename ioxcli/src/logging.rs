//! Writes logs to standard error.

use std::io::{self, IsTerminal as _};

use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{self, FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::{LookupSpan, Scope};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::stderr::LogLines;

/// Starts logging for the crates of this project. Other libraries are left out, because WebSocket
/// and TLS libraries log headers and frames.
pub(crate) fn start(verbose: u8) {
    let level = match verbose {
        0 => LevelFilter::WARN,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let colour = io::stderr().is_terminal()
        && anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never;
    let lines = fmt::layer().with_writer(|| LogLines).with_ansi(colour);
    let is_journal = is_journal();
    let lines = (!is_journal).then_some(lines);
    let journal = fmt::layer().with_writer(|| LogLines).with_ansi(false);
    let journal = is_journal.then(|| journal.event_format(Journal));
    // The targets of all modules of this project begin with `iox`.
    let ours = Targets::new().with_target("iox", level);
    // Fails only if a subscriber is already set, which is then used.
    let _ = tracing_subscriber::registry()
        .with(lines)
        .with(journal)
        .with(ours)
        .try_init();
}

/// Whether standard error goes to the systemd journal: `JOURNAL_STREAM` names its device and inode.
fn is_journal() -> bool {
    #[cfg(unix)]
    {
        use std::os::fd::AsFd as _;
        use std::os::unix::fs::MetadataExt as _;

        let Some(named) = std::env::var("JOURNAL_STREAM").ok() else {
            return false;
        };
        let stderr = io::stderr();
        let about = stderr
            .as_fd()
            .try_clone_to_owned()
            .and_then(|stderr| std::fs::File::from(stderr).metadata());
        about.is_ok_and(|about| named == format!("{}:{}", about.dev(), about.ino()))
    }
    #[cfg(not(unix))]
    false
}

/// Formats lines for the journal. It adds the time and the program itself, and reads the level from
/// a prefix.
struct Journal;

impl<S, N> FormatEvent<S, N> for Journal
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> std::fmt::Result {
        let about = event.metadata();
        // See sd-daemon(3).
        let priority = match *about.level() {
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 6,
            _ => 7,
        };
        write!(writer, "<{priority}>{}: ", about.target())?;
        for span in context.event_scope().into_iter().flat_map(Scope::from_root) {
            let extensions = span.extensions();
            if let Some(fields) = extensions.get::<FormattedFields<N>>() {
                write!(writer, "{}{{{fields}}}: ", span.name())?;
            }
        }
        context.format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}
