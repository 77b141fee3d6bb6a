//! Requests: the paths that controllers expect, and values that are refused before anything is
//! sent.

use ioxproto::rest::{
    self, Accepted, Call, Command, FanMode, Goal, Level, ProgramCommand, RequestError, Setpoint,
    Target, TemperatureUnit, ThermostatMode,
};
use ioxproto::view::{Decimal, ProgramId, VariableField, VariableId, VariableType};

const LAMP: &str = "1A 2B 3C 1";

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

#[test]
fn reads_use_paths_that_both_generations_have() {
    let kind = VariableType::State;
    let number = 12;
    for (path, expected) in [
        (rest::config().request().path(), "/rest/config"),
        (rest::nodes().request().path(), "/rest/nodes"),
        (
            rest::node(LAMP).unwrap().request().path(),
            "/rest/nodes/1A%202B%203C%201",
        ),
        (rest::status().request().path(), "/rest/status"),
        (
            rest::node_status(LAMP).unwrap().request().path(),
            "/rest/status/1A%202B%203C%201",
        ),
        (
            rest::programs().request().path(),
            "/rest/programs?subfolders=true",
        ),
        (
            rest::variable_definitions(kind).request().path(),
            "/rest/vars/definitions/2",
        ),
        (rest::variables(kind).request().path(), "/rest/vars/get/2"),
        (
            rest::variable(VariableId { kind, number }).request().path(),
            "/rest/vars/get/2/12",
        ),
        (rest::time().request().path(), "/rest/time"),
        (
            rest::network_resources().request().path(),
            "/rest/networking/resources",
        ),
        (
            rest::get("/rest/nodes/1A 2B/notes?x=\"1\"")
                .unwrap()
                .request()
                .path(),
            "/rest/nodes/1A%202B/notes?x=%221%22",
        ),
    ] {
        assert_eq!(path, expected);
    }
}

#[test]
fn commands_to_nodes_and_scenes() {
    let lamp = |tail: &str| format!("/rest/nodes/1A%202B%203C%201/{tail}");
    let half = Level::percent(50).unwrap();
    let degrees = |text: &str, unit| Setpoint::new(decimal(text), unit).unwrap();
    for (command, tail, absolute) in [
        (Command::on(LAMP), "cmd/DON", true),
        (Command::off(LAMP), "cmd/DOF", true),
        (Command::level(LAMP, half), "cmd/DON/50/51", true),
        (Command::level(LAMP, Level::raw(128)), "cmd/DON/128", true),
        (Command::fast_on(LAMP), "cmd/DFON", true),
        (Command::fast_off(LAMP), "cmd/DFOF", true),
        (Command::fade_up(LAMP), "cmd/FDUP", false),
        (Command::fade_down(LAMP), "cmd/FDDOWN", false),
        (Command::fade_stop(LAMP), "cmd/FDSTOP", false),
        (Command::brighten(LAMP), "cmd/BRT", false),
        (Command::dim(LAMP), "cmd/DIM", false),
        (
            Command::heat_setpoint(LAMP, degrees("20.5", TemperatureUnit::Celsius)),
            "cmd/CLISPH/20.5/4",
            true,
        ),
        (
            Command::cool_setpoint(LAMP, degrees("76", TemperatureUnit::Fahrenheit)),
            "cmd/CLISPC/76/17",
            true,
        ),
        (
            Command::heat_setpoint(LAMP, degrees("70.5", TemperatureUnit::HalfDegrees)),
            "cmd/CLISPH/141",
            true,
        ),
        (
            Command::thermostat_mode(LAMP, ThermostatMode::Auto),
            "cmd/CLIMD/3",
            true,
        ),
        (
            Command::thermostat_mode(LAMP, ThermostatMode::Other(5)),
            "cmd/CLIMD/5",
            true,
        ),
        (Command::fan_mode(LAMP, FanMode::On), "cmd/CLIFS/7", true),
        (Command::fan_mode(LAMP, FanMode::Auto), "cmd/CLIFS/8", true),
        (Command::lock(LAMP), "cmd/SECMD/1", true),
        (Command::unlock(LAMP), "cmd/SECMD/0", true),
        (Command::beep(LAMP), "cmd/BEEP", false),
        (Command::enable(LAMP), "enable", true),
        (Command::disable(LAMP), "disable", true),
        (
            Command::custom(LAMP, "RR", Some(decimal("28")), Some(25)),
            "cmd/RR/28/25",
            false,
        ),
        (
            Command::custom(LAMP, "BL", Some(decimal("5")), Some(0)),
            "cmd/BL/5",
            false,
        ),
        (
            Command::custom(LAMP, "OL", None, None).map(Command::absolute),
            "cmd/OL",
            true,
        ),
    ] {
        let command = command.unwrap();
        assert_eq!(command.path(), lamp(tail));
        assert_eq!(command.is_absolute(), absolute, "{command}");
        let call: Call<Accepted> = command.into();
        assert_eq!(call.request().path(), lamp(tail));
    }
    assert_eq!(
        Command::off("20481").unwrap().path(),
        "/rest/nodes/20481/cmd/DOF"
    );
    let query = Command::query(LAMP).unwrap();
    assert_eq!(query.path(), "/rest/query/1A%202B%203C%201");
    assert!(!query.is_absolute());
    assert_eq!(Command::query_all().path(), "/rest/query");
}

