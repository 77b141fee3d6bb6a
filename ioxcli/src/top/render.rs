//! Draws the model into a buffer.
//!
//! The first line shows the views and the selected controller; the last line shows a question, a
//! message or the keys. Lists are scrolled so that the cursor is in the middle, so drawing needs no
//! state other than the model.

use std::time::SystemTime;

use ioxproto::Status;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};

use super::controller::{Controller, MINUTES};
use super::details;
use super::log::EntryKind;
use super::model::{Model, Prompt, View};
use super::rows::Row;
use super::words;
use crate::output::neutralise;

mod house;

/// The smallest screen on which the model is drawn.
const MIN_SIZE: (u16, u16) = (20, 4);

/// The styles. Without colour, they differ only in weight and brightness.
#[derive(Clone, Copy, Debug)]
pub(super) struct Theme {
    pub(super) has_colour: bool,
}

impl Theme {
    fn coloured(self, colour: Color, otherwise: Modifier) -> Style {
        match self.has_colour {
            true => Style::new().fg(colour),
            false => Style::new().add_modifier(otherwise),
        }
    }

    fn good(self) -> Style {
        self.coloured(Color::Green, Modifier::empty())
    }

    fn warning(self) -> Style {
        self.coloured(Color::Yellow, Modifier::BOLD)
    }

    fn bad(self) -> Style {
        self.coloured(Color::Red, Modifier::BOLD)
    }

    fn busy(self) -> Style {
        self.coloured(Color::Cyan, Modifier::empty())
    }

    fn of_status(self, status: Status) -> Style {
        match status {
            Status::Connected => self.good(),
            Status::LostConnection | Status::Reconnecting => self.warning(),
            Status::ReconnectFailed => self.bad(),
            Status::StreamInitializing | Status::StreamSyncing => self.busy(),
            Status::NotStarted | Status::Disconnected => Style::new(),
        }
    }

    fn of_kind(self, kind: EntryKind) -> Style {
        match kind {
            EntryKind::Live => Style::new(),
            EntryKind::Replay => DIM,
            EntryKind::Notice => self.busy(),
            EntryKind::Warning => self.warning(),
        }
    }
}

const DIM: Style = Style::new().add_modifier(Modifier::DIM);
const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);
const REVERSED: Style = Style::new().add_modifier(Modifier::REVERSED);

/// Draws everything.
pub(super) fn render(model: &Model, theme: Theme, area: Rect, buffer: &mut Buffer) {
    buffer.reset();
    if area.width < MIN_SIZE.0 || area.height < MIN_SIZE.1 {
        put(buffer, area, 0, "too small", Style::new());
        return;
    }
    let line = |y: u16, height: u16| Rect::new(area.x, area.y + y, area.width, height);
    header(model, theme, line(0, 1), buffer);
    let body = line(1, area.height - 2);
    if model.has_help {
        help(body, buffer);
    } else {
        match model.view {
            View::Controllers => controllers(model, theme, body, buffer),
            View::House => house::render(model, theme, body, buffer),
            View::Events => events(model, theme, body, buffer),
            View::Node => node(model, theme, body, buffer),
        }
    }
    footer(model, theme, line(area.height - 1, 1), buffer);
}

/// Writes a string into the first line of an area, starting at a column, as far as it fits. Returns
/// the column after the text. All strings are drawn by this function, which neutralises control
/// characters.
fn put(buffer: &mut Buffer, area: Rect, column: u16, text: &str, style: Style) -> u16 {
    let left = area.width.saturating_sub(column);
    if left == 0 || area.height == 0 {
        return column;
    }
    let text = neutralise(text);
    let (end, _) = buffer.set_stringn(area.x + column, area.y, text, left.into(), style);
    end - area.x
}

/// The lines of an area.
fn lines(area: Rect) -> impl Iterator<Item = Rect> {
    (0..area.height).map(move |y| Rect::new(area.x, area.y + y, area.width, 1))
}

/// Returns the first visible row of a list, so that the cursor is in the middle.
fn window(length: usize, cursor: usize, height: u16) -> usize {
    let height = usize::from(height);
    let max = length.saturating_sub(height);
    cursor.saturating_sub(height / 2).min(max)
}

fn header(model: &Model, theme: Theme, area: Rect, buffer: &mut Buffer) {
    buffer.set_style(area, REVERSED);
    let is_wide = area.width >= 60;
    let mut column = put(buffer, area, 0, " iox top ", REVERSED.patch(BOLD));
    for (key, name, view) in [
        ("1", "Controllers", View::Controllers),
        ("2", "House", View::House),
        ("3", "Events", View::Events),
    ] {
        let is_shown = view == model.view || (view == View::House && model.view == View::Node);
        let style = match is_shown {
            true => BOLD,
            false => REVERSED,
        };
        let text = match is_wide {
            true => format!(" {key} {name} "),
            false => format!(" {key} "),
        };
        if is_shown {
            let width = u16::try_from(text.len()).unwrap_or(u16::MAX);
            let tab = Rect {
                x: area.x + column,
                width,
                ..area
            }
            .intersection(area);
            buffer.set_style(tab, Style::new().remove_modifier(Modifier::REVERSED));
        }
        column = put(buffer, area, column, &text, style);
    }
    let controller = model.controller();
    column = put(buffer, area, column + 1, &controller.label, REVERSED);
    let style = theme.of_status(controller.status).patch(REVERSED);
    put(buffer, area, column + 1, controller.status.as_str(), style);
}

