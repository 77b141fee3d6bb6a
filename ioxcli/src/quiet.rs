//! Hides events about the controller's internal work in the output for people.

use std::collections::HashSet;

use ioxproto::Event;
use ioxproto::view::{LifecycleChange, View};
use ioxproto::vocabulary::{Code, CommandWord, Lifecycle, SystemControl, SystemStatusAction};

/// The limit for nodes with a known status. Commands of further nodes are shown.
const MAX_NODES: usize = 20_000;

/// Decides which events the output for people omits by default.
#[derive(Debug, Default)]
pub(crate) struct Quiet {
    /// The nodes with a known status. Their commands are hidden, because the status shows the
    /// result.
    with_status: HashSet<String>,
}

impl Quiet {
    /// Whether an event is hidden.
    pub(crate) fn is_hidden(&mut self, event: &Event) -> bool {
        match event.view() {
            Ok(View::Property(property)) => {
                if property.control == "ST" && self.with_status.len() < MAX_NODES {
                    self.with_status.insert(property.node.to_owned());
                }
                false
            }
            // In a replay, the last command of a node may be days old.
            Ok(View::Command(_)) if !event.is_live() => true,
            Ok(View::Command(command)) => {
                let changes_status = matches!(command.command, CommandWord::On | CommandWord::Off);
                changes_status && self.with_status.contains(command.node)
            }
            Ok(View::Heartbeat(_)) => true,
            Ok(View::SystemStatus(system)) => {
                system.status != Code::Known(SystemStatusAction::SafeMode)
            }
            Ok(View::Progress(_) | View::DeviceWrite(_) | View::DeviceMemory(_)) => true,
            Ok(View::SystemConfig(_) | View::VariableTable(_)) => true,
            // Only the time of the next run changed.
            Ok(View::Program(program)) => {
                program.run_state.is_none() && program.evaluation.is_none()
            }
            Ok(View::Lifecycle(change)) => is_work_in_progress(&change),
            Err(_) => false,
            Ok(View::Other) => is_internal(event),
            Ok(_) => false,
        }
    }
}

fn is_work_in_progress(change: &LifecycleChange<'_>) -> bool {
    matches!(
        change.verb,
        Code::Known(
            Lifecycle::PendingDeviceOp | Lifecycle::ProgrammingDevice | Lifecycle::SceneLinkUpdated
        )
    )
}

/// Whether an event without a view is about the controller's internal work.
fn is_internal(event: &Event) -> bool {
    let Some(Code::Known(control)) = event.system_control() else {
        return false;
    };
    matches!(
        control,
        SystemControl::Heartbeat
            | SystemControl::Trigger
            | SystemControl::DriverSpecific
            | SystemControl::SystemConfig
            | SystemControl::SystemStatus
            | SystemControl::Progress
            | SystemControl::DeviceWrite
            | SystemControl::DeviceMemory
            | SystemControl::UpbLinker
            | SystemControl::UpbDeviceAdder
            | SystemControl::UpbDeviceStatus
            | SystemControl::Isy994Zigbee
            | SystemControl::DeviceLinker
            | SystemControl::Isy994Zwave
            | SystemControl::Billing
            | SystemControl::SystemEditor
            | SystemControl::ZmatterZwave
            | SystemControl::Zigbee
            | SystemControl::MatterStatus
    )
}

#[cfg(test)]
mod tests {
    use ioxproto::{Frame, FrameReader};

    use super::*;

    fn event(control: &str, action: &str, node: &str, info: &str) -> Event {
        let text = format!(
            "<Event><control>{control}</control><action>{action}</action><node>{node}</node><eventInfo>{info}</eventInfo></Event>"
        );
        match FrameReader::new().read(&text) {
            Frame::Event(event) => event.with_live(true),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn internal_events_are_hidden_and_others_are_shown() {
        let mut quiet = Quiet::default();
        for (control, action, info) in [
            ("_0", "90", ""),
            ("_5", "1", ""),
            ("_5", "0", ""),
            ("_7", "1", "U7 Rest"),
            ("_1", "8", "key"),
            ("_1", "1", ""),
            ("_1", "0", "<id>8D</id><nsr>260506 14:30:36 </nsr>"),
            ("_4", "5", "<status>1</status>"),
            ("_22", "1", ""),
            ("_28", "1.3", ""),
            ("_3", "WH", ""),
        ] {
            assert!(
                quiet.is_hidden(&event(control, action, "", info)),
                "{control} {action}"
            );
        }
        for (control, action, node, info) in [
            ("ST", "0", "n1", ""),
            ("_5", "3", "", ""),
            ("_1", "0", "", "<id>8D</id><s>22</s>"),
            ("_1", "6", "", r#"<var type="2" id="1"><val>1</val></var>"#),
            ("_3", "NR", "n1", ""),
            ("_19", "2", "", "<ae type='3' area='2' val='0'/>"),
            ("_23", "1", "", "<PortalStatus isConnected='1'/>"),
            ("_99", "x", "", ""),
        ] {
            assert!(
                !quiet.is_hidden(&event(control, action, node, info)),
                "{control} {action}"
            );
        }
    }

    #[test]
    fn a_command_is_shown_where_no_status_follows_it() {
        let mut quiet = Quiet::default();
        assert!(!quiet.is_hidden(&event("DON", "0", "button", "")));
        assert!(!quiet.is_hidden(&event("ST", "255", "lamp", "")));
        assert!(quiet.is_hidden(&event("DON", "0", "lamp", "")));
        assert!(quiet.is_hidden(&event("DOF", "0", "lamp", "")));
        assert!(!quiet.is_hidden(&event("DFON", "0", "lamp", "")));
        assert!(!quiet.is_hidden(&event("FDSTOP", "0", "lamp", "")));
        assert!(quiet.is_hidden(&event("DON", "0", "button", "").with_live(false)));
    }
}
