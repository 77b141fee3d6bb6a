//! System controls, and an action read by its control.

use super::{
    AlertAction, BillingAction, Code, Dotted, ElkAction, GasMeterAction, InternetAction, Lifecycle,
    LinkerAction, OpenAdrAction, PortalAction, ProgressAction, SecurityAction, SystemConfigAction,
    SystemEditorAction, SystemStatusAction, TriggerAction, UpgradeAction, ZwaveAction, words,
};
use crate::Event;

words! {
    /// The controls of system events. Some are of the ISY-994 alone, some of IoX 6 alone.
    SystemControl {
        /// A sign of life; its action is the number of seconds until the next.
        Heartbeat = "_0" "heartbeat",
        /// Programs, variables and more, by action.
        Trigger = "_1" "trigger",
        /// A driver's own.
        DriverSpecific = "_2" "driver_specific",
        /// Nodes, folders and scenes come, go and change.
        NodeLifecycle = "_3" "node_lifecycle",
        /// The system's configuration.
        SystemConfig = "_4" "system_config",
        /// The system's status.
        SystemStatus = "_5" "system_status",
        /// Access from the internet.
        InternetAccess = "_6" "internet_access",
        /// Progress of long work, and log lines.
        Progress = "_7" "progress",
        /// Progress of writing to a device.
        DeviceWrite = "_7A" "device_write",
        /// A write to a device's memory.
        DeviceMemory = "_7M" "device_memory",
        /// The security system.
        SecuritySystem = "_8" "security_system",
        /// An alert.
        SystemAlert = "_9" "system_alert",
        /// Demand response.
        OpenAdr = "_10" "open_adr",
        /// The weather.
        Climate = "_11" "climate",
        /// Smart meters.
        AmiSep = "_12" "ami_sep",
        /// The energy monitor.
        EnergyMonitoring = "_13" "energy_monitoring",
        /// UPB: the linker.
        UpbLinker = "_14" "upb_linker",
        /// UPB: the device adder.
        UpbDeviceAdder = "_15" "upb_device_adder",
        /// UPB: a device's status.
        UpbDeviceStatus = "_16" "upb_device_status",
        /// The gas meter.
        GasMeter = "_17" "gas_meter",
        /// `ZigBee` on an ISY-994.
        Isy994Zigbee = "_18" "isy994_zigbee",
        /// An ELK alarm panel.
        Elk = "_19" "elk",
        /// The device linker.
        DeviceLinker = "_20" "device_linker",
        /// Z-Wave on an ISY-994.
        Isy994Zwave = "_21" "isy994_zwave",
        /// Billing.
        Billing = "_22" "billing",
        /// The portal.
        Portal = "_23" "portal",
        /// The system editor; the event's node is the editor's name.
        SystemEditor = "_24" "system_editor",
        /// Z-Wave by `ZMatter`.
        ZmatterZwave = "_25" "zmatter_zwave",
        /// An upgrade of the controller.
        SystemUpgrade = "_26" "system_upgrade",
        /// `ZigBee` on IoX 6.
        Zigbee = "_27" "zigbee",
        /// Matter.
        MatterStatus = "_28" "matter_status",
    }
}

