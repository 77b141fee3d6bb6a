//! The actions of each system control.

use super::{Code, Lifecycle, SystemControl, words};

/// An action of a system event: its code, verbatim, and its label if the control's actions have
/// names.
///
/// ```
/// use ioxproto::vocabulary::{Code, SystemAction, SystemControl};
/// let armed = SystemAction::of(Code::Known(SystemControl::SecuritySystem), "AW");
/// assert_eq!((armed.code(), armed.label()), ("AW", "armed_away"));
/// let heartbeat = SystemAction::of(Code::Known(SystemControl::Heartbeat), "90");
/// assert_eq!((heartbeat.label(), heartbeat.is_known()), ("90", false));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SystemAction<'a> {
    code: &'a str,
    label: Option<&'static str>,
}

impl<'a> SystemAction<'a> {
    /// Looks an action up by its control.
    #[must_use]
    pub fn of(control: Code<'_, SystemControl>, action: &'a str) -> Self {
        let mut known = control
            .known()
            .map_or(&[][..], SystemControl::actions)
            .iter();
        Self {
            code: action,
            label: known
                .find(|(code, _)| *code == action)
                .map(|(_, label)| *label),
        }
    }

    /// The code on the wire.
    #[must_use]
    pub fn code(self) -> &'a str {
        self.code
    }

    /// Its label: `snake_case`, stable, unique for its control; the code if it has no label.
    #[must_use]
    pub fn label(self) -> &'a str {
        self.label.unwrap_or(self.code)
    }

    /// Whether it has a name.
    #[must_use]
    pub fn is_known(self) -> bool {
        self.label.is_some()
    }
}

impl SystemControl {
    /// The codes and labels of its actions, in the order of UDI's description. Empty for actions
    /// without names: a heartbeat's seconds, the dotted actions of the radios ([`Dotted`]).
    #[must_use]
    pub fn actions(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Trigger => TriggerAction::CODES,
            Self::NodeLifecycle => Lifecycle::CODES,
            Self::SystemConfig => SystemConfigAction::CODES,
            Self::SystemStatus => SystemStatusAction::CODES,
            Self::InternetAccess => InternetAction::CODES,
            Self::Progress => &[
                ("1", "update"),
                ("2.1", "device_adder_info"),
                ("2.2", "device_adder_warning"),
                ("2.3", "device_adder_error"),
                ("4.1", "zwave_info"),
                ("4.2", "zwave_warning"),
                ("4.3", "zwave_error"),
                ("12.1", "zmatter_zwave_info"),
                ("12.2", "zmatter_zwave_warning"),
                ("12.3", "zmatter_zwave_error"),
                ("12.4", "zmatter_zwave_ota"),
                ("14.1", "zigbee_info"),
                ("14.2", "zigbee_warning"),
                ("14.3", "zigbee_error"),
                ("15.1", "matter_info"),
                ("15.2", "matter_warning"),
                ("15.3", "matter_error"),
            ],
            Self::SecuritySystem => &[
                ("0", "disconnected"),
                ("1", "connected"),
                ("DA", "disarmed"),
                ("AW", "armed_away"),
                ("AS", "armed_stay"),
                ("ASI", "armed_stay_instant"),
                ("AN", "armed_night"),
                ("ANI", "armed_night_instant"),
                ("AV", "armed_vacation"),
            ],
            Self::SystemAlert => &[
                ("1", "peak_demand"),
                ("2", "max_use"),
                ("3", "gas"),
                ("4", "water"),
            ],
            Self::OpenAdr => &[("1", "error"), ("2", "status"), ("4", "utilisation")],
            Self::GasMeter => &[("1", "status"), ("2", "error")],
            Self::Elk => &[
                ("1", "topology"),
                ("2", "area"),
                ("3", "zone"),
                ("4", "keypad"),
                ("5", "output"),
                ("6", "system_status"),
                ("7", "thermostat"),
            ],
            Self::DeviceLinker => &[("1", "status"), ("2", "cleared")],
            Self::Isy994Zwave => &[
                ("1", "system"),
                ("2", "discovery"),
                ("3", "status"),
                ("4", "error"),
            ],
            Self::Billing => &[("1", "cost")],
            Self::Portal => &[("1", "portal_status")],
            Self::SystemEditor => &[("1", "editor_changed")],
            Self::SystemUpgrade => &[
                ("1", "active"),
                ("2", "inactive"),
                ("3", "available"),
                ("4", "reboot_required"),
            ],
            _ => &[],
        }
    }
}

