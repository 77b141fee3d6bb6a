//! What keys do.

use super::model::{Effect, Key, Model, Prompt, View};
use super::rows::Row;

/// The longest filter, in characters.
const LONGEST_FILTER: usize = 100;

impl Model {
    /// Takes a key.
    pub(super) fn press(&mut self, key: Key) -> Vec<Effect> {
        // These work whatever is asked.
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
            // Any key leaves the help.
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
            key => self.walk(key),
        }
        Vec::new()
    }

    fn answer(&mut self, prompt: Prompt, key: Key) -> Vec<Effect> {
        match (prompt, key) {
            (Prompt::Filter, Key::Enter) => {}
            (Prompt::Filter, Key::Escape) => self.set_filter(String::new()),
            (Prompt::Filter, key) => {
                let mut filter = self.filter.clone();
                match key {
                    Key::Character(typed) if filter.chars().count() < LONGEST_FILTER => {
                        filter.extend(typed.to_lowercase());
                    }
                    Key::Backspace => _ = filter.pop(),
                    Key::Control('u') => filter.clear(),
                    _ => {}
                }
                self.set_filter(filter);
                self.prompt = Some(Prompt::Filter);
            }
            (Prompt::Confirm(order), Key::Character('y' | 'Y')) => return self.send(order),
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
            None => Some(self.log.last()),
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

    /// Goes into what is selected.
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

    /// Goes back: from the details to the house; elsewhere the filter goes, then the scrolling.
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

    fn walk(&mut self, key: Key) {
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

    /// The log has its latest entry at the bottom: up goes back in time.
    fn scroll(&mut self, key: Key, page: usize) {
        let until = self.paused.unwrap_or(u64::MAX);
        let count = self.log.latest(until, &self.filter).count();
        let most = count.saturating_sub(page);
        self.scrolled = match key {
            Key::Up | Key::Character('k') => self.scrolled + 1,
            Key::Down | Key::Character('j') => self.scrolled.saturating_sub(1),
            Key::PageUp => self.scrolled + page,
            Key::PageDown => self.scrolled.saturating_sub(page),
            Key::Home | Key::Character('g') => most,
            Key::End | Key::Character('G') => 0,
            _ => self.scrolled,
        }
        .min(most);
    }
}
