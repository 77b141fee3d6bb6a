//! Answers in the shapes that controllers send.

use ioxproto::rest::{
    AnswerError, ClockReading, ControllerInfo, LinkType, NetworkResources, NodeEntry, NodeStatus,
    Nodes, ParentKind, ProgramEntry, Programs, Statuses, VariableDefinitions, VariableEntry,
    Variables,
};
use ioxproto::view::{ControllerTime, ProgramId, RunState, VariableType};

const NODES_XML: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<nodes><root>My home</root>
 <folder flag="0"><address>31337</address><name>Ground floor</name><family>13</family></folder>
 <folder flag="0"><address>31338</address><name>Hall</name><family>13</family><parent type="3">31337</parent></folder>
 <node flag="128" nodeDefId="DimmerLampSwitch_ADV"><address>1A 2B 3C 1</address><name>Hall lamp</name>
  <hint>1.2.9.0</hint><parent type="3">31338</parent><type>1.32.69.0</type><enabled>true</enabled>
  <deviceClass>0</deviceClass><pnode>1A 2B 3C 1</pnode>
  <property id="ST" value="255" formatted="On" uom="100" name=""/></node>
 <node flag="0" nodeDefId="thermo"><address>n003_t1</address><name>Attic &amp; loft</name>
  <family instance="3">10</family><type>0.0.0.0</type><enabled>false</enabled><pnode>n003_t1</pnode></node>
 <group flag="12"><address>00:21:b9:02:03:04</address><name>My ISY</name><family>6</family></group>
 <group flag="132" nodeDefId="InsteonDimmer"><address>20481</address><name>Evening</name><family>6</family>
  <deviceGroup>17</deviceGroup><pnode>20481</pnode>
  <members><link type="16">1A 2B 3C 1</link><link type="0">1A 2B 3D 1</link><link type="32">1A 2B 3E 1</link></members></group>
</nodes>"#;

const NODES_JSON: &str = r#"{"successful":true,"data":{"nodes":{
 "root":"My home",
 "node":[{"flag":"128","nodeDefId":"DimmerLampSwitch_ADV","address":"1A 2B 3C 1","name":"Hall lamp","parent":{"_":"31338","type":"3"},
   "type":"1.32.69.0","enabled":"true","deviceClass":"0","wattage":"0","dcPeriod":"0","pnode":"1A 2B 3C 1","hint":"1.2.9.0",
   "property":[{"id":"ST","value":"255","formatted":"On","uom":"100","name":""}]},
  {"flag":0,"nodeDefId":"thermo","address":"n003_t1","name":"Attic & loft","family":{"_":"10","instance":"3"},"type":"0.0.0.0",
   "enabled":false,"pnode":"n003_t1","property":[]}],
 "group":[{"flag":"12","address":"00:21:b9:02:03:04","name":"My ISY","family":"6"},
  {"flag":"132","nodeDefId":"InsteonDimmer","address":"20481","name":"Evening","family":"6","deviceGroup":"17","pnode":"20481",
   "members":{"link":[{"_":"1A 2B 3C 1","type":"16"},{"_":"1A 2B 3D 1","type":"0"},{"_":"1A 2B 3E 1","type":32}]}}],
 "folder":[{"flag":"0","address":"31337","name":"Ground floor","family":"13"},
  {"flag":"0","address":"31338","name":"Hall","family":"13","parent":{"_":"31337","type":"3"}}]}}}"#;

