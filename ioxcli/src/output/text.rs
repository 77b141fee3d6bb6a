//! The text format for people: aligned columns, colours, a dimmed replay.

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use ioxproto::view::{Timestamp, View};
use ioxproto::{Event, Notification, Stats, Status, StatusChange};
use jiff::ZonedDateTime;

use super::clean::Clean;
use super::{summary, time};
use crate::connection::reason_text;
use crate::names::Names;

/// The initial widths of the columns. A longer text widens its column, up to [`WIDEST`].
const NODE: usize = 14;
const NAME: usize = 12;
const WIDEST: usize = 34;
/// How much of a payload is shown, in characters.
const PAYLOAD: usize = 120;

const PLAIN: Style = Style::new();
const DIM: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();
const GOOD: Style = AnsiColor::Green.on_default().bold();
const BUSY: Style = AnsiColor::Cyan.on_default();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// The first column of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    /// The time of receipt, or a mark for the replay.
    Arrival,
    /// The time in the event.
    Event,
}

/// Writes lines for people.
#[derive(Debug)]
pub(crate) struct Text {
    colour: bool,
    moment: Moment,
    node: usize,
    name: usize,
    /// The number of replayed events since the subscription.
    replayed: u64,
}

impl Text {
    pub(super) fn new(colour: bool) -> Self {
        Self {
            colour,
            moment: Moment::Arrival,
            node: NODE,
            name: NAME,
            replayed: 0,
        }
    }

    /// Shows the time in an event instead of the time of its receipt.
    pub(super) fn with_times_of_events(mut self) -> Self {
        self.moment = Moment::Event;
        self
    }

    /// Processes an event that is not shown.
    pub(super) fn pass_over(&mut self, event: &Event) {
        self.replayed += u64::from(!event.is_live());
    }

    /// Appends the summary at the end, if the output is a terminal.
    pub(super) fn finish(&self, stats: &Stats, out: &mut Vec<u8>) {
        if std::io::stdout().is_terminal() {
            self.line(DIM, &summary::describe(stats), out);
        }
    }

    pub(super) fn show(&mut self, notification: &Notification, names: &Names, out: &mut Vec<u8>) {
        match notification {
            Notification::Status(change) => self.status(change, out),
            Notification::Event(event) => self.event(event, names, out),
            Notification::Gap(gap) => self.gap(gap.expected, gap.got, out),
            Notification::Malformed(malformed) => self.malformed(&malformed.cause, out),
            Notification::Ignored(ignored) => self.ignored(&ignored.kind.to_string(), out),
            Notification::Dropped(count) => {
                self.remark("dropped", &format!("{count} notifications"), out);
            }
            _ => {}
        }
    }

    /// Appends the line of a message that is not an event; `reason` says what it is.
    pub(super) fn ignored(&self, reason: &str, out: &mut Vec<u8>) {
        let line = format!("{}  ignored: {}", self.now(), Clean(reason));
        self.line(DIM, &line, out);
    }

    /// Appends the line of an unreadable input line.
    pub(super) fn malformed_line(&self, error: &str, out: &mut Vec<u8>) {
        self.remark("malformed line", error, out);
    }

    /// Appends the line of a malformed frame.
    pub(super) fn malformed(&self, error: &str, out: &mut Vec<u8>) {
        self.remark("malformed frame", error, out);
    }

    fn remark(&self, what: &str, text: &str, out: &mut Vec<u8>) {
        let what = self.styled(WARNING, what);
        let line = format!("{}  {what}: {}", self.now(), Clean(text));
        self.line(PLAIN, &line, out);
    }

    /// Appends the line of a gap.
    pub(super) fn gap(&self, expected: i64, got: i64, out: &mut Vec<u8>) {
        self.remark("gap", &format!("expected frame {expected}, got {got}"), out);
    }

    fn status(&mut self, change: &StatusChange, out: &mut Vec<u8>) {
        let sentence = reason_text(change);
        self.status_line(change.status, sentence.as_deref(), change.retry_in, out);
    }

    /// Appends the status of an input line, with its message.
    pub(super) fn input_status(
        &mut self,
        status: Status,
        message: &str,
        retry_in: Option<f64>,
        out: &mut Vec<u8>,
    ) {
        let sentence = Some(message).filter(|message| !message.is_empty());
        let wait = retry_in.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        self.status_line(status, sentence, wait, out);
    }