#[test]
fn a_command_with_several_parameters_names_them_in_the_query() {
    let command = Command::custom("n003_t1", "SETALL", None, None)
        .and_then(|command| command.with_parameter("RR", decimal("28"), Some(25)))
        .and_then(|command| command.with_parameter("OL", decimal("80"), None))
        .unwrap();
    assert_eq!(
        command.path(),
        "/rest/nodes/n003_t1/cmd/SETALL?RR.25=28&OL=80"
    );
}

#[test]
fn commands_to_programs_variables_and_network_resources() {
    let id = ProgramId::new(0x8d);
    for (order, word, absolute) in [
        (ProgramCommand::Run, "run", false),
        (ProgramCommand::RunThen, "runThen", false),
        (ProgramCommand::RunElse, "runElse", false),
        (ProgramCommand::Stop, "stop", false),
        (ProgramCommand::Enable, "enable", true),
        (ProgramCommand::Disable, "disable", true),
        (
            ProgramCommand::EnableRunAtStartup,
            "enableRunAtStartup",
            true,
        ),
        (
            ProgramCommand::DisableRunAtStartup,
            "disableRunAtStartup",
            true,
        ),
    ] {
        let command = Command::program(id, order);
        assert_eq!(command.path(), format!("/rest/programs/008D/{word}"));
        assert_eq!(command.is_absolute(), absolute, "{word}");
    }
    let (kind, number) = (VariableType::Integer, 3);
    let variable = VariableId { kind, number };
    let value = Command::variable(variable, VariableField::Value, -215);
    assert_eq!(value.path(), "/rest/vars/set/1/3/-215");
    let init = Command::variable(variable, VariableField::Init, 0);
    assert_eq!(init.path(), "/rest/vars/init/1/3/0");
    assert!(value.is_absolute() && init.is_absolute());
    assert_ne!(value.target(), init.target());
    let resource = Command::network_resource(7);
    assert_eq!(resource.path(), "/rest/networking/resources/7");
    assert!(!resource.is_absolute());
}

#[test]
fn commands_to_the_same_property_have_the_same_target() {
    let target = |command: Result<Command, RequestError>| command.unwrap().target().clone();
    let on = target(Command::on(LAMP));
    assert_eq!(on, target(Command::dim(LAMP)));
    assert_eq!(on, target(Command::level(LAMP, Level::raw(1))));
    let status = Target::Node {
        address: LAMP.to_owned(),
        control: "ST".to_owned(),
    };
    assert_eq!(on, status);
    assert_ne!(on, target(Command::on("1A 2B 3C 2")));
    assert_ne!(on, target(Command::disable(LAMP)));
    let warm = Setpoint::new(decimal("20"), TemperatureUnit::Celsius).unwrap();
    assert_ne!(
        target(Command::heat_setpoint(LAMP, warm)),
        target(Command::cool_setpoint(LAMP, warm))
    );
}

