//! Confirmed commands: which event proves which command, and the result without one.

use std::time::Duration;

use ioxproto::rest::{
    CallId, CallPhase, CallProblem, Command, Confirmation, Level, ProgramCommand, RequestError,
    Setpoint, TemperatureUnit, ThermostatMode,
};
use ioxproto::state::{ControllerState, Program, Property, Variable};
use ioxproto::view::{ProgramId, VariableField, VariableId, VariableType};
use pretend::{Driver, event, seconds};

const ACCEPTED: &str = r#"<RestResponse succeeded="true"><status>200</status></RestResponse>"#;
const LAMP: &str = "1 1 1 1";

/// Makes a call that waits 5 s for its event.
fn call(driver: &mut Driver, command: &Command, house: &ControllerState) -> CallId {
    driver.call(command.clone().confirmed(seconds(5.0), house))
}

fn confirmation(driver: &mut Driver, id: CallId) -> Confirmation {
    let answer = driver.take_outcome(id).unwrap();
    answer
        .confirmation
        .expect("a command that waits for its event")
}

fn named(command: Result<Command, RequestError>) -> Command {
    command.unwrap()
}

/// A system event with this payload.
fn system(control: &str, action: &str, node: &str, info: &str) -> String {
    let filled = format!("<eventInfo>{info}</eventInfo>");
    event(9, control, action, node).replace("<eventInfo></eventInfo>", &filled)
}

fn node(control: &str, action: &str) -> String {
    event(9, control, action, LAMP)
}

/// Commands, an event that confirms each, and events that do not.
fn table() -> Vec<(Command, String, Vec<String>)> {
    let program = ProgramId::new(0x8d);
    let (kind, number) = (VariableType::Integer, 3);
    let variable = VariableId { kind, number };
    let setpoint = Setpoint::new("70.5".parse().unwrap(), TemperatureUnit::HalfDegrees).unwrap();
    let half = Level::percent(50).unwrap();
    let enabled = |value: &str| system("_3", "EN", LAMP, &format!("<enabled>{value}</enabled>"));
    let status =
        |id: &str, more: &str| system("_1", "0", "", &format!("<id>{id}</id>{more}<s>21</s>"));
    let value = |action: &str, number: u32, part: &str, value: i32| {
        let info =
            format!("<var type=\"1\" id=\"{number}\"><{part}>{value}</{part}><prec>1</prec></var>");
        system("_1", action, "", &info)
    };
    let other = || event(9, "ST", "255", "1 1 1 2");
    vec![
        (
            named(Command::on(LAMP)),
            node("ST", "255"),
            vec![node("ST", "0"), other(), node("OL", "1")],
        ),
        (
            named(Command::on(LAMP)),
            node("DON", "0"),
            vec![node("DOF", "0")],
        ),
        (
            named(Command::off(LAMP)),
            node("ST", "0"),
            vec![node("ST", "128"), node("DON", "0")],
        ),
        (named(Command::fast_off(LAMP)), node("DFOF", "0"), vec![]),
        (
            named(Command::level(LAMP, Level::raw(128))),
            node("ST", "128"),
            vec![node("ST", "64")],
        ),
        (
            named(Command::level(LAMP, half)),
            node("ST", "127"),
            vec![node("ST", "0")],
        ),
        (named(Command::dim(LAMP)), node("ST", "88"), vec![other()]),
        (
            named(Command::fade_up(LAMP)),
            node("FDUP", "0"),
            vec![node("FDDOWN", "0")],
        ),
        (
            named(Command::lock(LAMP)),
            node("ST", "100"),
            vec![
                node("ST", "0"),
                node("ST", "50"),
                node("ST", "101"),
                node("ST", "102"),
            ],
        ),
        (
            named(Command::unlock(LAMP)),
            node("ST", "0"),
            vec![node("ST", "100"), node("ST", "102")],
        ),
        (
            named(Command::heat_setpoint(LAMP, setpoint)),
            node("CLISPH", "141"),
            vec![node("CLISPC", "141")],
        ),
        (
            named(Command::thermostat_mode(LAMP, ThermostatMode::Cool)),
            node("CLIMD", "2"),
            vec![node("CLIMD", "1"), node("ST", "2")],
        ),
        (named(Command::query(LAMP)), node("ST", "0"), vec![other()]),
        (
            named(Command::custom(LAMP, "RR", Some(28.into()), None)),
            node("RR", "28"),
            vec![node("RR", "27")],
        ),
        (
            named(Command::enable(LAMP)),
            enabled("true"),
            vec![enabled("false"), enabled("true").replace(LAMP, "1 1 1 2")],
        ),
        (
            named(Command::disable(LAMP)),
            enabled("0"),
            vec![node("ST", "0")],
        ),
        (
            Command::program(program, ProgramCommand::RunThen),
            status("8D", "<on/>"),
            vec![status("8E", "<on/>")],
        ),
        (
            Command::program(program, ProgramCommand::Disable),
            status("8D", "<off/>"),
            vec![status("8D", "<on/>")],
        ),
        (
            Command::program(program, ProgramCommand::EnableRunAtStartup),
            status("8D", "<rr/>"),
            vec![status("8D", "<nr/>")],
        ),
        (
            Command::variable(variable, VariableField::Value, 215),
            value("6", 3, "val", 215),
            vec![
                value("6", 3, "val", 21),
                value("6", 4, "val", 215),
                value("7", 3, "init", 215),
            ],
        ),
        (
            Command::variable(variable, VariableField::Init, -1),
            value("7", 3, "init", -1),
            vec![value("6", 3, "val", -1)],
        ),
    ]
}

