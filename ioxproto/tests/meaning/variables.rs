//! Variable frames.

use ioxproto::view::{VariableField, VariableType, ViewError};

use super::system;

#[test]
fn a_value() {
    let frame = system(
        "_1",
        "6",
        "",
        r#"<var type="2" id="12"><prec>1</prec><val>51</val><ts>20260506 13:23:15 </ts></var>"#,
    );
    let change = frame.variable_change().unwrap();
    assert_eq!(
        (change.id.kind, change.id.number),
        (VariableType::State, 12)
    );
    assert_eq!(change.field, VariableField::Value);
    assert_eq!((&*change.raw, change.prec), ("51", Some(1)));
    assert_eq!(change.to_string(), "variable state 12 = 5.1");
    assert_eq!(
        change.time.unwrap().instant().unwrap().to_string(),
        "2026-05-06T13:23:15-07:00"
    );
}

#[test]
fn an_init_value_of_newer_and_older_firmware() {
    for element in ["init", "val"] {
        let info = format!(r#"<var type="1" id="1"><{element}>7</{element}><prec>0</prec></var>"#);
        let frame = system("_1", "7", "", &info);
        let change = frame.variable_change().unwrap();
        assert_eq!((change.field, change.time), (VariableField::Init, None));
        assert_eq!(change.to_string(), "variable integer 1 init = 7");
    }
    let frame = system(
        "_1",
        "6",
        "",
        r#"<var type="1" id="1"><init>7</init></var>"#,
    );
    assert_eq!(
        frame.variable_change(),
        Err(ViewError::Missing { part: "val" })
    );
}

#[test]
fn values_are_decimals() {
    for (raw, prec, expected) in [("5.1", "0", "5.1"), ("-3", "2", "-0.03"), ("4", "x", "4")] {
        let info = format!(r#"<var type="1" id="1"><prec>{prec}</prec><val>{raw}</val></var>"#);
        let frame = system("_1", "6", "", &info);
        assert_eq!(
            frame.variable_change().unwrap().number.to_string(),
            expected
        );
    }
}

#[test]
fn a_value_that_is_not_a_number_is_an_error() {
    for value in ["<val></val>", "<val/>", "<val>on</val>", "<val>1e5</val>"] {
        let info = format!(r#"<var type="1" id="1">{value}</var>"#);
        let error = system("_1", "6", "", &info).variable_change().unwrap_err();
        assert!(
            matches!(error, ViewError::Invalid { part: "val", .. }),
            "{error}"
        );
    }
    for (var, part) in [
        (r#"<var id="1"><val>1</val></var>"#, "type"),
        (r#"<var type="1"><val>1</val></var>"#, "id"),
        ("<x/>", "var"),
    ] {
        let error = system("_1", "6", "", var).variable_change().unwrap_err();
        assert_eq!(error, ViewError::Missing { part });
    }
    let frame = system(
        "_1",
        "6",
        "",
        r#"<var type="-1" id="+1"><val>1</val></var>"#,
    );
    assert!(frame.variable_change().is_err());
}

#[test]
fn a_changed_table_in_both_formats() {
    for info in [
        r#"<var type="2" id="0" />"#,
        "<var><type>2</type><id>0</id></var>",
        r#"<var type="2"/>"#,
    ] {
        let table = system("_1", "9", "", info).variable_table().unwrap();
        assert_eq!((table.kind, table.number), (VariableType::State, 0));
        assert_eq!(table.to_string(), "table of state variables changed");
    }
    let table = system("_1", "9", "", r#"<var type="7" id="0"/>"#)
        .variable_table()
        .unwrap();
    assert_eq!(
        (table.kind, table.kind.to_string()),
        (VariableType::Other(7), "7".to_owned())
    );
    assert!(system("_1", "9", "", "").variable_table().is_err());
}
