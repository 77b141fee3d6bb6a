//! The state of one property, stored in few allocations, which updates reuse.

use std::sync::Arc;

use super::heard::Heard;
use super::intern::SharedTexts;
use crate::Event;
use crate::unit::{ShownValue, shown_number};
use crate::view::{Decimal, Timestamp};

/// The latest value of a node's property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    uom: Arc<str>,
    name: Arc<str>,
    /// The raw value, followed by the display text.
    texts: String,
    raw_length: u32,
    prec: Option<i32>,
    time: Option<Timestamp>,
}

/// A property of a node, with its control and with records of its reports.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub(super) control: Arc<str>,
    pub(super) property: Property,
    /// The number of the replay that was current at the last event; 0 if there was none.
    pub(super) last_replay: u32,
    /// The number of the replay that first brought it; 0 if it was seeded or live.
    pub(super) first_replay: u32,
    /// When it last reported.
    pub(super) heard: Option<Heard>,
}

impl Slot {
    pub(super) fn new(control: Arc<str>, property: Property, first_replay: u32) -> Self {
        Self {
            control,
            property,
            last_replay: 0,
            first_replay,
            heard: None,
        }
    }
}

impl Property {
    /// Creates a property that has only a raw value, to seed a state.
    ///
    /// ```
    /// use ioxproto::state::Property;
    /// let property = Property::new("725").with_unit("17", Some(1)).with_formatted("72.5°F");
    /// assert_eq!(property.number().map(|number| number.to_f64()), Some(72.5));
    /// ```
    #[must_use]
    pub fn new(raw: &str) -> Self {
        Self {
            uom: "".into(),
            name: "".into(),
            texts: raw.to_owned(),
            raw_length: u32::try_from(raw.len()).unwrap_or(0),
            prec: None,
            time: None,
        }
    }

    /// Sets the id of the unit of measure and the number of decimal places.
    #[must_use]
    pub fn with_unit(mut self, uom: &str, prec: Option<i32>) -> Self {
        self.uom = uom.into();
        self.prec = prec;
        self
    }

    /// Sets the display text of the value.
    #[must_use]
    pub fn with_formatted(mut self, formatted: &str) -> Self {
        self.texts.truncate(self.raw_length as usize);
        self.texts.push_str(formatted);
        self
    }

    /// Sets the display name of the property.
    #[must_use]
    pub fn with_name(mut self, name: &str) -> Self {
        self.name = name.into();
        self
    }

    /// Sets the time of the last change.
    #[must_use]
    pub fn with_time(mut self, time: Timestamp) -> Self {
        self.time = Some(time);
        self
    }

    /// The raw value as received, in the controller's number format.
    #[must_use]
    pub fn raw(&self) -> &str {
        self.texts
            .get(..self.raw_length as usize)
            .unwrap_or_default()
    }

    /// The value as the controller displays it; may be empty.
    #[must_use]
    pub fn formatted(&self) -> &str {
        self.texts
            .get(self.raw_length as usize..)
            .unwrap_or_default()
    }

    /// The number in its unit; `None` if the value is not a number.
    #[must_use]
    pub fn number(&self) -> Option<Decimal> {
        shown_number(self.raw(), &self.uom, self.prec)
    }