#[test]
fn each_row_of_the_table_confirms_before_and_after_the_answer() {
    let house = ControllerState::new();
    for (command, confirming, others) in table() {
        let mut driver = Driver::connected();
        let id = call(&mut driver, &command, &house);
        driver.answer_call(200, ACCEPTED);
        for other in &others {
            driver.text(other);
            assert!(!driver.is_over(id), "{command} by {other}");
        }
        driver.text(&confirming);
        assert!(driver.is_over(id), "{command} by {confirming}");
        assert_eq!(confirmation(&mut driver, id), Confirmation::Confirmed);

        let id = call(&mut driver, &command, &house);
        driver.text(&confirming);
        assert!(!driver.is_over(id), "the exchange goes on");
        driver.answer_call(200, ACCEPTED);
        assert_eq!(confirmation(&mut driver, id), Confirmation::Confirmed);
    }
}

#[test]
fn a_confirmed_call_keeps_the_answer_that_the_controller_gave() {
    let house = ControllerState::new();
    let mut driver = Driver::connected();
    let id = call(&mut driver, &named(Command::on(LAMP)), &house);
    driver.answer_call(202, ACCEPTED);
    driver.event(0, "ST", "255", LAMP);
    let answer = driver.take_outcome(id).unwrap();
    assert_eq!((answer.status, &*answer.body), (202, ACCEPTED.as_bytes()));
    assert_eq!(answer.confirmation, Some(Confirmation::Confirmed));
}

#[test]
fn a_scene_is_confirmed_by_any_member() {
    let mut house = ControllerState::new();
    house.seed_scene("20481", [LAMP, "1 1 1 2"]);
    for (command, confirming) in [
        (Command::on("20481"), "255"),
        // Members may have their own levels in the scene, including off.
        (Command::on("20481"), "0"),
        (Command::off("20481"), "0"),
    ] {
        let mut driver = Driver::connected();
        let id = call(&mut driver, &named(command), &house);
        driver.answer_call(200, ACCEPTED);
        driver.event(0, "ST", confirming, "9 9 9 9");
        assert!(!driver.is_over(id));
        driver.event(0, "ST", confirming, "1 1 1 2");
        assert_eq!(confirmation(&mut driver, id), Confirmation::Confirmed);
    }
}

