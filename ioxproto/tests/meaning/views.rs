//! Views of properties, lifecycle events and system events.

use ioxproto::view::{LifecycleDetails, View, ViewError};
use ioxproto::vocabulary::{Code, Lifecycle, SystemConfigAction, SystemStatusAction};
use proptest::prelude::*;

use super::{event, system};

fn property(attributes: &str, action: &str) -> ioxproto::Event {
    event(&format!(
        "<Event><control>ST</control><action{attributes}>{action}</action><node>42 92 8C 1</node><fmtAct></fmtAct></Event>"
    ))
}

#[test]
fn a_node_property_is_scaled_exactly() {
    let cases = [
        (r#" uom="17" prec="1""#, "725", Some("72.5")),
        (r#" uom="17" prec="-2""#, "7", Some("7")),
        (r#" uom="0" prec="-1""#, "255", Some("255")),
        (r#" uom="17""#, "725", Some("725")),
        (r#" prec="x""#, "725", Some("725")),
        (r#" prec="2""#, "-1", Some("-0.01")),
        (r#" prec="1""#, "7.25", Some("0.725")),
        (r#" prec="2147483647""#, "1", None),
        (r#" prec="-2147483648""#, "1", Some("1")),
        (r#" prec="0""#, "on", None),
        (r#" prec="0""#, "", None),
        (
            r#" prec="0""#,
            "99999999999999999999999999999999999999999",
            None,
        ),
    ];
    for (attributes, raw, expected) in cases {
        let frame = property(attributes, raw);
        let view = frame.node_property().unwrap();
        assert_eq!(view.raw, raw);
        let number = view.number.map(|number| number.to_string());
        assert_eq!(number.as_deref(), expected, "{attributes} {raw}");
    }
    let frame = property(r#" prec="1""#, "3");
    assert_eq!(
        frame
            .node_property()
            .unwrap()
            .number
            .unwrap()
            .to_f64()
            .to_string(),
        "0.3"
    );
}

#[test]
fn a_node_property_shows_its_parts() {
    let frame = event(
        r#"<Event><control>ST</control><action uom="100" prec="0">0</action><node>42 92 8C 1</node><fmtAct>Off</fmtAct><fmtName>Status</fmtName></Event>"#,
    );
    let view = frame.node_property().unwrap();
    assert_eq!(
        (view.node, view.control, view.raw, view.uom),
        ("42 92 8C 1", "ST", "0", "100")
    );
    assert_eq!(
        (view.prec, view.formatted, view.name),
        (Some(0), "Off", "Status")
    );
    assert_eq!(view.to_string(), "42 92 8C 1 ST = Off");
    assert_eq!(
        property(" prec=\"1\"", "51")
            .node_property()
            .unwrap()
            .to_string(),
        "42 92 8C 1 ST = 5.1"
    );
    assert_eq!(
        property("", "on").node_property().unwrap().to_string(),
        "42 92 8C 1 ST = on"
    );
    assert!(matches!(frame.view(), Ok(View::Property(_))));
}

#[test]
fn an_event_of_another_kind_is_a_typed_error() {
    let frame = system("_5", "1", "", "");
    let error = frame.node_property().unwrap_err();
    assert_eq!(
        error.to_string(),
        "not a node's property: the event is \"system_status = busy\""
    );
    for error in [
        frame.lifecycle().unwrap_err(),
        frame.program_status().unwrap_err(),
        frame.variable_change().unwrap_err(),
        frame.variable_table().unwrap_err(),
        frame.heartbeat().unwrap_err(),
        frame.progress().unwrap_err(),
        frame.device_write().unwrap_err(),
        frame.device_memory().unwrap_err(),
        frame.system_config().unwrap_err(),
        frame.internet_access().unwrap_err(),
        frame.portal_status().unwrap_err(),
    ] {
        assert!(matches!(error, ViewError::OtherKind { .. }), "{error}");
    }
    assert!(property("", "1").system_status().is_err());
}

#[test]
fn a_heartbeat_promises_seconds() {
    let promised = |action: &str| system("_0", action, "", "").heartbeat();
    assert_eq!(promised("90").unwrap().promised().as_secs(), 90);
    assert_eq!(promised(" 120 ").unwrap().promised_seconds, 120);
    for action in ["", "0", "-1", "x", "1.5", "99999999999"] {
        assert!(promised(action).is_err(), "{action}");
    }
}

#[test]
fn an_added_node_has_its_whole_element() {
    let node = r#"<node flag="128"><address>n009_x</address><name>Harmony &amp; co</name><type>1.2</type></node>"#;
    let frame = system("_3", "ND", "n009_harmonyctrl", &format!("{node}<extra/>"));
    let change = frame.lifecycle().unwrap();
    assert_eq!(
        (change.verb, change.address),
        (Code::Known(Lifecycle::NodeAdded), "n009_harmonyctrl")
    );
    assert_eq!(change.to_string(), "node n009_harmonyctrl added");
    let LifecycleDetails::NodeAdded {
        name,
        kind,
        node_xml,
    } = change.details().unwrap()
    else {
        panic!("{change:?}")
    };
    assert_eq!(
        (name.as_deref(), kind, node_xml),
        (Some("Harmony & co"), None, Some(node))
    );
    let frame = system("_3", "RV", "n", node);
    assert_eq!(
        frame.lifecycle().unwrap().details().unwrap(),
        LifecycleDetails::NodeRevised {
            node_xml: Some(node)
        }
    );
    let frame = system(
        "_3",
        "ND",
        "n",
        "<nodeName>Lamp</nodeName><nodeType>1</nodeType>",
    );
    let LifecycleDetails::NodeAdded {
        name,
        kind,
        node_xml,
    } = frame.lifecycle().unwrap().details().unwrap()
    else {
        panic!("not a node added")
    };
    assert_eq!(
        (name.as_deref(), kind.as_deref(), node_xml),
        (Some("Lamp"), Some("1"), None)
    );
}

#[test]
fn lifecycle_fields_by_verb() {
    let cases = [
        (
            "NN",
            "<newName>Porch</newName>",
            "Renamed { name: \"Porch\" }",
            "node a renamed to Porch",
        ),
        (
            "FN",
            "<newName>Up</newName>",
            "Renamed { name: \"Up\" }",
            "folder a renamed to Up",
        ),
        (
            "GN",
            "<newName>All</newName>",
            "Renamed { name: \"All\" }",
            "scene a renamed to All",
        ),
        (
            "MV",
            "<movedNode>n 1</movedNode><linkType>16</linkType>",
            "MovedIntoScene { node: \"n 1\", link_type: Some(\"16\") }",
            "scene a now contains node n 1",
        ),
        (
            "RG",
            "<removedNode>n 1</removedNode>",
            "RemovedFromScene { node: \"n 1\" }",
            "scene a no longer contains node n 1",
        ),
        (
            "PC",
            "<node>n</node><nodeType>1</nodeType><parent>p</parent><parentType>3</parentType>",
            "ParentChanged { node: Some(\"n\"), node_type: Some(\"1\"), parent: Some(\"p\"), parent_type: Some(\"3\") }",
            "node a: parent changed",
        ),
        (
            "EN",
            "<enabled>true</enabled>",
            "Enabled(true)",
            "node a enabled",
        ),
        (
            "EN",
            "<enabled>0</enabled>",
            "Enabled(false)",
            "node a disabled",
        ),
        (
            "PI",
            "<deviceClass>1</deviceClass><wattage>60</wattage><dcPeriod>5</dcPeriod>",
            "PowerInfo { device_class: Some(\"1\"), wattage: Some(\"60\"), dc_period: Some(\"5\") }",
            "node a: power info",
        ),
        (
            "GD",
            "<groupName>All</groupName><groupType>132</groupType>",
            "SceneAdded { name: Some(\"All\"), kind: Some(\"132\") }",
            "scene a added",
        ),
        ("GR", "", "Plain", "scene a removed"),
        ("NR", "", "Plain", "node a removed"),
        ("FD", "", "Plain", "folder a added"),
        ("FR", "", "Plain", "folder a removed"),
        (
            "WH",
            "<status>0</status>",
            "Plain",
            "node a: pending device op",
        ),
        ("WR", "", "Plain", "resource a: resource renamed"),
        ("ZZ", "", "Plain", "a: ZZ"),
    ];
    for (verb, info, details, shown) in cases {
        let frame = system("_3", verb, "a", info);
        let change = frame.lifecycle().unwrap();
        assert_eq!(
            format!("{:?}", change.details().unwrap()),
            details,
            "{verb}"
        );
        assert_eq!(change.to_string(), shown);
    }
}

#[test]
fn an_invalid_payload_does_not_hide_the_verb() {
    let missing = [
        ("NN", "newName"),
        ("MV", "movedNode"),
        ("RG", "removedNode"),
        ("EN", "enabled"),
    ];
    for (verb, part) in missing {
        let frame = system("_3", verb, "a", "<other/>");
        let change = frame.lifecycle().unwrap();
        assert_eq!(change.verb.code(), verb);
        assert_eq!(change.details(), Err(ViewError::Missing { part }));
    }
    let frame = system("_3", "EN", "a", "<enabled>perhaps</enabled>");
    let error = frame.lifecycle().unwrap().details().unwrap_err();
    assert_eq!(
        error.to_string(),
        "enabled is \"perhaps\"; it must be true, false, 1 or 0"
    );
    let frame = system("_3", "NN", "a", "<![CDATA[<newName>x]]>");
    assert!(matches!(
        frame.lifecycle().unwrap().details(),
        Err(ViewError::Payload { .. })
    ));
}

#[test]
fn progress_and_device_writes() {
    let frame = system(
        "_7",
        "1",
        "",
        "<![CDATA[U7 Rest:  submitCmd([6536],[DOF],[<NULL>])]]>",
    );
    let progress = frame.progress().unwrap();
    assert_eq!(
        (progress.action.code(), progress.action.label()),
        ("1", "update")
    );
    assert_eq!(progress.text, "U7 Rest:  submitCmd([6536],[DOF],[<NULL>])");
    let frame = system("_7A", "", "8E 55 0D 1", "<message>Writing 3 of 7</message>");
    assert_eq!(frame.device_write().unwrap().message, "Writing 3 of 7");
    assert_eq!(frame.device_write().unwrap().node, "8E 55 0D 1");
    let frame = system(
        "_7M",
        "",
        "8E 55 0D 1",
        "<memory>0FF8</memory><cmd1>2F</cmd1><cmd2>00</cmd2><value>2A</value>",
    );
    let memory = frame.device_memory().unwrap();
    assert_eq!(
        (
            &*memory.memory,
            &*memory.cmd1,
            &*memory.cmd2,
            &*memory.value
        ),
        ("0FF8", "2F", "00", "2A")
    );
    let frame = system("_7M", "", "n", "<memory>1</memory>");
    assert_eq!(
        frame.device_memory(),
        Err(ViewError::Missing { part: "cmd1" })
    );
}

#[test]
fn status_and_configuration() {
    let frame = system("_5", "3", "", "");
    assert_eq!(
        frame.system_status().unwrap().status,
        Code::Known(SystemStatusAction::SafeMode)
    );
    for (action, info, on) in [
        ("5", "<status>1</status>", Some(true)),
        ("6", "<status>0</status>", Some(false)),
        ("0", "", None),
    ] {
        let frame = system("_4", action, "", info);
        let config = frame.system_config().unwrap();
        assert_eq!(config.on, on);
        assert_eq!(
            config.action,
            Code::Known(SystemConfigAction::of(action).unwrap())
        );
    }
    let frame = system("_4", "5", "", "<status>maybe</status>");
    assert!(matches!(
        frame.system_config(),
        Err(ViewError::Invalid { part: "status", .. })
    ));
    let frame = system("_6", "1", "", "https://203.0.113.7:443");
    assert_eq!(
        frame.internet_access().unwrap().url,
        "https://203.0.113.7:443"
    );
    let frame = system(
        "_23",
        "1",
        "",
        r#"<PortalStatus isConnected="true" isRegistered="0"/>"#,
    );
    let portal = frame.portal_status().unwrap();
    assert_eq!(
        (portal.connected, portal.registered),
        (Some(true), Some(false))
    );
    assert_eq!(portal.to_string(), "portal connected, not registered");
    assert!(system("_23", "1", "", "").portal_status().is_err());
}

#[test]
fn every_kind_has_a_stable_label() {
    let cases = [
        (property("", "1"), "node_property"),
        (system("_0", "90", "", ""), "heartbeat"),
        (system("_3", "CE", "n", ""), "node_lifecycle"),
        (system("_1", "0", "", "<id>1</id>"), "program_status"),
        (
            system("_1", "6", "", r#"<var type="1" id="2"><val>3</val></var>"#),
            "variable_value",
        ),
        (
            system(
                "_1",
                "7",
                "",
                r#"<var type="1" id="2"><init>3</init></var>"#,
            ),
            "variable_init",
        ),
        (
            system("_1", "9", "", r#"<var type="1" id="0"/>"#),
            "variable_table",
        ),
        (system("_7", "1", "", "x"), "progress"),
        (system("_7A", "1", "", "x"), "device_write"),
        (system("_5", "1", "", ""), "system_status"),
        (system("_4", "1", "", ""), "system_config"),
        (system("_6", "0", "", ""), "internet_access"),
        (system("_1", "2", "", "E8E7BC14.2B06"), "other"),
        (system("_28", "1.3", "", ""), "other"),
        (system("_99", "x", "", ""), "other"),
    ];
    for (frame, expected) in cases {
        assert_eq!(frame.view().unwrap().label(), expected);
    }
}

proptest! {
    #[test]
    fn no_payload_makes_a_view_panic(
        control in prop_oneof![Just("_1"), Just("_3"), Just("_7A"), Just("_7M"), Just("_4"), Just("_23"), Just("ST")],
        action in prop_oneof![Just("0".to_owned()), Just("6".to_owned()), Just("7".to_owned()), Just("9".to_owned()), Just("1".to_owned()), "[A-Z]{2}"],
        info in "(<(var|id|s|r|node|val|ts|enabled)( type='[12]?')?/?>|</(var|id|s|node|val)>|&(amp|#0|x);|[0-9 .<>é-]{0,6}|<!\\[CDATA\\[|]]>){0,12}",
    ) {
        let frame = format!("<Event timestamp='2026-05-06T14:30:36-07:00'><control>{control}</control><action>{action}</action><node>n</node><eventInfo>{}</eventInfo></Event>",
            info.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"));
        let frame = event(&frame);
        if let Ok(view) = frame.view() {
            _ = view.to_string();
        }
        if let Ok(change) = frame.lifecycle() {
            _ = change.details();
        }
    }
}
