//! Handles keys.

use super::model::{Effect, Key, Model, Prompt, View};
use super::rows::Row;

/// The longest filter, in characters.
const MAX_FILTER: usize = 100;

impl Model {
    /// Handles a key.
    pub(super) fn press(&mut self, key: Key) -> Vec<Effect> {
        // These keys also work in a prompt.
        match key {
            Key::Control('c') => return vec![Effect::Quit],
            Key::Control('z') => return vec![Effect::Suspend],
            Key::Control('l') => return vec![Effect::Repaint],
            _ => self.message = None,
        }
        if let Some(prompt) = self.prompt.take() {
            return self.answer(prompt, key);
        }
        if self.has_help {
            // Any key closes the help.
            self.has_help = false;
            return match key {
                Key::Character('q') => vec![Effect::Quit],
                _ => Vec::new(),
            };
        }
        match key {
            Key::Character('q') => return vec![Effect::Quit],
            Key::Character('?' | 'h') => self.has_help = true,
            Key::Character('1') => self.view = View::Controllers,
            Key::Character('2') => self.view = View::House,
            Key::Character('3') => self.view = View::Events,
            Key::Character('/') => self.prompt = Some(Prompt::Filter),
            Key::Character('p' | ' ') if self.view == View::Events => self.pause(),
            Key::Character('o') => self.ask('o'),
            Key::Character('f') => self.ask('f'),
            Key::Character('r') => self.ask('r'),
            Key::Character('l') => self.ask_level(),
            Key::Tab | Key::Character(']') => {
                self.select((self.selected + 1) % self.controllers.len());
            }
            Key::BackTab | Key::Character('[') => {
                let before = self.selected.checked_sub(1);
                self.select(before.unwrap_or(self.controllers.len() - 1));
            }
            Key::Enter | Key::Right => self.open(),
            Key::Escape | Key::Left | Key::Backspace => self.back(),
            key => self.move_cursor(key),
        }
        Vec::new()
    }

    /// Handles a key in a prompt.
    fn answer(&mut self, prompt: Prompt, key: Key) -> Vec<Effect> {
        match (prompt, key) {
            (Prompt::Filter, Key::Enter) => {}
            (Prompt::Filter, Key::Escape) => self.set_filter(String::new()),
            (Prompt::Filter, key) => {
                let mut filter = self.filter.clone();
                match key {
                    Key::Character(typed) if filter.chars().count() < MAX_FILTER => {
                        filter.extend(typed.to_lowercase());
                    }
                    Key::Backspace => _ = filter.pop(),
                    Key::Control('u') => filter.clear(),
                    _ => {}
                }
                self.set_filter(filter);
                self.prompt = Some(Prompt::Filter);
            }
            (Prompt::Confirm(pending), Key::Character('y' | 'Y')) => return self.send(pending),
            (Prompt::Confirm(_), _) => {}
            (
                Prompt::Level {
                    controller,
                    address,
                    mut typed,
                },
                key,
            ) => {
                match key {
                    Key::Enter => {
                        self.take_level(controller, &address, &typed);
                        return Vec::new();
                    }
                    Key::Escape => return Vec::new(),
                    Key::Character(digit) if digit.is_ascii_digit() && typed.len() < 3 => {
                        typed.push(digit);
                    }
                    Key::Backspace => _ = typed.pop(),
                    _ => {}
                }
                self.prompt = Some(Prompt::Level {
                    controller,
                    address,
                    typed,
                });
            }
        }
        Vec::new()
    }

    fn set_filter(&mut self, filter: String) {
        if filter != self.filter {
            self.filter = filter;
            self.scrolled = 0;
            self.arrange();
        }
    }

    fn pause(&mut self) {
        self.paused = match self.paused {
            Some(_) => None,
            None => Some(self.log.last_number()),
        };
        self.scrolled = 0;
    }

    /// Shows the house of another controller.
    fn select(&mut self, index: usize) {
        if index != self.selected {
            self.selected = index;
            self.cursor = 0;
            self.house_rows.clear();
            if self.view == View::Node {
                self.view = View::House;
            }
            self.arrange();
        }
    }

    /// Opens the selected row: folds a folder, or shows the details of a node.
    fn open(&mut self) {
        match self.view {
            View::Controllers => self.view = View::House,
            View::House => match self.house_rows.get(self.cursor) {
                Some(Row::Folder { path, .. }) => {
                    let path = path.clone();
                    if !self.folded.remove(&path) {
                        self.folded.insert(path);
                    }
                    self.arrange();
                }
                Some(Row::Node { address, .. } | Row::Scene { address, .. }) => {
                    self.node.clone_from(address);
                    self.details_scrolled = 0;
                    self.view = View::Node;
                }
                _ => {}
            },
            View::Events | View::Node => {}
        }
    }

    /// Goes back from the details to the house. In other views, clears the filter or, if there is
    /// none, the scrolling and the pause.
    fn back(&mut self) {
        if self.view == View::Node {
            self.view = View::House;
        } else if !self.filter.is_empty() {
            self.set_filter(String::new());
        } else {
            self.scrolled = 0;
            self.paused = None;
        }
    }

    /// Moves the cursor of the current view.
    fn move_cursor(&mut self, key: Key) {
        let page = usize::from(self.height.saturating_sub(4)).max(1);
        let step = |at: usize, last: usize| match key {
            Key::Up | Key::Character('k') => at.saturating_sub(1),
            Key::Down | Key::Character('j') => at.saturating_add(1).min(last),
            Key::PageUp => at.saturating_sub(page),
            Key::PageDown => at.saturating_add(page).min(last),
            Key::Home | Key::Character('g') => 0,
            Key::End | Key::Character('G') => last,
            _ => at,
        };
        match self.view {
            View::Controllers => {
                let last = self.controllers.len() - 1;
                self.select(step(self.selected, last));
            }
            View::House => {
                let last = self.house_rows.len().saturating_sub(1);
                self.cursor = step(self.cursor, last);
            }
            View::Node => {
                let last = super::details::lines(self).len().saturating_sub(1);
                self.details_scrolled = step(self.details_scrolled, last);
            }
            View::Events => self.scroll(key, page),
        }
    }

    /// Scrolls the log. Its latest entry is at the bottom, so up goes back in time.
    fn scroll(&mut self, key: Key, page: usize) {
        let until = self.paused.unwrap_or(u64::MAX);
        let count = self.log.entries_until(until, &self.filter).count();
        let max = count.saturating_sub(page);
        self.scrolled = match key {
            Key::Up | Key::Character('k') => self.scrolled + 1,
            Key::Down | Key::Character('j') => self.scrolled.saturating_sub(1),
            Key::PageUp => self.scrolled + page,
            Key::PageDown => self.scrolled.saturating_sub(page),
            Key::Home | Key::Character('g') => max,
            Key::End | Key::Character('G') => 0,
            _ => self.scrolled,
        }
        .min(max);
    }
}