#[test]
fn values_out_of_range_are_refused_before_anything_is_sent() {
    assert!(Level::percent(100).is_ok());
    let message = |error: RequestError| error.to_string();
    assert_eq!(
        message(Level::percent(101).unwrap_err()),
        "the level in percent is 101; it must be 0 to 100"
    );
    for (value, unit) in [
        ("61", TemperatureUnit::Celsius),
        ("-21", TemperatureUnit::Celsius),
        ("141", TemperatureUnit::Fahrenheit),
        ("70.25", TemperatureUnit::HalfDegrees),
    ] {
        let refused = Setpoint::new(decimal(value), unit);
        assert!(
            matches!(refused, Err(RequestError::OutOfRange { .. })),
            "{value}"
        );
    }
    for address in ["", " ", "..", "1A\n2B"] {
        let refused = Command::on(address);
        assert!(
            matches!(refused, Err(RequestError::Address { .. })),
            "{address:?}"
        );
        assert!(rest::node(address).is_err() && rest::node_status(address).is_err());
    }
    for name in ["", "DON/5", "A B", "A?b=c", &"X".repeat(33)] {
        let refused = Command::custom(LAMP, name, None, None);
        assert!(
            matches!(refused, Err(RequestError::Name { .. })),
            "{name:?}"
        );
    }
    for path in ["", "rest/nodes", "//elsewhere.test/", "/a#b"] {
        assert!(
            matches!(rest::get(path), Err(RequestError::Path { .. })),
            "{path:?}"
        );
    }
}

#[test]
fn the_longest_name_of_a_command_has_32_characters() {
    let longest = "X".repeat(32);
    assert!(Command::custom(LAMP, &longest, None, None).is_ok());
}

#[test]
fn a_custom_command_sets_the_property_of_its_name_if_its_value_is_raw() {
    let goal = |name, value: Option<&str>, uom| {
        let command = Command::custom(LAMP, name, value.map(decimal), uom);
        command.unwrap().goal().clone()
    };
    assert_eq!(goal("RR", Some("28"), None), Goal::Property(decimal("28")));
    assert_eq!(goal("RR", Some("28"), Some(25)), Goal::Any);
    assert_eq!(goal("RR", None, None), Goal::Any);
    // The device decides what the output becomes.
    assert_eq!(goal("DON", Some("28"), None), Goal::Any);
}

#[test]
fn an_address_cannot_leave_its_segment_of_the_path() {
    let command = Command::on("1/../../api/x?a=b#c%2f").unwrap();
    assert_eq!(
        command.path(),
        "/rest/nodes/1%2F..%2F..%2Fapi%2Fx%3Fa%3Db%23c%252f/cmd/DON"
    );
}

#[test]
fn whether_a_call_is_repeated_depends_on_the_request() {
    let repeated = |request: &rest::Request| {
        (
            request.is_repeated_after(404),
            request.is_repeated_after(503),
            request.is_repeated_after(500),
        )
    };
    assert_eq!(repeated(rest::nodes().request()), (true, true, false));
    assert_eq!(repeated(rest::status().request()), (true, true, false));
    assert_eq!(repeated(rest::programs().request()), (false, true, false));
    let names = rest::variable_definitions(VariableType::Integer);
    assert_eq!(repeated(names.request()), (false, true, false));
    assert!(names.request().is_none_after(404));
    let raw = rest::get("/api/nodes").unwrap();
    assert_eq!(repeated(raw.request()), (false, true, false));
    assert!(!raw.request().is_none_after(404));
    let on: Call<Accepted> = Command::on(LAMP).unwrap().into();
    assert_eq!(repeated(on.request()), (true, true, false));
    let dim: Call<Accepted> = Command::dim(LAMP).unwrap().into();
    assert_eq!(repeated(dim.request()), (false, false, false));
}
