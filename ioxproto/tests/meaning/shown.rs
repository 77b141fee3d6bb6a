//! The number, unit and text of a raw value, the same wherever it is shown.

use ioxproto::state::ControllerState;
use ioxproto::unit::{ShownValue, Unit};
use ioxproto::view::View;
use ioxproto::vocabulary::CommandWord;
use proptest::prelude::*;

use super::event;

fn shown(raw: &str, uom: &str, prec: Option<i32>) -> (Option<String>, &'static str, String) {
    let shown = ShownValue::of(raw, uom, prec, "");
    let number = shown.number.map(|number| number.to_string());
    (number, shown.unit, shown.text.into_owned())
}

/// Id, raw value, decimal places; number, unit, text.
type Row = (
    u16,
    &'static str,
    i32,
    &'static str,
    &'static str,
    &'static str,
);

#[rustfmt::skip]
const EVERY_UNIT: [Row; 155] = [
    (0, "125", 0, "125", "", "125"),
    (1, "125", 1, "12.5", "A", "12.5 A"),
    (2, "1", 0, "1", "", "True"),
    (3, "125", 1, "12.5", "BTU/h", "12.5 BTU/h"),
    (4, "125", 1, "12.5", "°C", "12.5°C"),
    (5, "125", 1, "12.5", "cm", "12.5 cm"),
    (6, "125", 1, "12.5", "ft³", "12.5 ft³"),
    (7, "125", 1, "12.5", "ft³/min", "12.5 ft³/min"),
    (8, "125", 1, "12.5", "m³", "12.5 m³"),
    (9, "125", 0, "125", "", "125"),
    (10, "125", 1, "12.5", "d", "12.5 d"),
    (11, "100", 0, "100", "", "Locked"),
    (12, "125", 1, "12.5", "dB", "12.5 dB"),
    (13, "125", 1, "12.5", "dBA", "12.5 dBA"),
    (14, "125", 1, "12.5", "°", "12.5°"),
    (15, "2", 0, "2", "", "Tamper Code Entry Limit"),
    (16, "125", 1, "12.5", "EMS", "12.5 EMS"),
    (17, "125", 1, "12.5", "°F", "12.5°F"),
    (18, "125", 1, "12.5", "ft", "12.5 ft"),
    (19, "125", 0, "125", "", "125"),
    (20, "125", 1, "12.5", "h", "12.5 h"),
    (21, "125", 1, "12.5", "%", "12.5%"),
    (22, "125", 1, "12.5", "%", "12.5%"),
    (23, "125", 1, "12.5", "inHg", "12.5 inHg"),
    (24, "125", 1, "12.5", "in/h", "12.5 in/h"),
    (25, "125", 0, "125", "", "125"),
    (26, "125", 1, "12.5", "K", "12.5 K"),
    (27, "125", 0, "125", "", "125"),
    (28, "125", 1, "12.5", "kg", "12.5 kg"),
    (29, "125", 1, "12.5", "kV", "12.5 kV"),
    (30, "125", 1, "12.5", "kW", "12.5 kW"),
    (31, "125", 1, "12.5", "kPa", "12.5 kPa"),
    (32, "125", 1, "12.5", "km/h", "12.5 km/h"),
    (33, "125", 1, "12.5", "kWh", "12.5 kWh"),
    (34, "125", 1, "12.5", "liedu", "12.5 liedu"),
    (35, "125", 1, "12.5", "L", "12.5 L"),
    (36, "125", 1, "12.5", "lx", "12.5 lx"),
    (37, "125", 1, "12.5", "mercalli", "12.5 mercalli"),
    (38, "125", 1, "12.5", "m", "12.5 m"),
    (39, "125", 1, "12.5", "m³/h", "12.5 m³/h"),
    (40, "125", 1, "12.5", "m/s", "12.5 m/s"),
    (41, "125", 1, "12.5", "mA", "12.5 mA"),
    (42, "125", 1, "12.5", "ms", "12.5 ms"),
    (43, "125", 1, "12.5", "mV", "12.5 mV"),
    (44, "125", 0, "125", "", "125"),
    (45, "125", 1, "12.5", "min", "12.5 min"),
    (46, "125", 1, "12.5", "mm/h", "12.5 mm/h"),
    (47, "125", 0, "125", "", "125"),
    (48, "125", 1, "12.5", "mph", "12.5 mph"),
    (49, "125", 1, "12.5", "m/s", "12.5 m/s"),
    (50, "125", 1, "12.5", "Ω", "12.5 Ω"),
    (51, "125", 1, "12.5", "%", "12.5%"),
    (52, "125", 1, "12.5", "lb", "12.5 lb"),
    (53, "125", 1, "12.5", "", "12.5"),
    (54, "125", 1, "12.5", "ppm", "12.5 ppm"),
    (55, "125", 1, "12.5", "pulses", "12.5 pulses"),
    (56, "125", 0, "125", "", "125"),
    (57, "125", 0, "125", "", "125"),
    (58, "125", 1, "12.5", "s", "12.5 s"),
    (59, "125", 1, "12.5", "S/m", "12.5 S/m"),
    (60, "125", 1, "12.5", "m_b", "12.5 m_b"),
    (61, "125", 1, "12.5", "M_L", "12.5 M_L"),
    (62, "125", 1, "12.5", "M_w", "12.5 M_w"),
    (63, "125", 1, "12.5", "M_S", "12.5 M_S"),
    (64, "125", 1, "12.5", "shindo", "12.5 shindo"),
    (65, "125", 1, "12.5", "SML", "12.5 SML"),
    (66, "1", 0, "1", "", "Heating"),
    (67, "1", 0, "1", "", "Heat"),
    (68, "1", 0, "1", "", "On"),
    (69, "125", 1, "12.5", "gal", "12.5 gal"),
    (70, "125", 0, "125", "", "125"),
    (71, "125", 1, "12.5", "UV index", "12.5 UV index"),
    (72, "125", 1, "12.5", "V", "12.5 V"),
    (73, "125", 1, "12.5", "W", "12.5 W"),
    (74, "125", 1, "12.5", "W/m²", "12.5 W/m²"),
    (75, "125", 0, "125", "", "125"),
    (76, "90", 0, "90", "°", "East"),
    (77, "125", 0, "125", "", "125"),
    (78, "100", 0, "100", "", "On"),
    (79, "100", 0, "100", "", "Closed"),
    (80, "1", 0, "1", "", "On"),
    (81, "125", 1, "12.5", "", "12.5"),
    (82, "125", 1, "12.5", "mm", "12.5 mm"),
    (83, "125", 1, "12.5", "km", "12.5 km"),
    (84, "125", 1, "12.5", "", "12.5"),
    (85, "125", 1, "12.5", "Ω·m", "12.5 Ω·m"),
    (86, "125", 1, "12.5", "kΩ", "12.5 kΩ"),
    (87, "125", 1, "12.5", "m³/m³", "12.5 m³/m³"),
    (88, "125", 1, "12.5", "", "12.5"),
    (89, "125", 1, "12.5", "rpm", "12.5 rpm"),
    (90, "125", 1, "12.5", "Hz", "12.5 Hz"),
    (91, "125", 1, "12.5", "°", "12.5°"),
    (92, "125", 1, "12.5", "°", "12.5°"),
    (93, "2", 0, "2", "", "Mains Disconnected"),
    (94, "2", 0, "2", "", "Program in Progress"),
    (95, "2", 0, "2", "", "Sitting on Bed"),
    (96, "2", 0, "2", "", "Slightly Polluted"),
    (97, "100", 0, "100", "%", "Open"),
    (98, "1", 0, "1", "", "Heat"),
    (99, "8", 0, "8", "", "Auto"),
    (100, "153", 0, "153", "", "60%"),
    (101, "136", 0, "68.0", "°", "68.0°"),
    (102, "125", 1, "12.5", "kWs", "12.5 kWs"),
    (103, "125", 1, "12.5", "$", "$12.5"),
    (104, "125", 1, "12.5", "¢", "12.5¢"),
    (105, "125", 1, "12.5", "in", "12.5 in"),
    (106, "125", 1, "12.5", "mm/d", "12.5 mm/d"),
    (107, "125", 0, "125", "", "125"),
    (108, "125", 0, "125", "", "125"),
    (109, "125", 0, "125", "", "125"),
    (110, "125", 0, "125", "", "125"),
    (111, "125", 0, "125", "", "125"),
    (112, "125", 0, "125", "", "125"),
    (113, "125", 0, "125", "", "125"),
    (114, "125", 0, "125", "", "125"),
    (115, "1", 0, "1", "", "Off"),
    (116, "125", 1, "12.5", "mi", "12.5 mi"),
    (117, "125", 1, "12.5", "mbar", "12.5 mbar"),
    (118, "125", 1, "12.5", "hPa", "12.5 hPa"),
    (119, "125", 1, "12.5", "Wh", "12.5 Wh"),
    (120, "125", 1, "12.5", "in/d", "12.5 in/d"),
    (121, "125", 1, "12.5", "mol/m³", "12.5 mol/m³"),
    (122, "125", 1, "12.5", "µg/m³", "12.5 µg/m³"),
    (123, "125", 1, "12.5", "Bq/m³", "12.5 Bq/m³"),
    (124, "125", 1, "12.5", "pCi/L", "12.5 pCi/L"),
    (125, "125", 1, "12.5", "", "12.5"),
    (126, "125", 1, "12.5", "bpm", "12.5 bpm"),
    (127, "125", 1, "12.5", "mmHg", "12.5 mmHg"),
    (128, "125", 1, "12.5", "J", "12.5 J"),
    (129, "125", 1, "12.5", "", "12.5"),
    (130, "125", 1, "12.5", "L/h", "12.5 L/h"),
    (131, "125", 1, "12.5", "dBm", "12.5 dBm"),
    (132, "125", 1, "12.5", "brpm", "12.5 brpm"),
    (133, "125", 1, "12.5", "kHz", "12.5 kHz"),
    (134, "125", 1, "12.5", "m/s²", "12.5 m/s²"),
    (135, "125", 1, "12.5", "VA", "12.5 VA"),
    (136, "125", 1, "12.5", "var", "12.5 var"),
    (137, "125", 0, "125", "", "125"),
    (138, "125", 1, "12.5", "psi", "12.5 psi"),
    (139, "125", 1, "12.5", "°", "12.5°"),
    (140, "125", 1, "12.5", "mg/L", "12.5 mg/L"),
    (141, "125", 1, "12.5", "N", "12.5 N"),
    (142, "125", 1, "12.5", "gal/s", "12.5 gal/s"),
    (143, "125", 1, "12.5", "gal/min", "12.5 gal/min"),
    (144, "125", 1, "12.5", "gal/h", "12.5 gal/h"),
    (145, "125", 0, "125", "", "125"),
    (146, "125", 0, "125", "", "125"),
    (147, "125", 0, "125", "", "125"),
    (148, "125", 0, "125", "", "125"),
    (149, "125", 1, "12.5", "°", "12.5°"),
    (150, "125", 0, "125", "", "125"),
    (151, "125", 0, "125", "", "125"),
    (152, "125", 1, "12.5", "mired", "12.5 mired"),
    (153, "125", 1, "12.5", "", "12.5"),
    (154, "125", 1, "12.5", "steps/s", "12.5 steps/s"),
];

