//! System events: heartbeat, progress, device writes, status, configuration, internet, portal.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use super::lifecycle::parse_bool;
use super::{ViewError, payload};
use crate::Event;
use crate::vocabulary::{
    Code, InternetAction, SystemAction, SystemConfigAction, SystemControl, SystemStatusAction,
};

/// A heartbeat (`_0`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Heartbeat {
    /// The interval to the next heartbeat that the controller announces, in seconds.
    pub promised_seconds: u32,
}

impl Heartbeat {
    /// The interval to the next heartbeat that the controller announces.
    #[must_use]
    pub fn promised(self) -> Duration {
        Duration::from_secs(self.promised_seconds.into())
    }
}

/// `heartbeat, the next within 90 s`.
impl fmt::Display for Heartbeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "heartbeat, the next within {} s", self.promised_seconds)
    }
}

/// Progress of a long operation, or a log line (`_7`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress<'a> {
    /// The kind of progress, or the severity.
    pub action: SystemAction<'a>,
    /// The text; XML if it contains elements.
    pub text: &'a str,
}

/// `progress, update: U7 Rest: …`.
impl fmt::Display for Progress<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "progress, {}: {}", words(self.action.label()), self.text)
    }
}

/// Progress of writing to a device (`_7A`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeviceWrite<'a> {
    /// The node.
    pub node: &'a str,
    /// The message: an element, or a bare text.
    pub message: Cow<'a, str>,
}

/// `writing to 8E 55 0D 1: message`.
impl fmt::Display for DeviceWrite<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "writing to {}: {}", self.node, self.message)
    }
}

/// A write to a device's memory (`_7M`): all fields are verbatim strings.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeviceMemory<'a> {
    /// The node.
    pub node: &'a str,
    /// The memory address (`memory`).
    pub memory: Cow<'a, str>,
    /// The first command byte (`cmd1`).
    pub cmd1: Cow<'a, str>,
    /// The second command byte (`cmd2`).
    pub cmd2: Cow<'a, str>,
    /// The value written (`value`).
    pub value: Cow<'a, str>,
}

/// `memory 0FF8 of 8E 55 0D 1 = 2A`.
impl fmt::Display for DeviceMemory<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "memory {} of {} = {}",
            self.memory, self.node, self.value
        )
    }
}

/// The system's status (`_5`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SystemStatus<'a> {
    /// The status.
    pub status: Code<'a, SystemStatusAction>,
}

/// `system busy`.
impl fmt::Display for SystemStatus<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "system {}", words(self.status.label()))
    }
}

/// The system's configuration (`_4`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SystemConfig<'a> {
    /// What changed.
    pub action: Code<'a, SystemConfigAction>,
    /// For batch mode and battery writes: whether they are on, if the frame contains it.
    pub on: Option<bool>,
}

/// `configuration, batch mode updated: on`.
impl fmt::Display for SystemConfig<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "configuration, {}", words(self.action.label()))?;
        match self.on {
            Some(true) => f.write_str(": on"),
            Some(false) => f.write_str(": off"),
            None => Ok(()),
        }
    }
}

/// Access from the internet (`_6`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InternetAccess<'a> {
    /// On, off or failed.
    pub action: Code<'a, InternetAction>,
    /// The external URL; empty unless it is on.
    pub url: &'a str,
}

/// `internet access enabled: https://…`.
impl fmt::Display for InternetAccess<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "internet access {}", words(self.action.label()))?;
        if self.url.is_empty() {
            return Ok(());
        }
        write!(f, ": {}", self.url)
    }
}

/// The portal's status (`_23` action 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PortalStatus {
    /// Whether the controller is connected to the portal.
    pub connected: Option<bool>,
    /// Whether it is registered there.
    pub registered: Option<bool>,
}

/// `portal connected, registered`.
impl fmt::Display for PortalStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.connected {
            Some(true) => "portal connected",
            Some(false) => "portal not connected",
            None => "portal connection unknown",
        })?;
        f.write_str(match self.registered {
            Some(true) => ", registered",
            Some(false) => ", not registered",
            None => "",
        })
    }
}

fn words(label: &str) -> String {
    label.replace('_', " ")
}

impl Event {
    pub(super) fn expect(
        &self,
        control: SystemControl,
        expected: &'static str,
    ) -> Result<(), ViewError> {
        if self.control() == control.code() {
            Ok(())
        } else {
            Err(ViewError::other(self, expected))
        }
    }

