//! The vocabulary: each code of the controls, actions and lifecycle verbs.

use std::collections::BTreeSet;
use std::fmt::Debug;

use ioxproto::vocabulary::{
    Code, Dotted, InternetAction, Lifecycle, RadioCategory, SystemAction, SystemConfigAction,
    SystemControl, SystemStatusAction, TriggerAction, Word, describe,
};

use super::{event, property, system};

/// Checks the codes and labels against the documented list.
fn list<W: Word + Debug>(expected: &[(&str, &str)]) {
    let words: Vec<(&str, &str)> = W::ALL
        .iter()
        .map(|word| (word.code(), word.label()))
        .collect();
    assert_eq!(words, expected);
    let labels: BTreeSet<&str> = W::ALL.iter().map(|word| word.label()).collect();
    assert_eq!(labels.len(), W::ALL.len(), "a label stands for one word");
    for word in W::ALL {
        assert_eq!(Code::<W>::of(word.code()), Code::Known(*word));
        assert_eq!(Code::<W>::of(word.code()).code(), word.code());
    }
}

/// The same for the actions of a control that have no type of their own.
fn actions(control: SystemControl, expected: &[(&str, &str)]) {
    assert_eq!(control.actions(), expected);
    let labels: BTreeSet<&str> = expected.iter().map(|(_, label)| *label).collect();
    assert_eq!(
        labels.len(),
        expected.len(),
        "a label stands for one action"
    );
    for (code, label) in expected {
        let action = SystemAction::of(Code::Known(control), code);
        assert_eq!((action.code(), action.label()), (*code, *label));
        assert!(action.is_known());
    }
}

#[test]
fn controls() {
    list::<SystemControl>(&[
        ("_0", "heartbeat"),
        ("_1", "trigger"),
        ("_2", "driver_specific"),
        ("_3", "node_lifecycle"),
        ("_4", "system_config"),
        ("_5", "system_status"),
        ("_6", "internet_access"),
        ("_7", "progress"),
        ("_7A", "device_write"),
        ("_7M", "device_memory"),
        ("_8", "security_system"),
        ("_9", "system_alert"),
        ("_10", "open_adr"),
        ("_11", "climate"),
        ("_12", "ami_sep"),
        ("_13", "energy_monitoring"),
        ("_14", "upb_linker"),
        ("_15", "upb_device_adder"),
        ("_16", "upb_device_status"),
        ("_17", "gas_meter"),
        ("_18", "isy994_zigbee"),
        ("_19", "elk"),
        ("_20", "device_linker"),
        ("_21", "isy994_zwave"),
        ("_22", "billing"),
        ("_23", "portal"),
        ("_24", "system_editor"),
        ("_25", "zmatter_zwave"),
        ("_26", "system_upgrade"),
        ("_27", "zigbee"),
        ("_28", "matter_status"),
    ]);
}

#[test]
fn actions_of_triggers_and_of_the_system() {
    list::<TriggerAction>(&[
        ("0", "program_status"),
        ("1", "get_status"),
        ("2", "key_changed"),
        ("3", "info_string"),
        ("4", "ir_learn_mode"),
        ("5", "schedule"),
        ("6", "variable_value"),
        ("7", "variable_init"),
        ("8", "subscription_key"),
        ("9", "variable_table"),
    ]);
    list::<SystemConfigAction>(&[
        ("0", "time_changed"),
        ("1", "time_config_changed"),
        ("2", "ntp_settings_updated"),
        ("3", "notification_settings_updated"),
        ("4", "ntp_comm_error"),
        ("5", "batch_mode_updated"),
        ("6", "battery_write_mode_updated"),
    ]);
    list::<SystemStatusAction>(&[
        ("0", "not_busy"),
        ("1", "busy"),
        ("2", "idle"),
        ("3", "safe_mode"),
    ]);
    list::<InternetAction>(&[("0", "disabled"), ("1", "enabled"), ("2", "failed")]);
    actions(
        SystemControl::SystemUpgrade,
        &[
            ("1", "active"),
            ("2", "inactive"),
            ("3", "available"),
            ("4", "reboot_required"),
        ],
    );
    actions(SystemControl::SystemEditor, &[("1", "editor_changed")]);
    actions(
        SystemControl::DeviceLinker,
        &[("1", "status"), ("2", "cleared")],
    );
    actions(SystemControl::Portal, &[("1", "portal_status")]);
    actions(SystemControl::Billing, &[("1", "cost")]);
}