#[test]
fn every_unit_has_a_number_a_unit_and_a_text() {
    for (at, (id, raw, prec, number, unit, text)) in EVERY_UNIT.into_iter().enumerate() {
        assert_eq!(usize::from(id), at);
        assert_eq!(
            shown(raw, &id.to_string(), Some(prec)),
            (Some(number.to_owned()), unit, text.to_owned()),
            "unit {id}"
        );
    }
}

/// The table is in ascending order, as the binary search requires, and each entry is found.
#[test]
fn every_word_is_found_by_its_value() {
    for unit in Unit::all() {
        for pair in unit.words().windows(2) {
            assert!(pair[0].0 < pair[1].0, "{unit:?}");
        }
        for (code, word) in unit.words() {
            let text = shown(&code.to_string(), &unit.id().to_string(), None).2;
            assert_eq!(text, *word, "{unit:?}");
        }
    }
}

#[test]
fn a_unit_is_stored_at_the_index_of_its_id() {
    for (at, unit) in Unit::all().iter().enumerate() {
        assert_eq!(usize::from(unit.id()), at);
        assert_eq!(Unit::of(&at.to_string()), Some(unit));
    }
    for uom in ["155", "-1", "", "x", "99999999999999999999"] {
        assert_eq!(Unit::of(uom), None, "{uom}");
    }
}

