//! One property as it is kept: few allocations, and those reused.

use std::sync::Arc;

use super::heard::Heard;
use super::intern::SharedTexts;
use crate::Event;
use crate::unit::{ShownValue, shown_number};
use crate::view::{Decimal, Timestamp};

/// The last that was heard of a node's property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    uom: Arc<str>,
    name: Arc<str>,
    /// The raw value, and behind it the display text.
    texts: String,
    raw_length: u32,
    prec: Option<i32>,
    time: Option<Timestamp>,
}

/// A property in its node, found by its control.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub(super) control: Arc<str>,
    pub(super) property: Property,
    /// The replay that mentioned it last; 0 for none.
    pub(super) replay: u32,
    /// The replay that brought it first; 0 where it was seeded or live.
    pub(super) born: u32,
    /// When it was last heard of.
    pub(super) heard: Option<Heard>,
}

impl Slot {
    pub(super) fn new(control: Arc<str>, property: Property, born: u32) -> Self {
        Self {
            control,
            property,
            replay: 0,
            born,
            heard: None,
        }
    }
}

impl Property {
    /// A property with a raw value and nothing else; what a caller seeds a state with.
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

    /// With this unit of measure's id and these decimal places.
    #[must_use]
    pub fn with_unit(mut self, uom: &str, prec: Option<i32>) -> Self {
        self.uom = uom.into();
        self.prec = prec;
        self
    }

    /// With this display text of the value.
    #[must_use]
    pub fn with_formatted(mut self, formatted: &str) -> Self {
        self.texts.truncate(self.raw_length as usize);
        self.texts.push_str(formatted);
        self
    }

    /// With this display name of the property.
    #[must_use]
    pub fn with_name(mut self, name: &str) -> Self {
        self.name = name.into();
        self
    }

    /// With this time of its last change.
    #[must_use]
    pub fn with_time(mut self, time: Timestamp) -> Self {
        self.time = Some(time);
        self
    }

    /// The value as it came, in the controller's number form.
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

    /// The number in its unit, where the value is a number.
    #[must_use]
    pub fn number(&self) -> Option<Decimal> {
        shown_number(self.raw(), &self.uom, self.prec)
    }

    /// The value as people see it: number, unit and text.
    #[must_use]
    pub fn shown(&self) -> ShownValue<'_> {
        ShownValue::of(self.raw(), &self.uom, self.prec, self.formatted())
    }

    /// The unit of measure's id; empty when it was never said.
    #[must_use]
    pub fn uom(&self) -> &str {
        &self.uom
    }

    /// Decimal places of the raw value.
    #[must_use]
    pub fn prec(&self) -> Option<i32> {
        self.prec
    }

    /// The property's name as the controller displays it; empty when it was never said.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The timestamp of the frame that brought it, by the controller's clock. On `/rest/subscribe`
    /// a replayed frame has that of the connect; on `/api/events/subscribe` that of the change.
    #[must_use]
    pub fn time(&self) -> Option<Timestamp> {
        self.time
    }

    /// Whether the value is the same: raw, unit, places and display; times and names aside.
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
            uom: shared.shared(event.uom()),
            name: shared.shared(event.fmt_name()),
            texts,
            raw_length: u32::try_from(event.action().len()).unwrap_or(0),
            prec: event.prec(),
            time: Timestamp::parse(event.timestamp()),
        }
    }

    /// What the frame does not carry stays: unit, places and name. The display text belongs to the
    /// value and goes with it.
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

    /// Takes the value of a reading. Unit and name stay where it has none, and so does the time.
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
        self.uom = texts.shared(&self.uom);
        self.name = texts.shared(&self.name);
        self.texts.shrink_to_fit();
    }
}

/// What a property is to become by an event.
pub(super) struct Update<'a> {
    uom: &'a str,
    prec: Option<i32>,
    raw: &'a str,
    formatted: &'a str,
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
        // An older firmware's frame has no display text; one for the same value holds on.
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