fn footer(model: &Model, theme: Theme, area: Rect, buffer: &mut Buffer) {
    match (&model.prompt, &model.message) {
        (Some(Prompt::Filter), _) => {
            let column = put(buffer, area, 0, &format!("/{}", model.filter), BOLD);
            let column = put(buffer, area, column, " ", REVERSED);
            put(
                buffer,
                area,
                column + 2,
                "Enter keeps it, Esc clears it",
                DIM,
            );
        }
        (
            Some(Prompt::Level {
                address,
                controller,
                typed,
            }),
            _,
        ) => {
            let name = model.controllers[*controller].name_of(address);
            let column = put(
                buffer,
                area,
                0,
                &format!("Level of {name} in percent: {typed}"),
                BOLD,
            );
            put(buffer, area, column, " ", REVERSED);
        }
        (Some(Prompt::Confirm(pending)), _) => {
            // The question comes first, so that a long name cannot push it off the screen.
            let text = format!("Send? y/n  {}", pending.what);
            put(buffer, area, 0, &text, BOLD.patch(theme.warning()));
        }
        (None, Some((kind, text))) => _ = put(buffer, area, 0, text, theme.of_kind(*kind)),
        (None, None) => {
            let mut column = 0;
            if !model.filter.is_empty() {
                let text = format!("/{}  ", model.filter);
                column = put(buffer, area, column, &text, theme.warning());
            }
            put(buffer, area, column, keys(model), DIM);
        }
    }
}

fn keys(model: &Model) -> &'static str {
    match model.view {
        View::Controllers => "? help  q quit  Enter house  / filter",
        View::House => "? help  q quit  / filter  Enter open  o on  f off  l level  r run",
        View::Events if model.paused.is_some() => "PAUSED  p go on  ? help  q quit  / filter",
        View::Events => "? help  q quit  / filter  p pause  arrows scroll",
        View::Node => "? help  q quit  Esc back  o on  f off  l level",
    }
}

fn help(area: Rect, buffer: &mut Buffer) {
    const TEXT: &[(&str, &str)] = &[
        ("1 2 3", "controllers, house, events"),
        ("Tab [ ]", "another controller"),
        ("arrows j k", "move; PgUp, PgDn, Home, End too"),
        ("Enter", "details of a node; fold a folder"),
        ("Esc", "back; clear the filter"),
        ("/", "filter house and events"),
        ("p", "pause the events"),
        ("o f", "on, off; of a program: then, else"),
        ("l", "level in percent"),
        ("r", "run a program by its condition"),
        ("Ctrl-L", "draw again"),
        ("Ctrl-Z", "suspend"),
        ("q Ctrl-C", "quit"),
        ("", ""),
        ("!", "the node does not answer"),
        ("x", "the node is disabled"),
        ("z", "nothing heard for long (--silent)"),
        (">5m", "not heard since it was read, 5 min ago"),
        ("dimmed", "a replayed event, not a live one"),
    ];
    for ((key, meaning), line) in TEXT.iter().zip(lines(area)) {
        put(buffer, line, 1, key, BOLD);
        put(buffer, line, 13, meaning, Style::new());
    }
}

fn controllers(model: &Model, theme: Theme, area: Rect, buffer: &mut Buffer) {
    // A controller has three lines: its label and status, its events, and the last problem.
    const LINES: u16 = 3;
    let shown = (area.height / LINES).max(1);
    let first = window(model.controllers.len(), model.selected, shown);
    for (at, controller) in model.controllers.iter().enumerate().skip(first) {
        let Some(y) = u16::try_from(at - first)
            .ok()
            .and_then(|at| at.checked_mul(LINES))
        else {
            break;
        };
        if y >= area.height {
            break;
        }
        let height = LINES.min(area.height - y);
        let area = Rect::new(area.x, area.y + y, area.width, height);
        one_controller(model, theme, controller, at == model.selected, area, buffer);
    }
}

fn one_controller(
    model: &Model,
    theme: Theme,
    controller: &Controller,
    is_selected: bool,
    area: Rect,
    buffer: &mut Buffer,
) {
    let mut lines = lines(area);
    let Some(line) = lines.next() else { return };
    let column = put(buffer, line, 0, if is_selected { "> " } else { "  " }, BOLD);
    let column = put(buffer, line, column, &controller.label, BOLD);
    let style = theme.of_status(controller.status);
    let column = put(buffer, line, column + 2, controller.status.as_str(), style);
    put(
        buffer,
        line,
        column + 2,
        &duration(model.now, controller),
        Style::new(),
    );
    let Some(line) = lines.next() else { return };
    let counts = controller.per_minute(model.now);
    let width = usize::from(area.width).saturating_sub(30).clamp(8, MINUTES);
    let column = put(
        buffer,
        line,
        2,
        &sparkline(&counts[MINUTES - width..]),
        theme.busy(),
    );
    let text = format!("{}/min  {} events", counts[MINUTES - 1], controller.events);
    put(buffer, line, column + 2, &text, Style::new());
    let Some(line) = lines.next() else { return };
    if let Some(remark) = &controller.remark {
        put(buffer, line, 2, remark, theme.warning());
    } else if let Some((at, reason)) = &controller.last_loss {
        let ago = words::span(model.now.duration_since(*at).unwrap_or_default());
        let text = format!("last loss {ago} ago: {reason}");
        put(buffer, line, 2, &text, DIM);
    }
}