#[test]
fn values_are_shown_in_the_words_of_controllers() {
    for (raw, uom, prec, text) in [
        ("721", "17", Some(1), "72.1°F"),
        ("136", "101", None, "68.0°"),
        ("141", "101", Some(0), "70.5°"),
        ("5", "98", None, "Program Auto"),
        ("8", "99", None, "Auto"),
        ("12", "102", None, "12 kWs"),
        ("0", "100", None, "Off"),
        ("255", "100", Some(0), "On"),
        ("153", "100", Some(0), "60%"),
        ("196", "100", Some(0), "77%"),
        ("1", "100", Some(0), "1%"),
        ("254", "100", Some(0), "100%"),
        ("300", "100", Some(0), "300"),
        ("1", "2", None, "True"),
        ("0", "2", None, "False"),
        ("100", "11", None, "Locked"),
        ("100", "79", None, "Closed"),
        ("55", "97", None, "55%"),
        ("9521206", "69", Some(4), "952.1206 gal"),
        ("350", "103", Some(2), "$3.50"),
        ("255", "0", Some(-1), "255"),
        ("7", "25", None, "7"),
        ("4", "999", None, "4"),
        ("on", "17", None, "on"),
        ("", "0", None, "unknown"),
        ("  ", "17", Some(1), "unknown"),
    ] {
        assert_eq!(shown(raw, uom, prec).2, text, "{raw} {uom} {prec:?}");
    }
}