    fn status_line(
        &mut self,
        status: Status,
        sentence: Option<&str>,
        retry_in: Option<Duration>,
        out: &mut Vec<u8>,
    ) {
        let style = match status {
            Status::Connected => GOOD,
            Status::LostConnection | Status::Reconnecting => WARNING,
            Status::ReconnectFailed => BAD,
            Status::StreamInitializing | Status::StreamSyncing => BUSY,
            Status::NotStarted | Status::Disconnected => BOLD,
        };
        let mut line = format!("{}  {}", self.now(), self.styled(style, status.as_str()));
        match status {
            Status::StreamSyncing => self.replayed = 0,
            Status::Connected if self.replayed > 0 => {
                let events = if self.replayed == 1 {
                    "event"
                } else {
                    "events"
                };
                let _ = write!(line, "  after a replay of {} {events}", self.replayed);
            }
            _ => {}
        }
        if let Some(sentence) = sentence {
            let _ = write!(line, "  {}", Clean(sentence));
        }
        if let Some(wait) = retry_in {
            let _ = write!(line, "; next attempt in {}", Seconds(wait));
        }
        self.line(PLAIN, &line, out);
    }

    fn event(&mut self, event: &Event, names: &Names, out: &mut Vec<u8>) {
        let replay = self.moment == Moment::Arrival && !event.is_live();
        if replay {
            self.replayed += 1;
        }
        let time = match self.moment {
            Moment::Event => date_and_time(event.timestamp()),
            Moment::Arrival if replay => "replay".to_owned(),
            Moment::Arrival => self.now(),
        };
        let line = match event.view() {
            Ok(View::Property(property)) => {
                let name = match property.name.trim() {
                    "" => property.control,
                    name => name,
                };
                self.node_line(&time, event, names, [name, &property.shown().text])
            }
            Ok(View::Command(command)) => {
                let parameter = command.parameter();
                let value = match &parameter {
                    Some(shown) if shown.text != command.title() => &*shown.text,
                    _ => "",
                };
                self.node_line(&time, event, names, [command.title(), value])
            }
            Ok(View::Other) | Err(_) => undecoded(&time, event),
            Ok(view) => {
                let name = match &view {
                    View::Program(program) => names.known().program(program.id),
                    View::Variable(variable) => names.known().variable(variable.id),
                    View::Lifecycle(_) => names.known().node(event.node()).map(|it| &*it.name),
                    _ => None,
                };
                let name = name.map_or_else(String::new, |name| format!("  ({})", Clean(name)));
                format!("{time:8}  {}{name}", Clean(&view.to_string()))
            }
        };
        self.line(if replay { DIM } else { PLAIN }, line.trim_end(), out);
    }

    /// Formats node, name and value in columns.
    fn node_line(
        &mut self,
        time: &str,
        event: &Event,
        names: &Names,
        [name, value]: [&str; 2],
    ) -> String {
        let node = Clean(names.of_node(event.node())).to_string();
        let name = Clean(name).to_string();
        self.node = self.node.max(node.chars().count()).min(WIDEST);
        self.name = self.name.max(name.chars().count()).min(WIDEST);
        let (node_width, name_width) = (self.node, self.name);
        let mut line = format!(
            "{time:8}  {node:node_width$}  {name:name_width$}  {}",
            Clean(value)
        );
        payload(event, &mut line);
        line
    }

    /// The current local time.
    fn now(&self) -> String {
        match self.moment {
            Moment::Arrival => ZonedDateTime::now().strftime("%H:%M:%S").to_string(),
            Moment::Event => date_and_time(""),
        }
    }

    fn styled(&self, style: Style, text: &str) -> String {
        if self.colour {
            format!("{style}{text}{style:#}")
        } else {
            text.to_owned()
        }
    }

    fn line(&self, style: Style, text: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(self.styled(style, text).as_bytes());
        out.push(b'\n');
    }
}

/// Formats an event without a view, or with an unreadable payload.
fn undecoded(time: &str, event: &Event) -> String {
    let mut line = format!("{time:8}  {}", Clean(&event.describe()));
    if !event.node().is_empty() {
        let _ = write!(line, " ({})", Clean(event.node()));
    }
    payload(event, &mut line);
    line
}

/// Appends the payload, truncated.
fn payload(event: &Event, line: &mut String) {
    let payload = event.event_info();
    if !payload.is_empty() {
        let shown: String = payload.chars().take(PAYLOAD).collect();
        let more = if shown.len() < payload.len() {
            "…"
        } else {
            ""
        };
        let _ = write!(line, "  {}{more}", Clean(&shown));
    }
}