    /// The value as shown to people: number, unit and text.
    #[must_use]
    pub fn shown(&self) -> ShownValue<'_> {
        ShownValue::of(self.raw(), &self.uom, self.prec, self.formatted())
    }

    /// The id of the unit of measure; empty if no frame had one.
    #[must_use]
    pub fn uom(&self) -> &str {
        &self.uom
    }

    /// The number of decimal places of the raw value.
    #[must_use]
    pub fn prec(&self) -> Option<i32> {
        self.prec
    }

    /// The property's name as the controller displays it; empty if no frame had one.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The timestamp of the last frame, by the controller's clock. A replayed frame has the time of
    /// the connection on `/rest/subscribe`, and the time of the change on `/api/events/subscribe`.
    #[must_use]
    pub fn time(&self) -> Option<Timestamp> {
        self.time
    }

    /// Whether raw value, unit, decimal places and display text are the same. Ignores times and
    /// names.
    #[must_use]
    pub fn has_same_value(&self, other: &Self) -> bool {
        self.texts == other.texts
            && self.raw_length == other.raw_length
            && self.uom == other.uom
            && self.prec == other.prec
    }

    pub(super) fn of(event: &Event, shared: &mut SharedTexts) -> Self {
        let mut texts = String::with_capacity(event.action().len() + event.fmt_act().len());
        texts.push_str(event.action());
        texts.push_str(event.fmt_act());
        Self {
            uom: shared.intern(event.uom()),
            name: shared.intern(event.fmt_name()),
            texts,
            raw_length: u32::try_from(event.action().len()).unwrap_or(0),
            prec: event.prec(),
            time: Timestamp::parse(event.timestamp()),
        }
    }

    /// Applies an event. Unit, decimal places and name are kept if the frame does not have them.
    /// The display text belongs to the value: without a new text, a new value has none.
    pub(super) fn update(&mut self, update: &Update<'_>, event: &Event, texts: &mut SharedTexts) {
        texts.set(&mut self.uom, update.uom);
        self.prec = update.prec;
        if !event.fmt_name().is_empty() {
            texts.set(&mut self.name, event.fmt_name());
        }
        if update.changes_texts {
            self.texts.clear();
            self.texts.push_str(update.raw);
            self.texts.push_str(update.formatted);
            self.raw_length = u32::try_from(update.raw.len()).unwrap_or(0);
            if self.texts.capacity() > 64 + 4 * self.texts.len() {
                self.texts.shrink_to_fit();
            }
        }
        if let Some(time) = Timestamp::parse(event.timestamp()) {
            self.time = Some(time);
        }
    }

    /// Sets the value that a self-audit has read. Unit and name are kept if the reading has none.
    /// The time is always kept.
    pub(super) fn correct(&mut self, reading: &Self, texts: &mut SharedTexts) {
        self.texts.clone_from(&reading.texts);
        self.raw_length = reading.raw_length;
        if !reading.uom.is_empty() {
            texts.set(&mut self.uom, &reading.uom);
            self.prec = reading.prec;
        }
        if !reading.name.is_empty() {
            texts.set(&mut self.name, &reading.name);
        }
    }

    pub(super) fn uom_shared(&self) -> Arc<str> {
        Arc::clone(&self.uom)
    }

    pub(super) fn share(&mut self, texts: &mut SharedTexts) {
        self.uom = texts.intern(&self.uom);
        self.name = texts.intern(&self.name);
        self.texts.shrink_to_fit();
    }
}

/// The new values of a property after an event.
pub(super) struct Update<'a> {
    uom: &'a str,
    prec: Option<i32>,
    raw: &'a str,
    formatted: &'a str,
    /// Whether the texts of the property change.
    changes_texts: bool,
    pub(super) changes: bool,
}

impl<'a> Update<'a> {
    pub(super) fn of(event: &'a Event, uom_now: &'a str, now: &Property) -> Self {
        let uom = if event.uom().is_empty() {
            uom_now
        } else {
            event.uom()
        };
        let prec = match event.prec() {
            Some(prec) => Some(prec),
            None if uom == now.uom() => now.prec,
            None => None,
        };
        let raw = event.action();
        let same_number = raw == now.raw() && uom == now.uom() && prec == now.prec;
        // Frames of older firmware have no display text. Keep the text if the value is the same.
        let keeps = same_number && event.fmt_act().is_empty();
        let changes_texts = !keeps && (raw != now.raw() || event.fmt_act() != now.formatted());
        Self {
            uom,
            prec,
            raw,
            formatted: event.fmt_act(),
            changes_texts,
            changes: changes_texts || !same_number,
        }
    }
}