#[test]
fn nodes_scenes_and_folders_are_the_same_in_xml_and_json() {
    let nodes = Nodes::parse(NODES_XML.as_bytes()).unwrap();
    assert_eq!(nodes, Nodes::parse(NODES_JSON.as_bytes()).unwrap());

    assert_eq!(nodes.root, "My home");
    let [hall, attic] = &nodes.nodes[..] else {
        panic!()
    };
    assert_eq!(
        (hall.address.as_str(), hall.name.as_str()),
        ("1A 2B 3C 1", "Hall lamp")
    );
    let parent = hall.parent.as_ref().unwrap();
    assert_eq!(
        (parent.address.as_str(), parent.kind),
        ("31338", ParentKind::Folder)
    );
    assert_eq!((hall.family.id, hall.family.instance.as_deref()), (1, None));
    assert_eq!(hall.node_def_id, "DimmerLampSwitch_ADV");
    assert_eq!(hall.device_type, "1.32.69.0");
    assert_eq!(hall.hint, "1.2.9.0");
    assert_eq!(hall.primary_node, "1A 2B 3C 1");
    assert!(hall.enabled && hall.flags.is_device_root() && !hall.flags.is_group());
    assert_eq!(hall.properties.len(), 1);
    assert_eq!(hall.properties[0].control, "ST");
    assert_eq!(hall.properties[0].formatted, "On");

    assert_eq!(attic.name, "Attic & loft");
    assert_eq!(
        (attic.family.id, attic.family.instance.as_deref()),
        (10, Some("3"))
    );
    assert!(!attic.enabled && attic.parent.is_none());

    let [evening] = &nodes.scenes[..] else {
        panic!("expected one scene: the controller's own group is not a scene")
    };
    assert_eq!(evening.name, "Evening");
    assert_eq!(evening.device_group, "17");
    let links: Vec<_> = evening
        .members
        .iter()
        .map(|member| (member.address.as_str(), member.link))
        .collect();
    assert_eq!(
        links,
        [
            ("1A 2B 3C 1", LinkType::Controller),
            ("1A 2B 3D 1", LinkType::Responder),
            ("1A 2B 3E 1", LinkType::Other(32)),
        ]
    );

    assert_eq!(nodes.folders.len(), 2);
    assert_eq!(nodes.folders[1].parent.as_ref().unwrap().address, "31337");
}

#[test]
fn each_flag_of_a_node_is_a_bit() {
    let flags = |flag: u32| {
        let xml = format!(r#"<nodes><node flag="{flag}"><address>1</address></node></nodes>"#);
        Nodes::parse(xml.as_bytes()).unwrap().nodes.remove(0).flags
    };
    for (place, bit) in [4, 8, 16, 32, 64, 128].into_iter().enumerate() {
        for (flags, set) in [(flags(bit), true), (flags(255 - bit), false)] {
            let said = [
                flags.is_group(),
                flags.is_root(),
                flags.is_in_error(),
                flags.is_new(),
                flags.is_to_be_deleted(),
                flags.is_device_root(),
            ];
            let mut expected = [!set; 6];
            expected[place] = set;
            assert_eq!(said, expected, "{flags:?}");
        }
        assert_eq!(flags(bit).bits(), bit);
    }
}

#[test]
fn missing_parts_of_nodes_scenes_and_folders_have_defaults() {
    let xml = r#"<nodes>
        <group flag="12"><address>00:21:b9:02:03:04</address><name>My house</name></group>
        <node instance="3"><address>1</address><parent></parent></node>
        <group><address>2</address><parent type="1">1</parent><members><link>1</link><link/></members></group>
        <folder><address>3</address><parent type="2">2</parent></folder>
        <folder><address>4</address><parent type="9">2</parent></folder></nodes>"#;
    let nodes = Nodes::parse(xml.as_bytes()).unwrap();
    assert_eq!(nodes.root, "My house", "the controller's own group");
    let (node, scene, folder) = (&nodes.nodes[0], &nodes.scenes[0], &nodes.folders[0]);
    assert!(node.name.is_empty() && node.enabled && node.parent.is_none());
    assert_eq!((node.flags.bits(), node.zwave_category), (0, None));
    let families = [&node.family, &scene.family, &folder.family];
    assert_eq!(families.map(|family| family.id), [1, 6, 13]);
    assert_eq!(node.family.instance.as_deref(), Some("3"));
    let [member] = &scene.members[..] else {
        panic!("expected one member: a link without an address is not a member")
    };
    assert_eq!(member.link, LinkType::Responder);
    let parents = [&scene.parent, &folder.parent, &nodes.folders[1].parent];
    assert_eq!(
        parents.map(|parent| parent.as_ref().unwrap().kind),
        [ParentKind::Node, ParentKind::Scene, ParentKind::Other(9)]
    );
}

#[test]
fn a_list_of_one_may_be_the_bare_object() {
    let json = r#"{"successful":true,"data":{"nodes":{
        "node":{"address":"1 1 1 1","name":"Lamp","property":{"id":"ST","value":0}},
        "group":{"address":"7","name":"All","members":{"link":{"_":"1 1 1 1","type":"16"}}},
        "folder":null}}}"#;
    let nodes = Nodes::parse(json.as_bytes()).unwrap();
    assert_eq!(nodes.nodes[0].properties[0].value, "0");
    assert_eq!(nodes.scenes[0].members[0].address, "1 1 1 1");
    assert!(nodes.folders.is_empty());
}