#[test]
fn a_value_that_was_already_set_is_unchanged_as_soon_as_the_command_is_accepted() {
    let mut house = ControllerState::new();
    let program = ProgramId::new(7);
    let (kind, number) = (VariableType::State, 2);
    let variable = VariableId { kind, number };
    house.seed_property(LAMP, "ST", Property::new("255"));
    house.seed_property("1 1 1 2", "ST", Property::new("0"));
    house.seed_property("1 1 1 3", "ST", Property::new("0"));
    house.seed_property(LAMP, "CLIMD", Property::new("2"));
    house.seed_scene("7", ["1 1 1 2", "1 1 1 3"]);
    let mut enabled = Program::default();
    enabled.enabled = Some(true);
    enabled.run_at_reboot = Some(false);
    house.seed_program(program, enabled);
    let mut value = Variable::default();
    value.value = "21.5".parse().ok();
    value.init = "3.0".parse().ok();
    house.seed_variable(variable, value);
    let set = |raw| Command::variable(variable, VariableField::Value, raw);
    let set_init = |raw| Command::variable(variable, VariableField::Init, raw);
    let at_startup = |order| Command::program(program, order);
    for (command, unchanged) in [
        (named(Command::on(LAMP)), true),
        (named(Command::level(LAMP, Level::raw(255))), true),
        (named(Command::level(LAMP, Level::raw(254))), false),
        (named(Command::off(LAMP)), false),
        (named(Command::dim(LAMP)), false),
        (named(Command::off("7")), true),
        (named(Command::on("7")), false),
        (named(Command::on("9 9 9 9")), false),
        (
            named(Command::thermostat_mode(LAMP, ThermostatMode::Cool)),
            true,
        ),
        (Command::program(program, ProgramCommand::Enable), true),
        (Command::program(program, ProgramCommand::Disable), false),
        (Command::program(program, ProgramCommand::Run), false),
        (set(215), true),
        (set(21), false),
        (set_init(30), true),
        (set_init(215), false),
        (at_startup(ProgramCommand::DisableRunAtStartup), true),
        (at_startup(ProgramCommand::EnableRunAtStartup), false),
    ] {
        let mut driver = Driver::connected();
        let id = call(&mut driver, &command, &house);
        driver.answer_call(200, ACCEPTED);
        assert_eq!(driver.is_over(id), unchanged, "{command}");
        if unchanged {
            assert_eq!(confirmation(&mut driver, id), Confirmation::Unchanged);
        }
    }
}

#[test]
fn a_level_that_differs_is_not_unchanged() {
    let mut house = ControllerState::new();
    let level = |raw: &str| Property::new(raw).with_unit("100", Some(0));
    house.seed_property(LAMP, "ST", level("128"));
    let percent = |percent| named(Command::level(LAMP, Level::percent(percent).unwrap()));
    let unchanged = |house: &ControllerState, command: &Command| {
        let mut driver = Driver::connected();
        let id = call(&mut driver, command, house);
        driver.answer_call(200, ACCEPTED);
        driver.is_over(id)
    };
    assert!(unchanged(&house, &percent(50)));
    for command in [
        percent(80),
        percent(0),
        named(Command::fast_on(LAMP)),
        named(Command::off(LAMP)),
    ] {
        assert!(!unchanged(&house, &command), "{command}");
    }
    // The command `on` takes the lamp to its on level.
    assert!(unchanged(&house, &named(Command::on(LAMP))));
    house.seed_property(LAMP, "OL", level("255"));
    assert!(!unchanged(&house, &named(Command::on(LAMP))));
    house.seed_property(LAMP, "ST", level("255"));
    assert!(unchanged(&house, &named(Command::on(LAMP))));
    assert!(unchanged(&house, &named(Command::fast_on(LAMP))));
}