/// Date and time of a timestamp in local time. A timestamp without an offset is shown verbatim, a
/// missing one as spaces.
fn date_and_time(timestamp: &str) -> String {
    let shown = Timestamp::parse(timestamp).and_then(time::on_readers_clock);
    let shown = shown.unwrap_or_else(|| {
        let civil = timestamp.get(..19).unwrap_or_default();
        Clean(&civil.replacen('T', " ", 1)).to_string()
    });
    format!("{shown:19}")
}

/// Shows seconds, with a fraction only if there is one.
struct Seconds(Duration);

impl std::fmt::Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.subsec_millis() == 0 || self.0 > Duration::from_secs(10) {
            write!(f, "{} s", self.0.as_secs())
        } else {
            write!(f, "{:.1} s", self.0.as_secs_f32())
        }
    }
}

#[cfg(test)]
mod tests {
    use ioxproto::{Frame, FrameReader, Reason};

    use super::*;

    fn shown(text: &mut Text, notification: &Notification) -> String {
        let mut out = Vec::new();
        text.show(notification, &Names::none(), &mut out);
        String::from_utf8(out).unwrap()
    }

    fn event(text: &str) -> Notification {
        match FrameReader::new().read(text) {
            Frame::Event(event) => Notification::Event(event),
            other => panic!("{other:?}"),
        }
    }

    const LAMP: &str = r#"<Event timestamp="2026-05-05T18:52:41.875777-07:00"><control>ST</control><action uom="51">255</action><node>42 92 8C 1</node><fmtAct>On</fmtAct><fmtName>Status</fmtName></Event>"#;

    #[test]
    fn an_event_shows_node_property_and_display_value_in_columns() {
        let mut text = Text::new(false).with_times_of_events();
        let stamp = Timestamp::parse("2026-05-05T18:52:41.875777-07:00").unwrap();
        let when = time::on_readers_clock(stamp).unwrap();
        assert_eq!(
            shown(&mut text, &event(LAMP)),
            format!("{when}  42 92 8C 1      Status        On\n")
        );
    }

    #[test]
    fn without_display_texts_the_raw_ones_are_shown() {
        let raw = event(
            "<Event><control>GV1</control><action>1</action><node>n1</node><eventInfo>a\nb</eventInfo></Event>",
        );
        let line = shown(&mut Text::new(false), &raw);
        assert_eq!(line, "replay    n1              GV1           1  a b\n");
    }

    #[test]
    fn system_events_are_described_in_words() {
        for (text, words) in [
            (
                "<Event><control>_1</control><action>0</action><eventInfo><id>8D</id><s>22</s></eventInfo></Event>",
                "program 008D then running, true",
            ),
            (
                r#"<Event><control>_1</control><action>6</action><eventInfo><var type="2" id="12"><prec>1</prec><val>51</val></var></eventInfo></Event>"#,
                "variable state 12 = 5.1",
            ),
            (
                "<Event><control>_3</control><action>ND</action><node>n009_harmonyctrl</node></Event>",
                "node n009_harmonyctrl added",
            ),
            (
                "<Event><control>_99</control><action>x</action><node>a</node><eventInfo>b</eventInfo></Event>",
                "_99 = x (a)  b",
            ),
        ] {
            let line = shown(&mut Text::new(false), &event(text));
            assert_eq!(line, format!("replay    {words}\n"));
        }
    }

    #[test]
    fn the_replay_is_dimmed_if_there_is_colour() {
        let line = shown(&mut Text::new(true), &event(LAMP));
        assert!(line.starts_with("\u{1b}[2mreplay"), "{line:?}");
        assert!(line.ends_with("On\u{1b}[0m\n"), "{line:?}");
    }

    #[test]
    fn a_loss_shows_its_reason_and_the_next_attempt() {
        let mut change = StatusChange::new(Status::LostConnection);
        change.reason = Some(Reason::Closed {
            code: Some(1001),
            text: String::new(),
        });
        change.retry_in = Some(Duration::from_secs(2));
        let line = shown(&mut Text::new(false), &Notification::Status(change));
        let (_, line) = line.split_at(10);
        assert_eq!(
            line,
            "lost_connection  the controller closed the connection (code 1001); next attempt in 2 s\n"
        );
    }
}