/// Formats how long the stream has been connected, or when the next attempt begins.
fn duration(now: SystemTime, controller: &Controller) -> String {
    let connected = controller.connected_since;
    if let Some(since) = connected {
        let span = now.duration_since(since).unwrap_or_default();
        return format!("for {}", words::span(span));
    }
    match controller.retry_at {
        Some(at) => {
            let wait = at.duration_since(now).unwrap_or_default();
            format!("next attempt in {}", words::span(wait))
        }
        None => String::new(),
    }
}

/// Draws a bar for each count, relative to the largest.
fn sparkline(counts: &[u64]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let max = counts.iter().copied().max().unwrap_or(0).max(1);
    let bar = |count: u64| match count {
        0 => ' ',
        // At most 7, since no count is above the largest.
        count => BARS[usize::try_from((count * 8 - 1) / max).unwrap_or(0).min(7)],
    };
    counts.iter().map(|count| bar(*count)).collect()
}

fn events(model: &Model, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let until = model.paused.unwrap_or(u64::MAX);
    let entries = model
        .log
        .entries_until(until, &model.filter)
        .skip(model.scrolled);
    let entries: Vec<_> = entries.take(area.height.into()).collect();
    let has_several = model.controllers.len() > 1;
    for (entry, line) in entries.into_iter().rev().zip(lines(area)) {
        let style = theme.of_kind(entry.kind);
        let time = match entry.kind {
            EntryKind::Replay => "replay".to_owned(),
            _ => words::time_of_day(entry.at, &model.zone),
        };
        put(buffer, line, 0, &time, style);
        let mut column = 9;
        if has_several && let Some(controller) = model.controllers.get(entry.controller) {
            let width = (area.width / 5).min(16);
            let cell = Rect {
                x: line.x + column,
                width,
                ..line
            }
            .intersection(line);
            put(buffer, cell, 0, &controller.label, style);
            column += width + 1;
        }
        if !entry.subject.is_empty() {
            let width = (area.width / 4).min(30);
            let cell = Rect {
                x: line.x + column,
                width,
                ..line
            }
            .intersection(line);
            put(buffer, cell, 0, &entry.subject, style);
            column += width + 1;
        }
        put(buffer, line, column, &entry.text, style);
    }
}

fn node(model: &Model, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let mut rest = lines(area);
    if let Some(line) = rest.next() {
        put(
            buffer,
            line,
            0,
            model.controller().name_of(&model.node),
            BOLD,
        );
    }
    let wide = area.width >= 60;
    let all = details::lines(model);
    for (line, area) in all.iter().skip(model.details_scrolled).zip(rest) {
        match line {
            details::Line::Heading(text) => _ = put(buffer, area, 0, text, BOLD),
            details::Line::Fact(what, fact) => {
                put(buffer, area, 2, what, DIM);
                let style = match *what {
                    "State" => theme.warning(),
                    _ => Style::new(),
                };
                put(buffer, area, 14, fact, style);
            }
            details::Line::Property {
                name,
                shown,
                raw,
                age,
            } => {
                let [value_at, raw_at, age_at] = match wide {
                    true => [30, 48, area.width.saturating_sub(6)],
                    false => [16, area.width, area.width.saturating_sub(6)],
                };
                put(
                    buffer,
                    Rect {
                        width: value_at - 1,
                        ..area
                    },
                    2,
                    name,
                    Style::new(),
                );
                let until = raw_at.min(age_at).saturating_sub(1);
                put(
                    buffer,
                    Rect {
                        width: until,
                        ..area
                    },
                    value_at,
                    shown,
                    theme.good(),
                );
                let until = age_at.saturating_sub(1);
                put(
                    buffer,
                    Rect {
                        width: until,
                        ..area
                    },
                    raw_at,
                    raw,
                    DIM,
                );
                put(buffer, area, age_at, age, DIM);
            }
            details::Line::Event { at, text } => {
                put(buffer, area, 2, at, DIM);
                put(buffer, area, 12, text, Style::new());
            }
        }
    }
}

/// The number of spaces before a row.
fn indent(row: &Row) -> u16 {
    let depth = match row {
        Row::Folder { path, .. } => path.len().saturating_sub(1),
        Row::Node { depth, .. } | Row::Scene { depth, .. } => *depth,
        Row::Program(_) | Row::Variable(_) => 1,
    };
    u16::try_from(depth * 2).unwrap_or(u16::MAX)
}