#[test]
fn a_level_in_percent_is_compared_in_units_of_percent() {
    let half = named(Command::level(LAMP, Level::percent(50).unwrap()));
    for (uom, same, other) in [
        ("51", "50", "80"),
        ("78", "51", "100"),
        ("100", "127", "204"),
    ] {
        for (raw, unchanged) in [(same, true), (other, false)] {
            let mut house = ControllerState::new();
            house.seed_property(LAMP, "ST", Property::new(raw).with_unit(uom, Some(0)));
            let mut driver = Driver::connected();
            let id = call(&mut driver, &half, &house);
            driver.answer_call(200, ACCEPTED);
            assert_eq!(driver.is_over(id), unchanged, "{raw} in {uom}");
        }
    }
}

#[test]
fn an_unknown_status_confirms_nothing() {
    let house = ControllerState::new();
    for uom in ["11", "78", "79", "97"] {
        let mut driver = Driver::connected();
        let id = call(&mut driver, &named(Command::on(LAMP)), &house);
        driver.answer_call(200, ACCEPTED);
        let status = |value: &str| {
            let action = format!("<action uom=\"{uom}\">{value}</action>");
            node("ST", "0").replace("<action>0</action>", &action)
        };
        driver.text(&status("101"));
        assert!(!driver.is_over(id), "{uom}");
        driver.text(&status("100"));
        assert!(driver.is_over(id), "{uom}");
    }
}

#[test]
fn a_jammed_lock_is_not_in_the_state_that_lock_sets() {
    let mut house = ControllerState::new();
    let mut driver = Driver::connected();
    let jammed = node("ST", "0").replace("<action>0", "<action uom=\"11\">102");
    driver.text(&jammed);
    for notification in &driver.notifications {
        house.apply(notification);
    }
    let id = call(&mut driver, &named(Command::lock(LAMP)), &house);
    driver.answer_call(200, ACCEPTED);
    assert!(!driver.is_over(id));
}

#[test]
fn a_level_beyond_any_range_confirms_nothing() {
    let house = ControllerState::new();
    for command in [
        named(Command::level(LAMP, Level::percent(50).unwrap())),
        named(Command::fast_on(LAMP)),
    ] {
        let mut driver = Driver::connected();
        let id = call(&mut driver, &command, &house);
        driver.answer_call(200, ACCEPTED);
        for level in [i64::MIN, i64::MAX] {
            let action = format!("<action uom=\"100\">{level}</action>");
            driver.text(&node("ST", "0").replace("<action>0</action>", &action));
            assert!(!driver.is_over(id));
        }
    }
}

#[test]
fn without_an_event_in_time_a_command_is_unconfirmed() {
    let mut driver = Driver::connected();
    let id = call(
        &mut driver,
        &named(Command::on(LAMP)),
        &ControllerState::new(),
    );
    driver.answer_call(200, ACCEPTED);
    driver.pass(4.9);
    assert!(!driver.is_over(id));
    driver.pass(0.2);
    assert_eq!(confirmation(&mut driver, id), Confirmation::Unconfirmed);
}

#[test]
fn an_event_is_awaited_for_a_day_at_most() {
    let mut driver = Driver::connected();
    let on = named(Command::on(LAMP)).confirmed(Duration::MAX, &ControllerState::new());
    let id = driver.call(on.request().clone());
    driver.answer_call(200, ACCEPTED);
    let deadline = driver.stream.call_deadline().unwrap();
    assert_eq!(deadline.at, driver.now.monotonic + seconds(86_400.0));
    assert!(!driver.is_over(id));
}

#[test]
fn a_command_without_an_event_is_unconfirmed_at_once() {
    for command in [
        named(Command::beep(LAMP)),
        Command::network_resource(3),
        Command::query_all(),
    ] {
        let mut driver = Driver::connected();
        let id = call(&mut driver, &command, &ControllerState::new());
        driver.answer_call(200, ACCEPTED);
        assert_eq!(confirmation(&mut driver, id), Confirmation::Unconfirmed);
    }
}