#[test]
fn the_controllers_text_is_preferred_and_the_number_is_always_the_raw_values() {
    let shown = ShownValue::of("721", "17", Some(1), "72 degrees");
    assert_eq!(shown.text, "72 degrees");
    assert_eq!(shown.number.unwrap().to_string(), "72.1");
    // A blank text counts as none.
    assert_eq!(ShownValue::of("721", "17", Some(1), " ").text, "72.1°F");
    assert_eq!(ShownValue::of("", "0", None, " ").text, "unknown");
    assert_eq!(ShownValue::of("", "0", None, "Open").text, "Open");
}

#[test]
fn a_command_is_not_a_property_and_leaves_no_value() {
    for word in CommandWord::ALL {
        let event = event(&format!(
            "<Event><control>{}</control><action>0</action><node>n1</node></Event>",
            word.code()
        ));
        assert!(event.is_command() && !event.is_node_property());
        let Ok(View::Command(command)) = event.view() else {
            panic!("{word}");
        };
        assert_eq!(
            (command.command, command.text().as_str()),
            (*word, word.title())
        );
        assert_eq!(command.parameter(), None);
        let mut state = ControllerState::new();
        state.update(&event.with_live(true));
        assert_eq!(state.property("n1", word.code()), None);
    }
}

#[test]
fn a_command_shows_its_parameter_and_the_controllers_name() {
    let text = |action: &str, more: &str| {
        let event = event(&format!(
            "<Event><control>DON</control>{action}<node>n1</node>{more}</Event>"
        ));
        event.node_command().unwrap().to_string()
    };
    assert_eq!(text("<action/>", ""), "n1: On");
    assert_eq!(text(r#"<action uom="100">128</action>"#, ""), "n1: On 50%");
    assert_eq!(text(r#"<action uom="100">255</action>"#, ""), "n1: On");
    assert_eq!(
        text("<action>0</action>", "<fmtName>Ein</fmtName>"),
        "n1: Ein"
    );
}

proptest! {
    /// Event, state and JSON have the same number, unit and text.
    #[test]
    fn event_state_and_json_agree(
        raw in prop_oneof![Just(String::new()), "-?[0-9]{1,6}(\\.[0-9]{1,3})?", "[a-z ]{0,5}"],
        uom in prop_oneof![Just(String::new()), (0_u16..160).prop_map(|uom| uom.to_string())],
        prec in prop_oneof![Just(None), (-3_i32..6).prop_map(Some)],
        formatted in prop_oneof![Just(""), Just(" "), Just("72°"), Just("On")],
    ) {
        let prec_attribute = prec.map_or_else(String::new, |prec| format!(" prec='{prec}'"));
        let event = event(&format!(
            "<Event><control>GV1</control><action uom='{uom}'{prec_attribute}>{raw}</action><node>n1</node><fmtAct>{formatted}</fmtAct></Event>"
        ));
        let property = event.node_property().unwrap();
        let shown = property.shown();
        prop_assert_eq!(property.number, shown.number);
        prop_assert!(property.to_string().ends_with(&*shown.text));
        prop_assert!(shown.number.is_some() || shown.unit.is_empty());
        prop_assert!(!shown.text.trim().is_empty());

        let mut state = ControllerState::new();
        state.update(&event);
        let kept = state.property("n1", "GV1").unwrap();
        prop_assert_eq!(kept.shown(), shown.clone());
        prop_assert_eq!(kept.number(), shown.number);

        let line = serde_json::to_value(&event).unwrap();
        let house = serde_json::to_value(&state).unwrap();
        let in_state = &house["nodes"]["n1"]["GV1"];
        for member in ["value", "unit", "text"] {
            prop_assert_eq!(&line[member], &in_state[member]);
        }
        prop_assert_eq!(line["unit"].as_str(), Some(shown.unit));
        prop_assert_eq!(line["text"].as_str(), Some(&*shown.text));
    }
}