#[test]
fn actions_of_progress() {
    actions(
        SystemControl::Progress,
        &[
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
    );
}

#[test]
fn actions_of_devices_in_the_house() {
    actions(
        SystemControl::SecuritySystem,
        &[
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
    );
    actions(
        SystemControl::SystemAlert,
        &[
            ("1", "peak_demand"),
            ("2", "max_use"),
            ("3", "gas"),
            ("4", "water"),
        ],
    );
    actions(
        SystemControl::OpenAdr,
        &[("1", "error"), ("2", "status"), ("4", "utilisation")],
    );
    actions(SystemControl::GasMeter, &[("1", "status"), ("2", "error")]);
    actions(
        SystemControl::Elk,
        &[
            ("1", "topology"),
            ("2", "area"),
            ("3", "zone"),
            ("4", "keypad"),
            ("5", "output"),
            ("6", "system_status"),
            ("7", "thermostat"),
        ],
    );
    actions(
        SystemControl::Isy994Zwave,
        &[
            ("1", "system"),
            ("2", "discovery"),
            ("3", "status"),
            ("4", "error"),
        ],
    );
}

#[test]
fn the_radios_have_dotted_actions() {
    list::<RadioCategory>(&[
        ("1", "system_status"),
        ("2", "discovery"),
        ("3", "general_status"),
        ("4", "general_error"),
        ("5", "s2"),
        ("6", "ota"),
        ("7", "backup_restore"),
        ("8", "device_interview"),
        ("9", "button_detect"),
        ("10", "logger"),
    ]);
    for control in ["_25", "_27", "_28"] {
        let frame = system(control, "8.12.1", "", "");
        assert_eq!(
            frame.system_action().map(SystemAction::label),
            Some("8.12.1")
        );
        let action = Dotted::of(frame.action());
        assert_eq!(
            action.category(),
            Code::Known(RadioCategory::DeviceInterview)
        );
        assert_eq!((action.kind(), action.text()), ("12.1", "8.12.1"));
    }
    assert_eq!(Dotted::of("77.1").category(), Code::Unknown("77"));
    assert_eq!((Dotted::of("").kind(), Dotted::of("3").kind()), ("", ""));
}

#[test]
fn lifecycle_verbs_and_what_they_invalidate() {
    let verbs = [
        ("ND", "node_added", true),
        ("NR", "node_removed", true),
        ("NN", "node_renamed", true),
        ("MV", "node_moved", false),
        ("CL", "link_changed", false),
        ("RG", "removed_from_scene", true),
        ("PC", "parent_changed", false),
        ("EN", "enabled_changed", true),
        ("PI", "power_info", false),
        ("DI", "device_id", false),
        ("DP", "device_property", false),
        ("WH", "pending_device_op", false),
        ("WD", "programming_device", false),
        ("RV", "node_revised", true),
        ("NI", "type_info_changed", true),
        ("AA", "all_nodes_added", true),
        ("LU", "scene_link_updated", false),
        ("SN", "discovering_nodes", false),
        ("SC", "discovery_complete", true),
        ("NE", "comm_error", false),
        ("CE", "comm_error_cleared", false),
        ("NX", "notes_changed", false),
        ("FD", "folder_added", true),
        ("FR", "folder_removed", true),
        ("FN", "folder_renamed", true),
        ("GD", "scene_added", true),
        ("GR", "scene_removed", true),
        ("GN", "scene_renamed", true),
        ("WR", "resource_renamed", false),
    ];
    list::<Lifecycle>(&verbs.map(|(code, label, _)| (code, label)));
    for (code, _, reload) in verbs {
        let frame = system("_3", code, "42 92 8C 1", "");
        assert_eq!(
            frame.lifecycle().unwrap().is_reload_needed(),
            reload,
            "{code}"
        );
    }
    assert!(
        !system("_3", "ZZ", "x", "")
            .lifecycle()
            .unwrap()
            .is_reload_needed()
    );
}

#[test]
fn an_event_is_described_in_words() {
    let cases = [
        ("_5", "1", "system_status = busy"),
        ("_3", "WH", "node_lifecycle = pending_device_op"),
        ("_0", "90", "heartbeat = 90"),
        ("_28", "1.3", "matter_status = 1.3"),
        ("_99", "x", "_99 = x"),
        ("_1", "0", "trigger = program_status"),
        ("_1", "77", "trigger = 77"),
        ("_4", "5", "system_config = batch_mode_updated"),
        ("_6", "1", "internet_access = enabled"),
        ("_7", "2.1", "progress = device_adder_info"),
        ("_8", "ANI", "security_system = armed_night_instant"),
        ("_9", "4", "system_alert = water"),
        ("_10", "4", "open_adr = utilisation"),
        ("_17", "2", "gas_meter = error"),
        ("_19", "3", "elk = zone"),
        ("_20", "2", "device_linker = cleared"),
        ("_21", "1", "isy994_zwave = system"),
        ("_22", "1", "billing = cost"),
        ("_23", "1", "portal = portal_status"),
        ("_24", "1", "system_editor = editor_changed"),
        ("_26", "4", "system_upgrade = reboot_required"),
        ("_11", "5", "climate = 5"),
        ("ST", "255", "ST = 255"),
    ];
    for (control, action, expected) in cases {
        assert_eq!(describe(control, action), expected);
        assert_eq!(system(control, action, "", "").describe(), expected);
    }
}

#[test]
fn unknown_codes_keep_their_text() {
    let frame = system("_99", "x", "", "");
    assert_eq!(frame.system_control(), Some(Code::Unknown("_99")));
    let action = frame.system_action().unwrap();
    assert_eq!((action.code(), action.is_known()), ("x", false));
    let frame = system("_5", "77", "", "");
    let action = frame.system_action().unwrap();
    assert_eq!((action.code(), action.is_known()), ("77", false));
    let property = event("<Event><control>GV1</control><action>0</action><node>n</node></Event>");
    assert_eq!(property.system_control(), None);
    assert_eq!(property.system_action(), None);
}

#[test]
fn an_event_is_shown_in_one_line() {
    let fast_on = "<Event><control>DFON</control><action>0</action><node>n1</node></Event>";
    for (shown, event) in [
        ("42 92 8C 1 ST = 50%", property("42 92 8C 1", "ST", "50")),
        ("n1: Fast On", event(fast_on)),
        ("_77 = x", system("_77", "x", "", "")),
        ("n1: _77 = x", system("_77", "x", "n1", "")),
    ] {
        assert_eq!(event.to_string(), shown);
    }
}
