//! System controls, and events described in words.

use super::{Code, SystemAction, words};
use crate::Event;

words! {
    /// The controls of system events. Some are sent only by the ISY-994, some only by IoX 6.
    SystemControl {
        /// A heartbeat; its action is the number of seconds until the next one.
        Heartbeat = "_0" "heartbeat",
        /// Programs, variables and more, by action.
        Trigger = "_1" "trigger",
        /// Specific to a driver.
        DriverSpecific = "_2" "driver_specific",
        /// The lifecycle of nodes, folders and scenes.
        NodeLifecycle = "_3" "node_lifecycle",
        /// The system's configuration.
        SystemConfig = "_4" "system_config",
        /// The system's status.
        SystemStatus = "_5" "system_status",
        /// Access from the internet.
        InternetAccess = "_6" "internet_access",
        /// Progress of long operations, and log lines.
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

/// A control and its action in words: `system_status = busy`, `heartbeat = 90`, `ST = 255`.
///
/// Unknown controls and actions are shown verbatim: `_99 = x`.
#[must_use]
pub fn describe(control: &str, action: &str) -> String {
    let code = Code::<SystemControl>::of(control);
    let action = SystemAction::of(code, action).label();
    format!("{} = {action}", code.label())
}

impl Event {
    /// The system control, if the control begins with `_`.
    #[must_use]
    pub fn system_control(&self) -> Option<Code<'_, SystemControl>> {
        self.control()
            .starts_with('_')
            .then(|| Code::of(self.control()))
    }

    /// The action of a system event, looked up by its control.
    #[must_use]
    pub fn system_action(&self) -> Option<SystemAction<'_>> {
        Some(SystemAction::of(self.system_control()?, self.action()))
    }

    /// Control and action in words: `system_status = busy`, `node_lifecycle = pending_device_op`,
    /// `_99 = x`.
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
