//! Draws the house as a tree, with name, value, age and mark in columns.

use ioxproto::words;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::{BOLD, DIM, REVERSED, Theme, indent, lines, put, window};
use crate::top::controller::age;
use crate::top::model::Model;
use crate::top::rows::Row;

/// The positions at which the columns begin.
#[derive(Clone, Copy)]
struct Columns {
    value: u16,
    age: u16,
    mark: u16,
}

impl Columns {
    fn of(width: u16) -> Self {
        // A wide screen has room for the mark in words.
        let mark = width - if width >= 60 { 11 } else { 2 };
        let age = mark - 6;
        let value = age - (width / 4).clamp(8, 24);
        Self { value, age, mark }
    }
}

pub(super) fn render(model: &Model, theme: Theme, area: Rect, buffer: &mut Buffer) {
    if model.house_rows.is_empty() {
        let text = match model.filter.is_empty() {
            true => "Nothing is known about the house yet.",
            false => "Nothing matches the filter.",
        };
        put(buffer, area, 1, text, DIM);
        return;
    }
    let first = window(model.house_rows.len(), model.cursor, area.height);
    let rows = model.house_rows.iter().enumerate().skip(first);
    for ((at, row), line) in rows.zip(lines(area)) {
        one_row(model, theme, row, line, buffer);
        if at == model.cursor {
            buffer.set_style(line, REVERSED);
        }
    }
}

/// The cells of a row.
#[derive(Default)]
struct Cells {
    name: String,
    value: String,
    age: String,
    mark: Option<(char, &'static str)>,
}

fn one_row(model: &Model, theme: Theme, row: &Row, line: Rect, buffer: &mut Buffer) {
    let columns = Columns::of(line.width);
    let indent = indent(row);
    if let Row::Folder { path, is_folded } = row {
        let sign = if *is_folded { '+' } else { '-' };
        let name = path.last().map_or("", String::as_str);
        put(buffer, line, indent, &format!("{sign} {name}"), BOLD);
        return;
    }
    let cells = cells(model, row);
    let style = match cells.mark {
        Some(('!', _)) => theme.bad(),
        Some(_) => DIM,
        None => Style::new(),
    };
    let until = |end: u16| Rect {
        width: end.saturating_sub(1),
        ..line
    };
    put(buffer, until(columns.value), indent + 2, &cells.name, style);
    put(
        buffer,
        until(columns.age),
        columns.value,
        &cells.value,
        style,
    );
    put(buffer, until(columns.mark), columns.age, &cells.age, DIM);
    if let Some((sign, word)) = cells.mark {
        let text = match line.width >= 60 {
            true => format!("{sign} {word}"),
            false => sign.to_string(),
        };
        put(buffer, line, columns.mark, &text, theme.warning());
    }
}

fn cells(model: &Model, row: &Row) -> Cells {
    let controller = model.controller();
    let house = &controller.house;
    let names = house.names();
    match row {
        Row::Folder { .. } => Cells::default(),
        Row::Node { address, .. } => Cells {
            name: controller.name_of(address).to_owned(),
            value: words::of_node(house, address),
            age: age(model.now, house.node_heard(address)),
            mark: controller.mark(model.now, address, model.silent_after),
        },
        Row::Scene { address, .. } => {
            let members = house.members(address).count();
            Cells {
                name: format!("{} (scene)", controller.name_of(address)),
                value: match members {
                    0 => String::new(),
                    1 => "1 member".to_owned(),
                    members => format!("{members} members"),
                },
                ..Cells::default()
            }
        }
        Row::Program(id) => Cells {
            name: names
                .program(*id)
                .map_or_else(|| id.to_string(), str::to_owned),
            value: house
                .program(*id)
                .map_or_else(String::new, words::of_program),
            ..Cells::default()
        },
        Row::Variable(id) => {
            let value = house.variable(*id).and_then(|variable| variable.value);
            Cells {
                name: names
                    .variable(*id)
                    .map_or_else(|| id.to_string(), str::to_owned),
                value: value.map_or_else(String::new, |value| value.to_string()),
                ..Cells::default()
            }
        }
    }
}