words! {
    /// Actions of [`Trigger`](super::SystemControl::Trigger).
    TriggerAction {
        /// A program's status; see [`ProgramStatus`](crate::view::ProgramStatus).
        ProgramStatus = "0" "program_status",
        /// All status must be polled again.
        GetStatus = "1" "get_status",
        /// A key changed.
        KeyChanged = "2" "key_changed",
        /// An information text for people.
        InfoString = "3" "info_string",
        /// The learn mode for infrared codes.
        IrLearnMode = "4" "ir_learn_mode",
        /// A schedule.
        Schedule = "5" "schedule",
        /// A variable's value; see [`VariableChange`](crate::view::VariableChange).
        VariableValue = "6" "variable_value",
        /// A variable's value at start-up.
        VariableInit = "7" "variable_init",
        /// The subscription's key, once after subscribing.
        SubscriptionKey = "8" "subscription_key",
        /// A variable table has changed; see [`VariableTable`](crate::view::VariableTable).
        VariableTable = "9" "variable_table",
    }
}

words! {
    /// Actions of [`SystemConfig`](super::SystemControl::SystemConfig).
    SystemConfigAction {
        /// The controller's clock was set.
        TimeChanged = "0" "time_changed",
        /// The configuration of its clock changed.
        TimeConfigChanged = "1" "time_config_changed",
        /// The settings of its time server changed.
        NtpSettingsUpdated = "2" "ntp_settings_updated",
        /// The settings of notifications changed.
        NotificationSettingsUpdated = "3" "notification_settings_updated",
        /// Its time server could not be reached.
        NtpCommError = "4" "ntp_comm_error",
        /// Batch mode was switched on or off.
        BatchModeUpdated = "5" "batch_mode_updated",
        /// Writing to battery devices was switched on or off.
        BatteryWriteModeUpdated = "6" "battery_write_mode_updated",
    }
}

words! {
    /// Actions of [`SystemStatus`](super::SystemControl::SystemStatus).
    SystemStatusAction {
        /// No longer busy.
        NotBusy = "0" "not_busy",
        /// Busy.
        Busy = "1" "busy",
        /// Idle.
        Idle = "2" "idle",
        /// In safe mode.
        SafeMode = "3" "safe_mode",
    }
}

words! {
    /// Actions of [`InternetAccess`](super::SystemControl::InternetAccess).
    InternetAction {
        /// Off.
        Disabled = "0" "disabled",
        /// On; the payload is the external URL.
        Enabled = "1" "enabled",
        /// It failed.
        Failed = "2" "failed",
    }
}

words! {
    /// The part before the dot in actions of the radios:
    /// [`ZmatterZwave`](super::SystemControl::ZmatterZwave),
    /// [`Zigbee`](super::SystemControl::Zigbee),
    /// [`MatterStatus`](super::SystemControl::MatterStatus).
    RadioCategory {
        /// The system's status.
        SystemStatus = "1" "system_status",
        /// Discovery.
        Discovery = "2" "discovery",
        /// A general status; on Matter, reception and transmission.
        GeneralStatus = "3" "general_status",
        /// A general error.
        GeneralError = "4" "general_error",
        /// The S2 security layer.
        S2 = "5" "s2",
        /// An update over the air.
        Ota = "6" "ota",
        /// Backup and restore.
        BackupRestore = "7" "backup_restore",
        /// A device is interviewed.
        DeviceInterview = "8" "device_interview",
        /// A button is detected.
        ButtonDetect = "9" "button_detect",
        /// The logger; only on Z-Wave.
        Logger = "10" "logger",
    }
}

/// A dotted action, `category.type`, of one of the radios.
///
/// ```
/// use ioxproto::vocabulary::{Code, Dotted, RadioCategory};
/// let action = Dotted::of("1.3");
/// assert_eq!(action.category(), Code::Known(RadioCategory::SystemStatus));
/// assert_eq!((action.kind(), action.text()), ("3", "1.3"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Dotted<'a>(&'a str);

impl<'a> Dotted<'a> {
    /// Splits an action's text at the first dot. Accepts any text.
    #[must_use]
    pub fn of(text: &'a str) -> Self {
        Self(text)
    }

    /// The part before the first dot.
    #[must_use]
    pub fn category(self) -> Code<'a, RadioCategory> {
        Code::of(self.0.split_once('.').map_or(self.0, |parts| parts.0))
    }

    /// The part after the first dot; empty without a dot.
    #[must_use]
    pub fn kind(self) -> &'a str {
        self.0.split_once('.').map_or("", |parts| parts.1)
    }

    /// The whole action, verbatim.
    #[must_use]
    pub fn text(self) -> &'a str {
        self.0
    }
}