#[test]
fn a_json_value_may_be_a_number_a_boolean_a_text_or_null() {
    for (json, value) in [
        ("-5", "-5"),
        ("5", "5"),
        ("70.5", "70.5"),
        ("true", "true"),
        ("false", "false"),
        (r#"" 5 ""#, "5"),
        ("null", ""),
    ] {
        let json = format!(
            r#"{{"data":{{"nodes":{{"node":{{"address":"1","property":{{"id":"ST","value":{json}}}}}}}}}}}"#
        );
        let nodes = Nodes::parse(json.as_bytes()).unwrap();
        assert_eq!(nodes.nodes[0].properties[0].value, value, "{json}");
    }
}

#[test]
fn a_node_of_old_firmware_has_no_definition_and_a_unit_in_words() {
    let xml = r#"<nodes><root>Home</root><node flag="128"><address>1 1 1 1</address><name>Lamp</name>
        <type>1.0.0.0</type><enabled>true</enabled><pnode>1 1 1 1</pnode>
        <property id="ST" value="128" formatted="50" uom="%/on/off"/></node></nodes>"#;
    let nodes = Nodes::parse(xml.as_bytes()).unwrap();
    assert_eq!(nodes.nodes[0].node_def_id, "");
    assert_eq!(nodes.nodes[0].properties[0].uom, "%/on/off");
}

#[test]
fn names_may_come_in_character_data_sections_and_references() {
    let xml = "<nodes><node><address>1</address><name>Fan <![CDATA[& <light>]]> &#233;&lt;</name></node></nodes>";
    let nodes = Nodes::parse(xml.as_bytes()).unwrap();
    assert_eq!(nodes.nodes[0].name, "Fan & <light> \u{e9}<");
}

#[test]
fn one_node_is_read_with_all_of_its_properties() {
    let xml = r#"<nodeInfo><node flag="128" nodeDefId="x"><address>1A 2B 3C 1</address><name>Lamp</name>
        <property id="ST" value="255" formatted="On" uom="100" name=""/></node>
        <properties><property id="OL" value="153" formatted="60%" uom="100"/>
        <property id="ST" value="255" formatted="On" uom="100"/></properties></nodeInfo>"#;
    let node = NodeEntry::parse(xml.as_bytes()).unwrap();
    let controls: Vec<_> = node
        .properties
        .iter()
        .map(|property| property.control.as_str())
        .collect();
    assert_eq!(controls, ["OL", "ST"]);
    // The payload of a lifecycle event.
    let alone = r#"<node flag="0"><address>7 7 7 1</address><name>New</name></node>"#;
    assert_eq!(NodeEntry::parse(alone.as_bytes()).unwrap().name, "New");
}

#[test]
fn the_status_of_all_nodes_has_values_and_unknown_ones() {
    let xml = r#"<nodes>
        <node id="1A 2B 3C 1"><property id="ST" value="141" formatted="70.5&#176;" uom="101" name="" prec="0"/>
         <property id="TPW" value="9521206" formatted="952.1206 kWh" uom="33" prec="4"/></node>
        <node id="1A 2B 3D 1"><property id="OL" value="" formatted=" " uom="0"/></node></nodes>"#;
    let statuses = Statuses::parse(xml.as_bytes()).unwrap();
    assert_eq!(statuses.nodes.len(), 2);
    let first = &statuses.nodes[0];
    assert_eq!(first.property("ST").unwrap().formatted, "70.5°");
    let energy = first.property("TPW").unwrap();
    assert_eq!(energy.number().unwrap().to_string(), "952.1206");
    let degrees = first.property("ST").unwrap().to_property();
    assert_eq!((degrees.raw(), degrees.uom()), ("141", "101"));
    assert_eq!(degrees.shown().to_string(), "70.5°");
    let unknown = statuses.nodes[1].property("OL").unwrap();
    assert!(unknown.is_unknown());
    assert_eq!((unknown.number(), unknown.formatted.as_str()), (None, " "));
    assert!(!energy.is_unknown() && first.property("OL").is_none());
    assert_eq!((unknown.prec, unknown.uom.as_str()), (0, "0"));
}

#[test]
fn the_status_of_one_node_has_several_formats() {
    let property = r#"<property id="ST" value="100" formatted="Locked" uom="11"/>"#;
    for body in [
        format!("<properties>{property}</properties>"),
        format!(r#"<nodes><node id="ZY007_1">{property}</node></nodes>"#),
        format!(r#"<node id="ZY007_1">{property}</node>"#),
        format!("<nodeInfo><properties>{property}</properties></nodeInfo>"),
    ] {
        let status = NodeStatus::parse(body.as_bytes(), "ZY007_1").unwrap();
        assert_eq!(status.address, "ZY007_1");
        assert_eq!(status.property("ST").unwrap().value, "100", "{body}");
    }
    assert_eq!(
        NodeStatus::parse(b"<nodes></nodes>", "ZY007_1").unwrap_err(),
        AnswerError::Missing {
            part: "node",
            entry: String::new()
        }
    );
}

fn program(body: &str) -> ProgramEntry {
    Programs::parse(body.as_bytes()).unwrap().programs.remove(0)
}

#[test]
fn programs_have_their_folder_status_and_times() {
    let xml = r#"<programs>
      <program id="0001" status="true" folder="true"><name>My Programs</name><lastRunTime/><lastFinishTime/></program>
      <program id="008D" parentId="0001" status="true" folder="false" enabled="true" runAtStartup="false" running="running then">
       <name>Porch at dusk</name><lastRunTime>2026/11/25 05:01:10 PM </lastRunTime>
       <lastFinishTime>2026/11/25 17:01:11 </lastFinishTime><nextScheduledRunTime>2026/11/26 05:00:03 PM </nextScheduledRunTime></program>
      </programs>"#;
    let programs = Programs::parse(xml.as_bytes()).unwrap().programs;
    let [root, porch] = &programs[..] else {
        panic!()
    };
    assert!(root.is_folder && root.parent.is_none());
    assert_eq!(
        (root.enabled, root.running, root.last_run),
        (None, None, None)
    );
    assert_eq!(porch.id, ProgramId::new(0x8d));
    assert_eq!(porch.parent, Some(ProgramId::new(1)));
    assert_eq!((porch.status, porch.enabled), (Some(true), Some(true)));
    assert_eq!(porch.run_at_startup, Some(false));
    assert_eq!(porch.running, Some(RunState::RunningThen));
    let shown = |time: Option<ControllerTime>| time.unwrap().to_string();
    assert_eq!(shown(porch.last_run), "2026-11-25T17:01:10");
    assert_eq!(shown(porch.last_finish), "2026-11-25T17:01:11");
    assert_eq!(shown(porch.next_run), "2026-11-26T17:00:03");
}

#[test]
fn program_ids_are_hexadecimal_text_or_decimal_numbers() {
    let body = |id: &str| {
        format!(
            r#"{{"successful":true,"data":[{{"id":{id},"parentId":"0001","name":"Porch","status":true,"folder":false,
            "enabled":"true","runAtStartup":"false","running":"idle","lastRunTime":"2026-05-07T21:16:44.000Z","lastFinishTime":""}}]}}"#
        )
    };
    for (id, number) in [
        (r#""008D""#, 0x8d),
        ("141", 141),
        (r#""0141""#, 0x141),
        ("1234", 1234),
    ] {
        assert_eq!(program(&body(id)).id, ProgramId::new(number), "{id}");
    }
    let porch = program(&body("141"));
    assert_eq!(
        porch.last_run.unwrap().to_string(),
        "2026-05-07T21:16:44+00:00"
    );
    assert_eq!(porch.last_finish, None);
    assert_eq!(porch.status, Some(true));
    assert_eq!(porch.running, Some(RunState::Idle));
    assert!(!porch.is_folder && porch.next_run.is_none());
    let running = |state: &str| {
        let body = body("7").replace(r#""running":"idle""#, &format!(r#""running":"{state}""#));
        program(&body).running
    };
    assert_eq!(running("running else"), Some(RunState::RunningElse));
    assert_eq!(running("asleep"), None);
    // A single program may be bare, and a list may lack the envelope.
    assert_eq!(program(r#"{"data":[{"id":7,"name":"x"}]}"#).name, "x");
    assert_eq!(program(r#"[{"id":7,"name":"x"}]"#).name, "x");
}

#[test]
fn variables_have_names_values_and_decimal_places() {
    let kind = VariableType::Integer;
    let definitions =
        br#"<CList type="VAR_INT"><e id="3" name="Guests"/><e id="4" name="Guests"/></CList>"#;
    let definitions = VariableDefinitions::parse(definitions, kind)
        .unwrap()
        .definitions;
    assert_eq!(definitions.len(), 2);
    assert_eq!(
        (definitions[0].id.to_string(), definitions[0].name.as_str()),
        ("integer 3".to_owned(), "Guests")
    );
    let none = VariableDefinitions::parse(br#"<CList type="VAR_INT"/>"#, kind).unwrap();
    assert!(none.definitions.is_empty());

    let xml = br#"<vars><var type="1" id="3"><init>0</init><prec>1</prec><val>215</val><ts>20261125 17:01:10</ts></var></vars>"#;
    let variables = Variables::parse(xml, kind).unwrap().variables;
    let [guests] = &variables[..] else { panic!() };
    assert_eq!(guests.number().unwrap().to_string(), "21.5");
    assert_eq!(guests.init_number().unwrap().to_string(), "0.0");
    assert_eq!(
        guests.changed_at.unwrap().to_string(),
        "2026-11-25T17:01:10"
    );

    let json = br#"{"successful":true,"data":[{"id":"3","val":215,"init":0,"prec":1,"name":"Guests","ts":"2026-11-25T17:01:10.000Z"},
        {"id":10,"val":"-7","init":"0","prec":"0","name":"Away"}]}"#;
    let variables = Variables::parse(json, kind).unwrap().variables;
    assert_eq!(variables[0].number().unwrap().to_string(), "21.5");
    assert_eq!(variables[0].name.as_deref(), Some("Guests"));
    assert_eq!(variables[1].number().unwrap().to_string(), "-7");
    assert_eq!(variables[1].id.number, 10);
    let null = br#"{"data":[null,{"id":3,"val":1,"name":null,"init":null}]}"#;
    let variables = Variables::parse(null, kind).unwrap().variables;
    assert_eq!((&variables[0].name, variables[0].init), (&None, None));
}

#[test]
fn one_variable_is_the_root_of_its_answer() {
    let xml = br#"<var type="2" id="12"><init>5</init><prec>1</prec><val>51</val><ts>261125 17:01:10</ts></var>"#;
    let variable = VariableEntry::parse(xml, VariableType::State).unwrap();
    assert_eq!(variable.id.to_string(), "state 12");
    assert_eq!(variable.number().unwrap().to_string(), "5.1");
    assert_eq!(variable.init_number().unwrap().to_string(), "0.5");
    // Without a type, the variable has the one of the request. It may be in a list.
    let listed = br#"<vars><var id="12"><val>51</val></var></vars>"#;
    let listed = VariableEntry::parse(listed, VariableType::State).unwrap();
    assert_eq!(listed.id, variable.id);
    assert_eq!(
        (listed.init_number(), listed.prec, listed.name),
        (None, 0, None)
    );
    assert!(VariableEntry::parse(b"<vars/>", VariableType::State).is_err());
}

#[test]
fn the_configuration_has_firmware_product_and_features() {
    let xml = br#"<configuration><app>Insteon_UD994</app><app_version>5.3.4</app_version>
        <app_full_version>5.3.4.1</app_full_version><platform>ISY-C-994</platform>
        <root><id>00:21:b9:01:02:03</id><name>My house</name></root>
        <product><id>1100</id><desc>ISY 994i 256</desc></product>
        <features><feature><id>21040</id><desc>Networking Module</desc><isInstalled>true</isInstalled><isAvailable>true</isAvailable></feature>
         <feature><id>23000</id><desc>Portal</desc><isInstalled>false</isInstalled></feature></features>
        <variables>true</variables><nodedefs>true</nodedefs></configuration>"#;
    let info = ControllerInfo::parse(xml).unwrap();
    assert_eq!(info.firmware, "5.3.4.1");
    assert_eq!(
        (info.root_id.as_str(), info.root_name.as_str()),
        ("00:21:b9:01:02:03", "My house")
    );
    assert!(info.is_isy994() && info.has_variables && info.has_node_definitions);
    assert!(info.features[0].is_installed && !info.features[1].is_installed);
    let short = b"<configuration><app_version>6.0.5</app_version><product><desc>eisy</desc></product></configuration>";
    let info = ControllerInfo::parse(short).unwrap();
    assert_eq!((info.firmware.as_str(), info.is_isy994()), ("6.0.5", false));
    assert!(!info.has_variables && !info.has_node_definitions && info.features.is_empty());
    let blank =
        b"<configuration><app_version>6.0.5</app_version><app_full_version/></configuration>";
    assert_eq!(ControllerInfo::parse(blank).unwrap().firmware, "6.0.5");
}

#[test]
fn the_clock_has_its_offset_in_seconds_or_hours() {
    let body = |offset: &str| {
        format!(
            "<DT><NTP>3941989270</NTP><TMZOffset>{offset}</TMZOffset><DST>true</DST><Lat>34.05</Lat>\
             <Long>118.25</Long><Sunrise>3941964000</Sunrise><Sunset>3942013000</Sunset>\
             <IsMilitary>false</IsMilitary><TzId>11</TzId></DT>"
        )
    };
    for (offset, seconds) in [
        ("-28800", -28_800),
        ("-8", -28_800),
        ("5.5", 19_800),
        ("24", 86_400),
        ("25", 25),
        ("0", 0),
    ] {
        let clock = ClockReading::parse(body(offset).as_bytes()).unwrap();
        assert_eq!(clock.offset_seconds, Some(seconds), "{offset}");
    }
    let clock = ClockReading::parse(body("-8").as_bytes()).unwrap();
    assert_eq!(clock.ntp, Some(3_941_989_270));
    assert_eq!(clock.longitude_west, Some(118.25));
    assert_eq!(
        (clock.is_daylight_saving, clock.is_military),
        (Some(true), Some(false))
    );
    assert_eq!((clock.gmt, clock.zone.as_str()), (None, "11"));
    assert_eq!(
        (clock.latitude, clock.sunrise),
        (Some(34.05), Some(3_941_964_000))
    );
    assert_eq!(clock.sunset, Some(3_942_013_000));
    // One of the two times is sufficient.
    let gmt = ClockReading::parse(b"<DT><GMT>5</GMT><Lat>NaN</Lat></DT>").unwrap();
    assert_eq!((gmt.ntp, gmt.gmt, gmt.latitude), (None, Some(5), None));
    assert!(ClockReading::parse(b"<DT><Lat>1</Lat></DT>").is_err());
}

#[test]
fn network_resources_are_read_with_bare_ampersands_in_them() {
    let xml = br#"<NetConfig><NetRule><name>Wake TV & sound</name><id>1</id><isModified>false</isModified>
        <ControlInfo><mode>URL-Encoded</mode><path>/a?b=c&d=e</path></ControlInfo></NetRule>
        <NetRule><id>2</id><name>Siren</name></NetRule></NetConfig>"#;
    let resources = NetworkResources::parse(xml).unwrap().resources;
    assert_eq!(resources[0].name, "Wake TV & sound");
    assert_eq!((resources[1].id, resources[1].name.as_str()), (2, "Siren"));
    let none = NetworkResources::parse(b"<NetConfig/>").unwrap();
    assert!(none.resources.is_empty());
}
