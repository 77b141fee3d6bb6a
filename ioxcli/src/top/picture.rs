//! Converts a drawn screen to SVG, for the README.

use std::fmt::Write as _;

use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier};

/// The size of a cell and of its text, in pixels.
const CELL: (usize, usize) = (8, 17);
const LETTERS: usize = 13;
const PAPER: &str = "#16181d";
const INK: &str = "#d8dee9";

/// Converts a buffer. Each cell has its own position, so that columns do not depend on the font.
pub(super) fn svg(buffer: &Buffer) -> String {
    let (cell_width, cell_height) = CELL;
    let width = usize::from(buffer.area.width) * cell_width;
    let height = usize::from(buffer.area.height) * cell_height;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace\" font-size=\"{LETTERS}\">\n\
         <title>iox top</title>\n<rect width=\"{width}\" height=\"{height}\" fill=\"{PAPER}\"/>\n"
    );
    for y in 0..buffer.area.height {
        for x in 0..buffer.area.width {
            let cell = &buffer[(x, y)];
            let left = usize::from(x) * cell_width;
            let top = usize::from(y) * cell_height;
            let (mut ink, mut paper) = (colour(cell.fg).unwrap_or(INK), PAPER);
            if cell.modifier.contains(Modifier::REVERSED) {
                (ink, paper) = (paper, ink);
                let _ = writeln!(
                    svg,
                    "<rect x=\"{left}\" y=\"{top}\" width=\"{cell_width}\" height=\"{cell_height}\" fill=\"{paper}\"/>"
                );
            }
            let symbol = cell.symbol();
            if symbol.trim().is_empty() {
                continue;
            }
            let base = top + LETTERS;
            let mut style = String::new();
            if cell.modifier.contains(Modifier::BOLD) {
                style.push_str(" font-weight=\"bold\"");
            }
            if cell.modifier.contains(Modifier::DIM) {
                style.push_str(" opacity=\"0.6\"");
            }
            let escaped = quick_xml::escape::escape(symbol);
            let _ = writeln!(
                svg,
                "<text x=\"{left}\" y=\"{base}\" fill=\"{ink}\"{style}>{escaped}</text>"
            );
        }
    }
    svg.push_str("</svg>\n");
    svg
}

fn colour(colour: Color) -> Option<&'static str> {
    Some(match colour {
        Color::Green => "#a3be8c",
        Color::Yellow => "#ebcb8b",
        Color::Red => "#e06c75",
        Color::Cyan => "#88c0d0",
        _ => return None,
    })
}