    /// The event as a heartbeat.
    ///
    /// # Errors
    ///
    /// It is another event, or the interval is not a whole number of seconds above 0.
    pub fn heartbeat(&self) -> Result<Heartbeat, ViewError> {
        self.expect(SystemControl::Heartbeat, "a heartbeat")?;
        let promised_seconds = self
            .action()
            .trim()
            .parse()
            .ok()
            .filter(|seconds| *seconds > 0);
        Ok(Heartbeat {
            promised_seconds: promised_seconds.ok_or_else(|| {
                ViewError::invalid("action", self.action(), "a number of seconds above 0")
            })?,
        })
    }

    /// The event as progress.
    ///
    /// # Errors
    ///
    /// It is another event.
    pub fn progress(&self) -> Result<Progress<'_>, ViewError> {
        self.expect(SystemControl::Progress, "progress")?;
        Ok(Progress {
            action: SystemAction::of(Code::Known(SystemControl::Progress), self.action()),
            text: self.event_info(),
        })
    }

    /// The event as progress of writing to a device.
    ///
    /// # Errors
    ///
    /// It is another event, or its payload is not well-formed.
    pub fn device_write(&self) -> Result<DeviceWrite<'_>, ViewError> {
        self.expect(
            SystemControl::DeviceWrite,
            "progress of writing to a device",
        )?;
        let message = payload::text(self.event_info(), "message")?;
        Ok(DeviceWrite {
            node: self.node(),
            message: message.unwrap_or_else(|| Cow::Borrowed(self.event_info())),
        })
    }

    /// The event as a write to a device's memory.
    ///
    /// # Errors
    ///
    /// It is another event, or lacks one of `memory`, `cmd1`, `cmd2`, `value`.
    pub fn device_memory(&self) -> Result<DeviceMemory<'_>, ViewError> {
        self.expect(SystemControl::DeviceMemory, "a write to a device's memory")?;
        let needed = |part: &'static str| {
            payload::text(self.event_info(), part)?.ok_or(ViewError::Missing { part })
        };
        Ok(DeviceMemory {
            node: self.node(),
            memory: needed("memory")?,
            cmd1: needed("cmd1")?,
            cmd2: needed("cmd2")?,
            value: needed("value")?,
        })
    }

    /// The event as the system's status.
    ///
    /// # Errors
    ///
    /// It is another event.
    pub fn system_status(&self) -> Result<SystemStatus<'_>, ViewError> {
        self.expect(SystemControl::SystemStatus, "the system's status")?;
        Ok(SystemStatus {
            status: Code::of(self.action()),
        })
    }

    /// The event as a change of the system's configuration.
    ///
    /// # Errors
    ///
    /// It is another event, its payload is not well-formed, or a `status` in it is neither true nor
    /// false.
    pub fn system_config(&self) -> Result<SystemConfig<'_>, ViewError> {
        self.expect(SystemControl::SystemConfig, "the system's configuration")?;
        let on = match payload::text(self.event_info(), "status")? {
            Some(text) => Some(
                parse_bool(&text).ok_or_else(|| ViewError::invalid("status", &text, "1 or 0"))?,
            ),
            None => None,
        };
        Ok(SystemConfig {
            action: Code::of(self.action()),
            on,
        })
    }

    /// The event as a change of access from the internet.
    ///
    /// # Errors
    ///
    /// It is another event.
    pub fn internet_access(&self) -> Result<InternetAccess<'_>, ViewError> {
        self.expect(SystemControl::InternetAccess, "access from the internet")?;
        Ok(InternetAccess {
            action: Code::of(self.action()),
            url: self.event_info(),
        })
    }

    /// The event as the portal's status.
    ///
    /// # Errors
    ///
    /// It is another event, or lacks the element `PortalStatus`.
    pub fn portal_status(&self) -> Result<PortalStatus, ViewError> {
        if self.control() != SystemControl::Portal.code() || self.action() != "1" {
            return Err(ViewError::other(self, "the portal's status"));
        }
        let part = "PortalStatus";
        let status = payload::first(self.event_info(), part)?.ok_or(ViewError::Missing { part })?;
        let flag = |name: &'static str| match status.field(name)? {
            Some(text) => parse_bool(&text)
                .map(Some)
                .ok_or_else(|| ViewError::invalid(name, &text, "true, false, 1 or 0")),
            None => Ok(None),
        };
        Ok(PortalStatus {
            connected: flag("isConnected")?,
            registered: flag("isRegistered")?,
        })
    }
}
