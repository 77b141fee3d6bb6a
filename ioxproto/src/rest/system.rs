//! The controller itself: its configuration, clock and network resources.

use super::AnswerError;
use super::body::{self, Entry, Shape, keep};
use super::document;

/// The configuration of a controller: the answer of `/rest/config`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ControllerInfo {
    /// The firmware version (`app_full_version`, otherwise `app_version`).
    pub firmware: String,
    /// The id of the tree's root, usually the controller's MAC address.
    pub root_id: String,
    /// The name of the tree's root.
    pub root_name: String,
    /// The product's number.
    pub product_id: String,
    /// The product's name, such as `eisy` or `ISY 994i 256`.
    pub product: String,
    /// The features that the controller lists.
    pub features: Vec<Feature>,
    /// Whether it has variables.
    pub has_variables: bool,
    /// Whether it has node definitions (`nodedefs`).
    pub has_node_definitions: bool,
}

/// A feature of a controller.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Feature {
    /// Its number, such as `21040` for network resources.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether it is installed.
    pub is_installed: bool,
}

impl ControllerInfo {
    /// Reads the body of an answer.
    ///
    /// # Errors
    ///
    /// [`AnswerError`] names what is wrong or missing.
    pub fn parse(body: &[u8]) -> Result<Self, AnswerError> {
        let text = body::text(body)?;
        let root = document::whole(&text, &["configuration"])?;
        let entry = Entry {
            element: &root,
            name: "",
        };
        let firmware = match root.child_text("app_full_version") {
            Some(full) if !full.is_empty() => full,
            _ => entry.required("app_version")?,
        };
        let inner = |element: &str, part: &str| {
            let element = root.child(element);
            let text = element.and_then(|element| element.field(part));
            text.unwrap_or_default().to_owned()
        };
        let features = root.child("features").into_iter();
        let features = features.flat_map(|features| features.children("feature"));
        let features = features.map(|element| {
            let entry = Entry {
                element,
                name: "feature",
            };
            Feature {
                id: entry.text("id"),
                name: entry.text("desc"),
                is_installed: entry.boolean("isInstalled").unwrap_or(false),
            }
        });
        Ok(Self {
            firmware: firmware.to_owned(),
            root_id: inner("root", "id"),
            root_name: inner("root", "name"),
            product_id: inner("product", "id"),
            product: inner("product", "desc"),
            features: features.collect(),
            has_variables: entry.boolean("variables").unwrap_or(false),
            has_node_definitions: entry.boolean("nodedefs").unwrap_or(false),
        })
    }

    /// Whether it is an ISY-994, which serves at most two connections over TLS.
    #[must_use]
    pub fn is_isy994(&self) -> bool {
        self.product.to_ascii_uppercase().contains("ISY 994")
    }
}

/// A controller's clock: the answer of `/rest/time`. Values that the answer lacks are `None`.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ClockReading {
    /// The local time on the controller's scale (`NTP`): seconds since about 1900, without the
    /// offset from UTC. The exact epoch depends on the firmware.
    pub ntp: Option<i64>,
    /// The same time in UTC (`GMT`); newer firmware only.
    pub gmt: Option<i64>,
    /// The offset from UTC in seconds, positive to the east (`TMZOffset`). An ISY-994 sends
    /// seconds, an IoX hours; a value up to 24 is read as hours.
    pub offset_seconds: Option<i64>,
    /// Whether daylight saving time is on.
    pub is_daylight_saving: Option<bool>,
    /// Degrees north.
    pub latitude: Option<f64>,
    /// Degrees **west**, as the controller sends it.
    pub longitude_west: Option<f64>,
    /// Sunrise, on the scale of `ntp`.
    pub sunrise: Option<i64>,
    /// Sunset, on the scale of `ntp`.
    pub sunset: Option<i64>,
    /// Whether the controller displays times in 24-hour format.
    pub is_military: Option<bool>,
    /// The time zone's name or number (`TzId`); empty if the answer has none.
    pub zone: String,
}

impl ClockReading {
    /// Reads the body of an answer.
    ///
    /// # Errors
    ///
    /// [`AnswerError`] names what is wrong or missing.
    pub fn parse(body: &[u8]) -> Result<Self, AnswerError> {
        let text = body::text(body)?;
        let root = document::whole(&text, &["DT"])?;
        let entry = Entry {
            element: &root,
            name: "",
        };
        entry.required("NTP").or_else(|missing| {
            // Either one is sufficient.
            entry.required("GMT").map_err(|_| missing)
        })?;
        let degrees = |part: &str| entry.number::<f64>(part).filter(|value| value.is_finite());
        let offset = degrees("TMZOffset").map(|offset| {
            let seconds = match offset.abs() <= 24.0 {
                true => offset * 3600.0,
                false => offset,
            };
            seconds.round() as i64
        });
        Ok(Self {
            ntp: entry.number("NTP"),
            gmt: entry.number("GMT"),
            offset_seconds: offset,
            is_daylight_saving: entry.boolean("DST"),
            latitude: degrees("Lat"),
            longitude_west: degrees("Long"),
            sunrise: entry.number("Sunrise"),
            sunset: entry.number("Sunset"),
            is_military: entry.boolean("IsMilitary"),
            zone: entry.text("TzId"),
        })
    }
}

const RESOURCES: Shape = Shape {
    roots: &["NetConfig"],
    path: &["data"],
    item: "NetRule",
};

/// The network resources: the answer of `/rest/networking/resources`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NetworkResources {
    /// The resources, in the controller's order.
    pub resources: Vec<NetworkResource>,
}

/// A network resource: a request that the controller sends on command.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NetworkResource {
    /// Its number.
    pub id: u32,
    /// Its name; empty if the controller gives none.
    pub name: String,
}

impl NetworkResources {
    /// Reads the body of an answer.
    ///
    /// # Errors
    ///
    /// [`AnswerError`] names what is wrong or missing.
    pub fn parse(body: &[u8]) -> Result<Self, AnswerError> {
        RESOURCES.read(body, |all: &mut Self, element| {
            if element.name != "NetRule" {
                return Ok(());
            }
            let name = format!("network resource {}", all.resources.len() + 1);
            let entry = Entry {
                element: &element,
                name: &name,
            };
            let resource = NetworkResource {
                id: entry.required_number("id")?,
                name: entry.text("name"),
            };
            keep(&mut all.resources, resource)
        })
    }
}