/// An action, read by the control that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SystemAction<'a> {
    /// Of a trigger.
    Trigger(Code<'a, TriggerAction>),
    /// Of the node lifecycle.
    Lifecycle(Code<'a, Lifecycle>),
    /// Of the system's configuration.
    SystemConfig(Code<'a, SystemConfigAction>),
    /// Of the system's status.
    SystemStatus(Code<'a, SystemStatusAction>),
    /// Of internet access.
    Internet(Code<'a, InternetAction>),
    /// Of progress.
    Progress(Code<'a, ProgressAction>),
    /// Of the security system.
    Security(Code<'a, SecurityAction>),
    /// Of an alert.
    Alert(Code<'a, AlertAction>),
    /// Of demand response.
    OpenAdr(Code<'a, OpenAdrAction>),
    /// Of the gas meter.
    GasMeter(Code<'a, GasMeterAction>),
    /// Of an ELK panel.
    Elk(Code<'a, ElkAction>),
    /// Of the device linker.
    Linker(Code<'a, LinkerAction>),
    /// Of Z-Wave on an ISY-994.
    Zwave(Code<'a, ZwaveAction>),
    /// Of billing.
    Billing(Code<'a, BillingAction>),
    /// Of the portal.
    Portal(Code<'a, PortalAction>),
    /// Of the system editor.
    SystemEditor(Code<'a, SystemEditorAction>),
    /// Of an upgrade.
    Upgrade(Code<'a, UpgradeAction>),
    /// Of a radio: `category.type`.
    Dotted(Dotted<'a>),
    /// Of a control whose actions have no names: heartbeat's seconds, or anything of an unknown control.
    Text(&'a str),
}

impl<'a> SystemAction<'a> {
    /// Reads an action by its control.
    #[must_use]
    pub fn of(control: Code<'_, SystemControl>, action: &'a str) -> Self {
        let Code::Known(control) = control else {
            return Self::Text(action);
        };
        match control {
            SystemControl::Trigger => Self::Trigger(Code::of(action)),
            SystemControl::NodeLifecycle => Self::Lifecycle(Code::of(action)),
            SystemControl::SystemConfig => Self::SystemConfig(Code::of(action)),
            SystemControl::SystemStatus => Self::SystemStatus(Code::of(action)),
            SystemControl::InternetAccess => Self::Internet(Code::of(action)),
            SystemControl::Progress => Self::Progress(Code::of(action)),
            SystemControl::SecuritySystem => Self::Security(Code::of(action)),
            SystemControl::SystemAlert => Self::Alert(Code::of(action)),
            SystemControl::OpenAdr => Self::OpenAdr(Code::of(action)),
            SystemControl::GasMeter => Self::GasMeter(Code::of(action)),
            SystemControl::Elk => Self::Elk(Code::of(action)),
            SystemControl::DeviceLinker => Self::Linker(Code::of(action)),
            SystemControl::Isy994Zwave => Self::Zwave(Code::of(action)),
            SystemControl::Billing => Self::Billing(Code::of(action)),
            SystemControl::Portal => Self::Portal(Code::of(action)),
            SystemControl::SystemEditor => Self::SystemEditor(Code::of(action)),
            SystemControl::SystemUpgrade => Self::Upgrade(Code::of(action)),
            SystemControl::ZmatterZwave | SystemControl::Zigbee | SystemControl::MatterStatus => {
                Self::Dotted(Dotted::of(action))
            }
            SystemControl::Heartbeat
            | SystemControl::DriverSpecific
            | SystemControl::DeviceWrite
            | SystemControl::DeviceMemory
            | SystemControl::Climate
            | SystemControl::AmiSep
            | SystemControl::EnergyMonitoring
            | SystemControl::UpbLinker
            | SystemControl::UpbDeviceAdder
            | SystemControl::UpbDeviceStatus
            | SystemControl::Isy994Zigbee => Self::Text(action),
        }
    }

    /// The action's label, or its text where it has none.
    #[must_use]
    pub fn label(self) -> &'a str {
        match self {
            Self::Trigger(code) => code.label(),
            Self::Lifecycle(code) => code.label(),
            Self::SystemConfig(code) => code.label(),
            Self::SystemStatus(code) => code.label(),
            Self::Internet(code) => code.label(),
            Self::Progress(code) => code.label(),
            Self::Security(code) => code.label(),
            Self::Alert(code) => code.label(),
            Self::OpenAdr(code) => code.label(),
            Self::GasMeter(code) => code.label(),
            Self::Elk(code) => code.label(),
            Self::Linker(code) => code.label(),
            Self::Zwave(code) => code.label(),
            Self::Billing(code) => code.label(),
            Self::Portal(code) => code.label(),
            Self::SystemEditor(code) => code.label(),
            Self::Upgrade(code) => code.label(),
            Self::Dotted(dotted) => dotted.text(),
            Self::Text(text) => text,
        }
    }
}

/// A control and its action in words: `system_status = busy`, `heartbeat = 90`, `ST = 255`.
///
/// What is unknown stands as it came: `_99 = x`.
#[must_use]
pub fn describe(control: &str, action: &str) -> String {
    let code = Code::<SystemControl>::of(control);
    let action = SystemAction::of(code, action).label();
    format!("{} = {action}", code.label())
}

impl Event {
    /// The system control, where the control begins with `_`.
    #[must_use]
    pub fn system_control(&self) -> Option<Code<'_, SystemControl>> {
        self.control()
            .starts_with('_')
            .then(|| Code::of(self.control()))
    }

    /// The action of a system event, read by its control.
    #[must_use]
    pub fn system_action(&self) -> Option<SystemAction<'_>> {
        Some(SystemAction::of(self.system_control()?, self.action()))
    }

    /// Control and action in words: `system_status = busy`, `node_lifecycle = pending_device_op`, `_99 = x`.
    ///
    /// ```
    /// # use ioxproto::{Frame, FrameReader};
    /// # let text = "<Event><control>_3</control><action>WH</action><node>8E 55 0D 1</node></Event>";
    /// # let Frame::Event(event) = FrameReader::new().read(text) else { panic!("not an event") };
    /// assert_eq!(event.describe(), "node_lifecycle = pending_device_op");
    /// ```
    #[must_use]
    pub fn describe(&self) -> String {
        describe(self.control(), self.action())
    }
}