#[test]
fn only_live_events_after_the_command_was_sent_count() {
    let house = ControllerState::new();
    let mut driver = Driver::syncing();
    let id = call(&mut driver, &named(Command::on(LAMP)), &house);
    driver.answer_call(200, ACCEPTED);
    driver.event(0, "ST", "255", LAMP);
    assert!(!driver.is_over(id), "it is of the replay");

    let mut driver = Driver::connected();
    let first = driver.call(named(Command::off(LAMP)));
    let id = call(&mut driver, &named(Command::on(LAMP)), &house);
    driver.event(0, "ST", "255", LAMP);
    driver.answer_call(200, ACCEPTED);
    assert!(driver.is_over(first));
    driver.answer_call(200, ACCEPTED);
    assert!(!driver.is_over(id), "the event came before it was sent");
}

#[test]
fn an_event_overrides_an_inconclusive_answer() {
    let house = ControllerState::new();
    let on = named(Command::on(LAMP));
    // A busy controller that has carried out the command: nothing is repeated.
    let mut driver = Driver::connected();
    let id = call(&mut driver, &on, &house);
    driver.answer_call(404, "");
    assert!(!driver.is_over(id), "it waits for its repeat");
    driver.event(0, "ST", "255", LAMP);
    assert_eq!(confirmation(&mut driver, id), Confirmation::Confirmed);
    driver.pass(1.0);
    assert_eq!(driver.sent.len(), 1);
    // The event first, then the 404.
    let id = call(&mut driver, &on, &house);
    driver.event(0, "ST", "255", LAMP);
    driver.answer_call(404, "");
    assert_eq!(confirmation(&mut driver, id), Confirmation::Confirmed);
    // The exchange fails without an answer.
    let id = call(&mut driver, &on, &house);
    driver.call_phase(CallPhase::Sent);
    driver.event(0, "ST", "255", LAMP);
    driver.pass(10.1);
    assert_eq!(confirmation(&mut driver, id), Confirmation::Confirmed);
    // A clear refusal counts, even if an event shows that the lamp is on.
    let id = call(&mut driver, &on, &house);
    driver.event(0, "ST", "255", LAMP);
    driver.answer_call(400, "");
    assert!(driver.take_outcome(id).is_err());
}

#[test]
fn a_command_that_waits_for_its_event_does_not_delay_others() {
    let house = ControllerState::new();
    let mut driver = Driver::connected();
    let older = call(&mut driver, &named(Command::on(LAMP)), &house);
    driver.answer_call(200, ACCEPTED);
    let newer = call(&mut driver, &named(Command::off(LAMP)), &house);
    assert_eq!(driver.gets.len(), 1, "it is sent at once");
    driver.answer_call(200, ACCEPTED);
    driver.event(0, "ST", "0", LAMP);
    assert_eq!(confirmation(&mut driver, newer), Confirmation::Confirmed);
    driver.pass(5.1);
    assert_eq!(confirmation(&mut driver, older), Confirmation::Unconfirmed);
}

#[test]
fn a_command_may_have_been_carried_out_if_a_stop_ends_the_wait_for_its_event() {
    let mut driver = Driver::connected();
    let id = call(
        &mut driver,
        &named(Command::on(LAMP)),
        &ControllerState::new(),
    );
    driver.answer_call(200, ACCEPTED);
    driver.stop();
    let error = driver.take_outcome(id).unwrap_err();
    assert_eq!(error.problem, CallProblem::Stopped);
    assert!(error.may_have_been_carried_out);
}

#[test]
fn the_typed_call_gives_the_confirmation() {
    let mut driver = Driver::connected();
    let on = named(Command::on(LAMP)).confirmed(seconds(5.0), &ControllerState::new());
    let id = driver.call(on.request().clone());
    driver.answer_call(
        404,
        r#"<RestResponse succeeded="false"><status>404</status></RestResponse>"#,
    );
    driver.event(0, "ST", "255", LAMP);
    let outcome = driver.take_outcome(id);
    assert_eq!(on.outcome(outcome), Ok(Confirmation::Confirmed));
}
