//! Parses any bytes as the body of each REST answer. The parser must not panic, and each entry must
//! have its required fields.

use ioxproto::rest::{
    ClockReading, ControllerInfo, NetworkResources, NodeEntry, NodeStatus, Nodes, Programs,
    Statuses, VariableDefinitions, VariableEntry, Variables,
};
use ioxproto::view::VariableType;

/// Parses the bytes as each kind of answer.
pub fn run(data: &[u8]) {
    if let Ok(nodes) = Nodes::parse(data) {
        assert!(nodes.nodes.iter().all(|node| !node.address.is_empty()));
        assert!(nodes.scenes.iter().all(|scene| !scene.address.is_empty()));
        assert!(nodes.scenes.iter().all(|scene| !scene.flags.is_root()));
        assert!(
            nodes
                .folders
                .iter()
                .all(|folder| !folder.address.is_empty())
        );
        let mut members = nodes.scenes.iter().flat_map(|scene| &scene.members);
        assert!(members.all(|member| !member.address.is_empty()));
    }
    if let Ok(statuses) = Statuses::parse(data) {
        assert!(statuses.nodes.iter().all(|node| !node.address.is_empty()));
        let properties = statuses.nodes.iter().flat_map(|node| &node.properties);
        for property in properties {
            assert!(!property.control.is_empty());
            assert!(!(property.is_unknown() && property.number().is_some()));
        }
    }
    if let Ok(programs) = Programs::parse(data) {
        for program in programs.programs {
            let times = [program.last_run, program.last_finish, program.next_run];
            for time in times.into_iter().flatten() {
                assert!(!time.to_string().is_empty());
            }
        }
    }
    let kind = VariableType::Integer;
    if let Ok(variables) = Variables::parse(data, kind) {
        for variable in variables.variables {
            let _ = (variable.number(), variable.init_number());
        }
    }
    let _ = (NodeEntry::parse(data), NodeStatus::parse(data, "1 1 1 1"));
    let _ = VariableDefinitions::parse(data, kind);
    let _ = VariableEntry::parse(data, kind);
    let _ = (ControllerInfo::parse(data), ClockReading::parse(data));
    let _ = NetworkResources::parse(data);
}
