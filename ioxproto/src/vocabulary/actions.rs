//! The actions of each system control.

use super::{Code, words};

words! {
    /// Actions of [`Trigger`](super::SystemControl::Trigger).
    TriggerAction {
        /// A program's status; see [`ProgramStatus`](crate::view::ProgramStatus).
        ProgramStatus = "0" "program_status",
        /// Everything is to be polled again.
        GetStatus = "1" "get_status",
        /// A key changed.
        KeyChanged = "2" "key_changed",
        /// A line for people.
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
        /// A table of variables changed; see [`VariableTable`](crate::view::VariableTable).
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
        /// Batch mode went on or off.
        BatchModeUpdated = "5" "batch_mode_updated",
        /// Writing to battery devices went on or off.
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
    /// Actions of [`Progress`](super::SystemControl::Progress).
    ProgressAction {
        /// An update.
        Update = "1" "update",
        /// The device adder informs.
        DeviceAdderInfo = "2.1" "device_adder_info",
        /// The device adder warns.
        DeviceAdderWarning = "2.2" "device_adder_warning",
        /// The device adder failed.
        DeviceAdderError = "2.3" "device_adder_error",
        /// Z-Wave informs.
        ZwaveInfo = "4.1" "zwave_info",
        /// Z-Wave warns.
        ZwaveWarning = "4.2" "zwave_warning",
        /// Z-Wave failed.
        ZwaveError = "4.3" "zwave_error",
        /// `ZMatter` Z-Wave informs.
        ZmatterZwaveInfo = "12.1" "zmatter_zwave_info",
        /// `ZMatter` Z-Wave warns.
        ZmatterZwaveWarning = "12.2" "zmatter_zwave_warning",
        /// `ZMatter` Z-Wave failed.
        ZmatterZwaveError = "12.3" "zmatter_zwave_error",
        /// A `ZMatter` Z-Wave device is updated over the air.
        ZmatterZwaveOta = "12.4" "zmatter_zwave_ota",
        /// `ZigBee` informs.
        ZigbeeInfo = "14.1" "zigbee_info",
        /// `ZigBee` warns.
        ZigbeeWarning = "14.2" "zigbee_warning",
        /// `ZigBee` failed.
        ZigbeeError = "14.3" "zigbee_error",
        /// Matter informs.
        MatterInfo = "15.1" "matter_info",
        /// Matter warns.
        MatterWarning = "15.2" "matter_warning",
        /// Matter failed.
        MatterError = "15.3" "matter_error",
    }
}

words! {
    /// Actions of [`SecuritySystem`](super::SystemControl::SecuritySystem).
    SecurityAction {
        /// Disconnected.
        Disconnected = "0" "disconnected",
        /// Connected.
        Connected = "1" "connected",
        /// Disarmed.
        Disarmed = "DA" "disarmed",
        /// Armed, nobody home.
        ArmedAway = "AW" "armed_away",
        /// Armed, somebody home.
        ArmedStay = "AS" "armed_stay",
        /// Armed, somebody home, no entry delay.
        ArmedStayInstant = "ASI" "armed_stay_instant",
        /// Armed for the night.
        ArmedNight = "AN" "armed_night",
        /// Armed for the night, no entry delay.
        ArmedNightInstant = "ANI" "armed_night_instant",
        /// Armed for a vacation.
        ArmedVacation = "AV" "armed_vacation",
    }
}

words! {
    /// Actions of [`SystemAlert`](super::SystemControl::SystemAlert).
    AlertAction {
        /// Peak demand.
        PeakDemand = "1" "peak_demand",
        /// Highest use.
        MaxUse = "2" "max_use",
        /// Gas.
        Gas = "3" "gas",
        /// Water.
        Water = "4" "water",
    }
}

words! {
    /// Actions of [`OpenAdr`](super::SystemControl::OpenAdr).
    OpenAdrAction {
        /// An error.
        Error = "1" "error",
        /// A status.
        Status = "2" "status",
        /// A utilisation.
        Utilisation = "4" "utilisation",
    }
}

words! {
    /// Actions of [`GasMeter`](super::SystemControl::GasMeter).
    GasMeterAction {
        /// A status.
        Status = "1" "status",
        /// An error.
        Error = "2" "error",
    }
}

words! {
    /// Actions of [`Elk`](super::SystemControl::Elk).
    ElkAction {
        /// The topology.
        Topology = "1" "topology",
        /// An area.
        Area = "2" "area",
        /// A zone.
        Zone = "3" "zone",
        /// A keypad.
        Keypad = "4" "keypad",
        /// An output.
        Output = "5" "output",
        /// The system's status.
        SystemStatus = "6" "system_status",
        /// A thermostat.
        Thermostat = "7" "thermostat",
    }
}

words! {
    /// Actions of [`DeviceLinker`](super::SystemControl::DeviceLinker).
    LinkerAction {
        /// A status.
        Status = "1" "status",
        /// Cleared.
        Cleared = "2" "cleared",
    }
}

words! {
    /// Actions of [`Isy994Zwave`](super::SystemControl::Isy994Zwave).
    ZwaveAction {
        /// The system.
        System = "1" "system",
        /// Discovery.
        Discovery = "2" "discovery",
        /// A status.
        Status = "3" "status",
        /// An error.
        Error = "4" "error",
    }
}

words! {
    /// Actions of [`Billing`](super::SystemControl::Billing).
    BillingAction {
        /// A cost.
        Cost = "1" "cost",
    }
}

words! {
    /// Actions of [`Portal`](super::SystemControl::Portal).
    PortalAction {
        /// The portal's status; see [`PortalStatus`](crate::view::PortalStatus).
        Status = "1" "portal_status",
    }
}

words! {
    /// Actions of [`SystemEditor`](super::SystemControl::SystemEditor).
    SystemEditorAction {
        /// An editor changed; the event's node is its name.
        EditorChanged = "1" "editor_changed",
    }
}

words! {
    /// Actions of [`SystemUpgrade`](super::SystemControl::SystemUpgrade).
    UpgradeAction {
        /// An upgrade runs.
        Active = "1" "active",
        /// None runs.
        Inactive = "2" "inactive",
        /// One is available.
        Available = "3" "available",
        /// A reboot is required.
        RebootRequired = "4" "reboot_required",
    }
}

words! {
    /// The part before the dot in actions of the radios: [`ZmatterZwave`](super::SystemControl::ZmatterZwave),
    /// [`Zigbee`](super::SystemControl::Zigbee), [`MatterStatus`](super::SystemControl::MatterStatus).
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
        /// The logger; on Z-Wave alone.
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
    /// Takes an action's text apart; any text will do.
    #[must_use]
    pub fn of(text: &'a str) -> Self {
        Self(text)
    }

    /// The part before the first dot.
    #[must_use]
    pub fn category(self) -> Code<'a, RadioCategory> {
        Code::of(self.0.split_once('.').map_or(self.0, |parts| parts.0))
    }

    /// The part behind the first dot; empty without one.
    #[must_use]
    pub fn kind(self) -> &'a str {
        self.0.split_once('.').map_or("", |parts| parts.1)
    }

    /// The whole, as it came.
    #[must_use]
    pub fn text(self) -> &'a str {
        self.0
    }
}
