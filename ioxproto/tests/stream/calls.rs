//! Calls that run alongside the stream.

use std::time::Duration;

use ioxproto::rest::{
    self, CallError, CallPhase, CallProblem, Command, Confirmation, Level, ProgramCommand,
};
use ioxproto::state::ControllerState;
use ioxproto::view::{ProgramId, VariableField, VariableId, VariableType};
use ioxproto::{
    Config, ExchangeError, Failure, FailureKind, IdentityProblem, Profile, Reason, Status, Timing,
};
use pretend::{Done, Driver, seconds};

use crate::portal::{self, LOGIN, LOGOUT, REFRESH, reconnect};

const ACCEPTED: &str = r#"<RestResponse succeeded="true"><status>200</status></RestResponse>"#;
const STATUS: &str = r#"<nodes><node id="1 1 1 1"><property id="ST" value="0"/></node></nodes>"#;
const LAMP: &str = "1 1 1 1";

fn on() -> Command {
    Command::on(LAMP).unwrap()
}

fn off() -> Command {
    Command::off(LAMP).unwrap()
}

fn problem(error: &CallError) -> &CallProblem {
    &error.problem
}

/// The times at which calls were sent, relative to the first one.
fn sent(driver: &Driver) -> Vec<f64> {
    let first = driver.sent[0].0;
    let since = |(at, _): &(Duration, String)| (*at - first).as_secs_f64();
    driver.sent.iter().map(since).collect()
}

fn paths(driver: &Driver) -> Vec<&str> {
    driver.sent.iter().map(|(_, path)| path.as_str()).collect()
}

fn reset() -> Failure {
    Failure::transport(FailureKind::ConnectionReset, "reset")
}

#[test]
fn a_call_is_a_request_with_the_account_and_its_answer() {
    let mut driver = Driver::connected();
    let status = rest::status();
    let id = driver.call(status.request().clone());
    assert_eq!(
        driver.get(),
        "GET /rest/status HTTP/1.1\r\nHost: eisy.test:8080\r\nAccept: */*\r\n\
         Authorization: Basic YWRtaW46c2VjcmV0\r\n\r\n"
    );
    assert!(driver.stream.has_calls());
    driver.answer_call(200, STATUS);
    let statuses = status.outcome(driver.take_outcome(id)).unwrap();
    assert_eq!(statuses.nodes[0].address, LAMP);
    assert!(!driver.stream.has_calls());
    assert_eq!(driver.status(), Status::Connected);
    assert!(driver.notifications.is_empty());
}

#[test]
fn a_call_at_rest_fails_at_once() {
    let mut driver = Driver::local();
    let id = driver.call(rest::status());
    let error = driver.take_outcome(id).unwrap_err();
    assert_eq!(error.to_string(), "the stream is not running");
    driver.start();
    driver.refuse(401, "");
    assert_eq!(driver.status(), Status::ReconnectFailed);
    let id = driver.call(rest::status());
    let error = driver.take_outcome(id).unwrap_err();
    assert!(matches!(
        problem(&error),
        CallProblem::NotRunning {
            reason: Some(Reason::CredentialsRefused { status: 401 })
        }
    ));
}

#[test]
fn calls_wait_while_the_stream_connects_and_are_sent_once_it_is_accepted() {
    let mut driver = Driver::local();
    driver.start();
    let id = driver.call(rest::status());
    assert!(driver.gets.is_empty() && !driver.is_over(id));
    driver.accept();
    assert_eq!(driver.gets.len(), 1, "the replay need not be over");
    driver.answer_call(200, STATUS);
    assert!(driver.take_outcome(id).is_ok());
}

#[test]
fn calls_wait_while_the_stream_reconnects_within_their_limit() {
    let mut driver = Driver::connected();
    driver.closed();
    let id = driver.call(rest::status());
    driver.pass(0.9);
    assert!(driver.gets.is_empty());
    driver.pass(0.2);
    driver.accept();
    driver.answer_call(200, STATUS);
    assert!(driver.take_outcome(id).is_ok());

    let mut driver = Driver::local();
    driver.start();
    let id = driver.call(on());
    driver.refuse(503, "");
    for _ in 0..4 {
        driver.pass(driver.last_wait());
        driver.refuse(503, "");
    }
    // Attempts at 0, 1, 3, 8, 18 s; the next one at 48, then 108.
    driver.pass(41.9);
    assert!(!driver.is_over(id));
    driver.pass(0.2);
    let error = driver.take_outcome(id).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no answer within 60 s (it was not sent: the stream is not connected, or other calls are ahead of it)"
    );
    assert!(!error.may_have_been_carried_out);
}

#[test]
fn in_flight_is_one_on_an_isy994_over_tls_two_without_and_four_on_others() {
    let isy = |config: Config| config.profile(Profile::Isy994);
    let tls = |config: Config| config.address("https://isy.test");
    let in_flight = |mut driver: Driver| {
        for _ in 0..9 {
            driver.call(rest::status());
        }
        let first = driver.gets.len();
        driver.answer_call(200, STATUS);
        assert_eq!(driver.gets.len(), first, "the next one follows");
        first
    };
    let syncing = |change: &dyn Fn(Config) -> Config| Driver::with(change).into_syncing();
    assert_eq!(in_flight(syncing(&|config| tls(isy(config)))), 1);
    assert_eq!(in_flight(syncing(&isy)), 2);
    assert_eq!(in_flight(syncing(&tls)), 4);
    assert_eq!(in_flight(Driver::syncing()), 4);
    // A controller that was recognised as an ISY-994.
    let mut driver = Driver::local();
    driver.start();
    driver.refuse(400, "");
    driver.accept();
    assert_eq!(in_flight(driver), 2);
}

#[test]
fn the_queue_is_bounded() {
    let mut driver = Driver::with(|config| config.max_calls(3)).into_connected();
    let calls: Vec<_> = (0..4).map(|_| driver.call(rest::status())).collect();
    let error = driver.take_outcome(calls[3]).unwrap_err();
    assert_eq!(problem(&error), &CallProblem::QueueFull { limit: 3 });
    driver.answer_call(200, STATUS);
    let more = driver.call(rest::status());
    assert!(!driver.is_over(more));
}

#[test]
fn the_first_byte_is_due_after_ten_seconds_and_everything_after_sixty() {
    let mut driver = Driver::connected();
    let id = driver.call(on());
    driver.pass(9.9);
    assert!(!driver.is_over(id));
    driver.pass(0.2);
    let error = driver.take_outcome(id).unwrap_err();
    let opening = CallProblem::TimedOut {
        phase: Some(CallPhase::Opening),
        after: seconds(10.0),
    };
    assert_eq!(problem(&error), &opening);
    assert!(!error.may_have_been_carried_out);
    assert_eq!(driver.done.pop(), Some(Done::Abandon));

    let id = driver.call(on());
    driver.call_phase(CallPhase::Sent);
    driver.pass(10.1);
    let error = driver.take_outcome(id).unwrap_err();
    assert!(error.may_have_been_carried_out);
    assert_eq!(
        error.to_string(),
        "no answer within 10 s (it was sent); the command may have been carried out"
    );

    let id = driver.call(rest::nodes());
    driver.call_phase(CallPhase::Answering);
    // A late report does not set the phase back.
    driver.call_phase(CallPhase::Sent);
    for _ in 0..59 {
        driver.event(0, "_0", "90", "");
        driver.pass(1.0);
    }
    assert!(!driver.is_over(id));
    driver.pass(1.1);
    let error = driver.take_outcome(id).unwrap_err();
    let answering = CallProblem::TimedOut {
        phase: Some(CallPhase::Answering),
        after: seconds(60.0),
    };
    assert_eq!(problem(&error), &answering);
    assert!(!error.may_have_been_carried_out, "a read changes nothing");
}

#[test]
fn a_call_refused_by_a_busy_controller_is_repeated_after_a_quarter_one_and_two_seconds() {
    for (status, call) in [
        (404, rest::status().request().clone()),
        (503, rest::programs().request().clone()),
        (404, on().into()),
        (503, on().into()),
    ] {
        let mut driver = Driver::connected();
        let id = driver.call(call);
        for wait in [0.25, 1.0, 2.0] {
            driver.answer_call(status, "");
            driver.pass(wait - 0.01);
            assert!(driver.gets.is_empty());
            driver.pass(0.02);
        }
        driver.answer_call(status, "");
        let [first, second, third, fourth] = sent(&driver)[..] else {
            panic!("it was sent four times")
        };
        assert!(first == 0.0 && (0.25..0.3).contains(&second));
        assert!((1.0..1.05).contains(&(third - second)) && (2.0..2.05).contains(&(fourth - third)));
        let error = driver.take_outcome(id).unwrap_err();
        assert!(matches!(
            problem(&error),
            CallProblem::Refused { attempts: 4, .. }
        ));
    }
}

#[test]
fn a_call_whose_limit_ends_before_its_repeat_is_not_sent_again() {
    for repeat in [2.0, 5.0] {
        let mut timing = Timing::default();
        (timing.call, timing.call_repeats) = (seconds(2.0), vec![seconds(repeat)]);
        let mut driver = Driver::with(|config| config.timing(timing)).into_connected();
        let id = driver.call(on());
        driver.answer_call(503, "");
        driver.pass(1.999);
        assert!(!driver.is_over(id));
        driver.pass(0.001);
        let error = driver.take_outcome(id).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the controller is busy (HTTP 503)",
            "the refusal explains more than the limit"
        );
        assert_eq!(driver.sent.len(), 1);
    }
}

#[test]
fn the_answer_to_a_repeat_is_the_answer_of_the_call() {
    let mut driver = Driver::connected();
    let id = driver.call(on());
    driver.answer_call(503, "");
    driver.pass(0.3);
    driver.answer_call(200, ACCEPTED);
    assert!(driver.take_outcome(id).is_ok());
}

#[test]
fn only_absolute_commands_are_repeated() {
    let mut driver = Driver::connected();
    let id = driver.call(Command::brighten(LAMP).unwrap());
    driver.answer_call(404, "");
    let error = driver.take_outcome(id).unwrap_err();
    assert!(error.may_have_been_carried_out, "a busy controller may act");
    assert_eq!(
        error.to_string(),
        "the item does not exist or does not support this, or the controller was busy (HTTP 404); the command may have been carried out"
    );
    let id = driver.call(Command::network_resource(3));
    driver.answer_call(503, "");
    assert!(
        !driver
            .take_outcome(id)
            .unwrap_err()
            .may_have_been_carried_out
    );
}

#[test]
fn a_404_is_an_empty_answer_if_there_may_be_no_items() {
    let mut driver = Driver::connected();
    let definitions = rest::variable_definitions(VariableType::Integer);
    // The 404 is the HTTP status, or the status in the body.
    for status in [404, 200] {
        let id = driver.call(definitions.request().clone());
        driver.answer_call(
            status,
            "<RestResponse succeeded=\"false\"><status>404</status></RestResponse>",
        );
        let none = definitions.outcome(driver.take_outcome(id)).unwrap();
        assert!(none.definitions.is_empty());
    }
    let resources = rest::network_resources();
    let id = driver.call(resources.request().clone());
    driver.answer_call(404, "");
    let none = resources.outcome(driver.take_outcome(id)).unwrap();
    assert!(none.resources.is_empty());
    let id = driver.call(rest::get("/api/nothing").unwrap());
    driver.answer_call(404, "");
    let error = driver.take_outcome(id).unwrap_err();
    assert!(matches!(
        problem(&error),
        CallProblem::Refused {
            status: 404,
            attempts: 1,
            ..
        }
    ));
}

#[test]
fn a_refusal_inside_200_is_a_refusal() {
    let mut driver = Driver::connected();
    let id = driver.call(Command::beep(LAMP).unwrap());
    let body = r#"<RestResponse succeeded="false"><status>400</status><reason code="-5">no such command</reason></RestResponse>"#;
    driver.answer_call(200, body);
    let error = driver.take_outcome(id).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the controller refused the request (HTTP 400); it says \"no such command\""
    );
    // A busy status in the body causes a repeat, too.
    let id = driver.call(on());
    driver.answer_call(
        200,
        r#"<RestResponse succeeded="false"><status>503</status></RestResponse>"#,
    );
    assert!(!driver.is_over(id));
    driver.pass(0.3);
    driver.answer_call(200, ACCEPTED);
    assert!(driver.take_outcome(id).is_ok());
}

#[test]
fn a_refusal_that_repeats_the_credentials_is_not_shown() {
    let mut driver = Driver::connected();
    for shown in ["secret", "YWRtaW46c2VjcmV0"] {
        let id = driver.call(Command::beep(LAMP).unwrap());
        let body = format!(r#"{{"successful":false,"message":"what is {shown} to me?"}}"#);
        driver.answer_call(400, &body);
        let error = driver.take_outcome(id).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the controller refused the request (HTTP 400)"
        );
    }
}

#[test]
fn a_web_page_is_not_an_answer_to_a_command() {
    let mut driver = Driver::connected();
    let call: rest::Call<rest::Accepted> = on().into();
    let id = driver.call(call.request().clone());
    driver.answer_call(200, "<html><head><title>Sign in</title></head></html>");
    let error = call.outcome(driver.take_outcome(id)).unwrap_err();
    assert_eq!(error.code(), "unreadable_answer");
    assert!(error.may_have_been_carried_out);
}

#[test]
fn a_newer_command_to_the_same_target_cancels_the_older_ones_repeats() {
    let mut driver = Driver::connected();
    let older = driver.call(on());
    driver.answer_call(503, "");
    let other = driver.call(Command::on("2 2 2 1").unwrap());
    let newer = driver.call(off());
    let error = driver.take_outcome(older).unwrap_err();
    assert_eq!(problem(&error), &CallProblem::Superseded { status: 503 });
    assert_eq!(driver.gets.len(), 2, "the newer one is sent at once");
    driver.answer_call(200, ACCEPTED);
    driver.answer_call(200, ACCEPTED);
    assert!(driver.take_outcome(other).is_ok() && driver.take_outcome(newer).is_ok());
    driver.pass(5.0);
    assert_eq!(driver.sent.len(), 3);
}

#[test]
fn a_newer_command_does_not_cancel_repeats_to_another_target() {
    let mut driver = Driver::connected();
    let lamp = driver.call(on());
    driver.answer_call(503, "");
    let fan = driver.call(Command::on("2 2 2 1").unwrap());
    driver.answer_call(503, "");
    driver.call(Command::off("2 2 2 1").unwrap());
    let error = driver.take_outcome(fan).unwrap_err();
    assert_eq!(problem(&error), &CallProblem::Superseded { status: 503 });
    driver.answer_call(200, ACCEPTED);
    driver.pass(0.25);
    driver.answer_call(200, ACCEPTED);
    assert!(driver.take_outcome(lamp).is_ok());
}

#[test]
fn an_accepted_command_that_waits_for_its_event_is_not_superseded() {
    let mut driver = Driver::connected();
    let house = ControllerState::new();
    let older = driver.call(on().confirmed(Duration::from_secs(5), &house));
    driver.answer_call(503, "");
    driver.pass(0.25);
    driver.answer_call(200, ACCEPTED);
    driver.call(off());
    driver.event(1, "ST", "255", LAMP);
    let answer = driver.take_outcome(older).unwrap();
    assert_eq!(answer.confirmation, Some(Confirmation::Confirmed));
}

#[test]
fn a_command_answered_with_404_may_have_been_carried_out_whatever_follows() {
    let mut driver = portal::connected(3600.0);
    let id = driver.call(on());
    driver.answer_call(404, "");
    driver.pass(0.25);
    driver.answer_call(401, "");
    driver.grant("two", 3600.0);
    driver.answer_call(401, "");
    let error = driver.take_outcome(id).unwrap_err();
    assert_eq!(
        problem(&error),
        &CallProblem::CredentialsRefused { status: 401 }
    );
    assert!(error.may_have_been_carried_out);
}

#[test]
fn a_command_in_flight_is_not_repeated_once_there_is_a_newer_one() {
    let mut driver = Driver::connected();
    let older = driver.call(on());
    let newer = driver.call(Command::level(LAMP, Level::raw(20)).unwrap());
    assert_eq!(driver.gets.len(), 1, "one after the other");
    driver.answer_call(404, "");
    let error = driver.take_outcome(older).unwrap_err();
    assert_eq!(problem(&error), &CallProblem::Superseded { status: 404 });
    assert!(error.may_have_been_carried_out);
    driver.answer_call(200, ACCEPTED);
    assert!(driver.take_outcome(newer).is_ok());
}

#[test]
fn commands_to_one_target_keep_their_order() {
    let mut driver = Driver::connected();
    driver.call(Command::brighten(LAMP).unwrap());
    driver.call(Command::brighten(LAMP).unwrap());
    driver.call(Command::off("01.01.01.1").unwrap());
    driver.call(Command::disable(LAMP).unwrap());
    assert_eq!(
        paths(&driver),
        [
            "/rest/nodes/1%201%201%201/cmd/BRT",
            "/rest/nodes/1%201%201%201/disable"
        ]
    );
    driver.answer_call(200, ACCEPTED);
    driver.answer_call(200, ACCEPTED);
    assert_eq!(paths(&driver).len(), 3);
    driver.answer_call(200, ACCEPTED);
    assert_eq!(paths(&driver)[3], "/rest/nodes/01.01.01.1/cmd/DOF");
}

#[test]
fn commands_to_one_program_or_variable_keep_their_order() {
    let (kind, number) = (VariableType::Integer, 3);
    let variable = VariableId { kind, number };
    let mut driver = Driver::connected();
    for command in [
        Command::program(ProgramId::new(1), ProgramCommand::RunThen),
        Command::program(ProgramId::new(1), ProgramCommand::RunElse),
        Command::program(ProgramId::new(2), ProgramCommand::Stop),
        Command::variable(variable, VariableField::Value, 7),
        Command::variable(variable, VariableField::Value, 8),
    ] {
        driver.call(command);
    }
    let first = [
        "/rest/programs/0001/runThen",
        "/rest/programs/0002/stop",
        "/rest/vars/set/1/3/7",
    ];
    assert_eq!(paths(&driver), first);
    driver.answer_call(200, ACCEPTED);
    assert_eq!(paths(&driver)[3..], ["/rest/programs/0001/runElse"]);
    driver.answer_call(200, ACCEPTED);
    driver.answer_call(200, ACCEPTED);
    assert_eq!(paths(&driver)[4..], ["/rest/vars/set/1/3/8"]);
}

#[test]
fn only_a_command_may_have_been_carried_out() {
    let may = |error: CallError| error.may_have_been_carried_out;
    let command: rest::Call<rest::Accepted> = on().into();
    let read = rest::status();
    assert!(may(command
        .outcome(Err(CallError::driver_gone()))
        .unwrap_err()));
    assert!(!may(read
        .outcome(Err(CallError::driver_gone()))
        .unwrap_err()));
    let unsent = CallError::without_effect(CallProblem::Stopped);
    assert!(!may(command.outcome(Err(unsent)).unwrap_err()));
    let mut driver = Driver::connected();
    let id = driver.call(read.request().clone());
    driver.answer_call(200, "<vars/>");
    assert!(!may(read.outcome(driver.take_outcome(id)).unwrap_err()));
}

#[test]
fn a_failure_after_the_request_was_sent_says_that_it_may_have_been_carried_out() {
    let mut driver = Driver::connected();
    let id = driver.call(on());
    driver.fail_call(reset());
    assert!(
        !driver
            .take_outcome(id)
            .unwrap_err()
            .may_have_been_carried_out
    );
    let id = driver.call(on());
    driver.call_phase(CallPhase::Sent);
    driver.fail_call(reset());
    let error = driver.take_outcome(id).unwrap_err();
    assert_eq!(
        error.to_string(),
        "reset; the command may have been carried out"
    );
    let id = driver.call(rest::status());
    driver.call_phase(CallPhase::Sent);
    driver.fail_call(reset());
    assert!(
        !driver
            .take_outcome(id)
            .unwrap_err()
            .may_have_been_carried_out
    );
    assert_eq!(driver.status(), Status::Connected);
}

#[test]
fn an_exchange_that_has_ended_is_not_abandoned() {
    let mut driver = Driver::connected();
    let id = driver.call(on());
    driver.fail_call(reset());
    assert_eq!(
        driver.take_outcome(id).unwrap_err().code(),
        "connection_reset"
    );
    let id = driver.call(on());
    let (request, _) = driver.gets.remove(0);
    let stream = &mut driver.stream;
    stream.http_answered(driver.now, request, Err(ExchangeError::Tls));
    driver.drain();
    let error = driver.take_outcome(id).unwrap_err();
    assert_eq!(error.code(), "not_http");
    assert!(error.may_have_been_carried_out, "something has answered");
    assert!(driver.done.is_empty());
}

#[test]
fn a_call_can_be_cancelled() {
    let mut driver = Driver::connected();
    let id = driver.call(on());
    driver.call_phase(CallPhase::Sent);
    driver.stream.cancel_call(driver.now, id);
    driver.drain();
    let error = driver.take_outcome(id).unwrap_err();
    assert_eq!(problem(&error), &CallProblem::Cancelled);
    assert!(error.may_have_been_carried_out);
    assert_eq!(driver.done.pop(), Some(Done::Abandon));
    driver.stream.cancel_call(driver.now, id);
    driver.drain();
    assert!(driver.calls_done.is_empty());
}

#[test]
fn a_stop_ends_pending_calls() {
    let mut driver = Driver::connected();
    let sent = driver.call(on());
    driver.call_phase(CallPhase::Sent);
    let queued = driver.call(off());
    driver.stop();
    let error = driver.take_outcome(sent).unwrap_err();
    assert_eq!(problem(&error), &CallProblem::Stopped);
    assert!(error.may_have_been_carried_out);
    assert!(
        !driver
            .take_outcome(queued)
            .unwrap_err()
            .may_have_been_carried_out
    );
    let late = driver.call(on());
    assert_eq!(
        problem(&driver.take_outcome(late).unwrap_err()),
        &CallProblem::Stopped
    );
}

#[test]
fn calls_continue_when_the_streams_connection_is_lost() {
    let mut driver = Driver::connected();
    let id = driver.call(rest::status());
    driver.closed();
    driver.answer_call(200, STATUS);
    assert!(driver.take_outcome(id).is_ok());
    assert_eq!(driver.status(), Status::LostConnection);
}

#[test]
fn calls_do_not_delay_the_heartbeat_deadline_or_a_reconnect() {
    let mut driver = Driver::connected();
    driver.event(0, "_0", "60", "");
    let heard = driver.now.monotonic;
    // One call per second, which is answered.
    for _ in 0..61 {
        driver.call(rest::status());
        driver.pass(0.5);
        driver.answer_call(200, STATUS);
        driver.pass(0.5);
    }
    driver.pass(1.1);
    assert_eq!(driver.last_reason().code(), "stalled");
    assert!((driver.now.monotonic - heard).as_secs_f64() < 62.2);
    let lost = driver.now.monotonic;
    driver.call(rest::status());
    driver.pass(1.0);
    assert!(driver.upgrade.is_some());
    assert_eq!((driver.now.monotonic - lost).as_secs_f64(), 1.0);
}

#[test]
fn a_401_for_a_local_account_refuses_the_call_and_does_not_affect_the_stream() {
    let mut driver = Driver::connected();
    for status in [401, 403] {
        let id = driver.call(on());
        driver.answer_call(status, "");
        let error = driver.take_outcome(id).unwrap_err();
        assert_eq!(problem(&error), &CallProblem::CredentialsRefused { status });
        assert!(!error.may_have_been_carried_out);
    }
    assert_eq!(driver.status(), Status::Connected);
    assert!(driver.notifications.is_empty());
}

#[test]
fn a_stale_token_is_refreshed_once_for_all_waiting_calls() {
    let mut driver = portal::connected(3600.0);
    for _ in 0..72 {
        driver.pass(50.0);
        driver.event(0, "_0", "90", "");
    }
    let calls = [driver.call(rest::status()), driver.call(rest::nodes())];
    assert_eq!(driver.posts, [LOGIN, REFRESH]);
    assert!(driver.gets.is_empty());
    driver.grant("two", 3600.0);
    assert_eq!(driver.gets.len(), 2);
    let token = pretend::access_token(driver.now, "two", 3600.0);
    assert!(driver.get().contains(&format!("Bearer {token}\r\n")));
    driver.answer_call(200, STATUS);
    driver.answer_call(200, "<nodes/>");
    for id in calls {
        assert!(driver.take_outcome(id).is_ok());
    }
    assert_eq!(driver.posts, [LOGIN, REFRESH]);
    assert_eq!(driver.status(), Status::Connected);
}

#[test]
fn a_401_renews_the_tokens_once_for_all_calls() {
    let mut driver = portal::connected(3600.0);
    let calls = [driver.call(on()), driver.call(rest::status())];
    driver.answer_call(401, "");
    assert_eq!(driver.posts, [LOGIN, REFRESH]);
    driver.grant("two", 3600.0);
    // The other one was sent with the old tokens.
    driver.answer_call(401, "");
    assert_eq!(driver.posts, [LOGIN, REFRESH]);
    assert_eq!(driver.gets.len(), 2);
    driver.answer_call(200, ACCEPTED);
    driver.answer_call(200, STATUS);
    for id in calls {
        assert!(driver.take_outcome(id).is_ok());
    }
    assert_eq!(driver.status(), Status::Connected);
}

#[test]
fn new_tokens_are_used_regardless_of_their_lifetime() {
    let mut driver = portal::connected(30.0);
    for renewals in [0, 0, 1, 1, 2] {
        let id = driver.call(rest::status());
        if driver.http.is_some() {
            driver.grant("short", 30.0);
        }
        assert_eq!(driver.posts.len(), 1 + renewals);
        driver.answer_call(200, STATUS);
        assert!(driver.take_outcome(id).is_ok());
        driver.pass(5.1);
        driver.event(0, "_0", "90", "");
    }
    // A token from the caller, which has expired by the local clock.
    let mut driver = Driver::with(Config::own_tokens);
    let expired = pretend::access_token(driver.now, "expired", 0.0);
    driver.start();
    driver.token(Some(&expired));
    driver.accept();
    driver.become_connected();
    driver.pass(10.0);
    let call = driver.call(rest::status());
    assert!(!driver.token(Some(&expired)));
    assert!(driver.token_request.is_none());
    driver.answer_call(200, STATUS);
    assert!(driver.take_outcome(call).is_ok());
}

#[test]
fn a_short_lived_token_is_used_for_as_long_as_an_exchange_may_take() {
    // Connected for a second, with a token that is one second old.
    let mut driver = portal::connected(30.0);
    driver.pass(8.999);
    driver.call(rest::status());
    assert_eq!(driver.posts, [LOGIN]);
    driver.answer_call(200, STATUS);
    driver.pass(0.001);
    driver.call(rest::status());
    assert_eq!(driver.posts, [LOGIN, REFRESH]);
}

#[test]
fn tokens_are_renewed_again_five_minutes_after_a_renewal_that_did_not_help() {
    let mut driver = portal::connected(3600.0);
    driver.call(rest::get("/api/secret").unwrap());
    driver.answer_call(401, "");
    driver.grant("two", 3600.0);
    driver.answer_call(401, "");
    for _ in 0..9 {
        driver.pass(30.0);
        driver.event(1, "_0", "90", "");
    }
    driver.pass(29.999);
    driver.call(rest::get("/api/secret").unwrap());
    driver.answer_call(401, "");
    assert_eq!(driver.posts, [LOGIN, REFRESH]);
    driver.pass(0.001);
    driver.call(rest::get("/api/secret").unwrap());
    driver.answer_call(401, "");
    assert_eq!(driver.posts, [LOGIN, REFRESH, REFRESH]);
}

#[test]
fn a_call_that_no_token_allows_is_refused_after_one_renewal() {
    let mut driver = portal::connected(3600.0);
    for posts in [2, 2, 2] {
        let id = driver.call(rest::get("/api/secret").unwrap());
        driver.answer_call(401, "");
        if driver.http.is_some() {
            driver.grant("two", 3600.0);
            driver.answer_call(401, "");
        }
        let error = driver.take_outcome(id).unwrap_err();
        assert_eq!(
            problem(&error),
            &CallProblem::CredentialsRefused { status: 401 }
        );
        assert_eq!(driver.posts.len(), posts);
    }
    // After five minutes a 401 may have another cause, such as a controller that has lost its
    // tokens.
    for _ in 0..11 {
        driver.pass(28.0);
        driver.event(1, "_0", "90", "");
    }
    driver.call(rest::get("/api/secret").unwrap());
    driver.answer_call(401, "");
    driver.grant("three", 3600.0);
    driver.answer_call(401, "");
    // The tokens are good: the stream keeps them.
    reconnect(&mut driver);
    let token = pretend::access_token(driver.now, "three", 3600.0 - 1.0);
    assert!(driver.request().contains(&format!("Bearer {token}\r\n")));
    assert_eq!(driver.posts, [LOGIN, REFRESH, REFRESH]);
}

#[test]
fn a_refused_renewal_ends_the_calls_but_not_the_stream() {
    let mut driver = portal::connected(3600.0);
    let id = driver.call(on());
    driver.answer_call(401, "");
    driver.answer_post(401, "");
    assert_eq!(driver.posts, [LOGIN, REFRESH, LOGIN]);
    driver.answer_post(401, "");
    let error = driver.take_outcome(id).unwrap_err();
    assert_eq!(
        problem(&error),
        &CallProblem::NotSignedIn(Reason::LoginRefused { status: 401 })
    );
    assert_eq!(driver.status(), Status::Connected);
    assert!(driver.notifications.is_empty());
}

#[test]
fn a_renewal_that_hangs_ends_the_calls_after_its_limit() {
    let mut driver = portal::connected(3600.0);
    let id = driver.call(on());
    driver.answer_call(401, "");
    driver.pass(10.1);
    assert_eq!(driver.done.pop(), Some(Done::Abandon));
    let error = driver.take_outcome(id).unwrap_err();
    assert_eq!(error.code(), "not_signed_in");
    assert_eq!(driver.status(), Status::Connected);
}

#[test]
fn an_attempt_adopts_the_renewal_that_a_call_has_started() {
    let mut driver = portal::connected(3600.0);
    let id = driver.call(rest::status());
    driver.answer_call(401, "");
    driver.closed();
    driver.pass(1.0);
    assert_eq!(driver.posts, [LOGIN, REFRESH], "one renewal at a time");
    assert!(driver.upgrade.is_none());
    driver.grant("two", 3600.0);
    driver.accept();
    driver.answer_call(200, STATUS);
    assert!(driver.take_outcome(id).is_ok());
    assert_eq!(driver.posts, [LOGIN, REFRESH]);
}

#[test]
fn an_adopted_renewal_keeps_its_time_limit() {
    let mut driver = portal::connected(3600.0);
    driver.call(rest::status());
    driver.answer_call(401, "");
    driver.pass(5.0);
    driver.closed();
    driver.pass(1.0);
    assert_eq!(driver.status(), Status::StreamInitializing);
    // The renewal has been in flight for six seconds.
    driver.pass(3.9);
    assert_eq!(driver.status(), Status::StreamInitializing);
    driver.pass(0.2);
    assert_eq!(driver.status(), Status::LostConnection);
}

#[test]
fn a_stop_waits_for_the_renewal_that_a_call_has_started_and_ends_its_session() {
    let mut driver = portal::connected(3600.0);
    driver.call(rest::status());
    driver.answer_call(401, "");
    driver.stop();
    assert_eq!(driver.posts, [LOGIN, REFRESH]);
    driver.grant("two", 3600.0);
    assert_eq!(driver.posts, [LOGIN, REFRESH, LOGOUT]);
}

#[test]
fn own_tokens_are_requested_when_a_call_is_refused() {
    let mut driver = Driver::with(Config::own_tokens);
    driver.start();
    driver.token(Some("mine"));
    driver.accept();
    driver.become_connected();
    let call = driver.call(rest::status());
    driver.answer_call(401, "");
    assert!(driver.token(Some("another")));
    assert!(driver.get().contains("Bearer another\r\n"));
    driver.answer_call(200, STATUS);
    assert!(driver.take_outcome(call).is_ok());
    // The caller has no token at present.
    let call = driver.call(rest::status());
    driver.answer_call(401, "");
    driver.token(None);
    let error = driver.take_outcome(call).unwrap_err();
    assert_eq!(problem(&error), &CallProblem::NotSignedIn(Reason::NoToken));
    assert_eq!(driver.status(), Status::Connected);
}

#[test]
fn a_stop_drops_the_token_request_of_a_call() {
    let mut driver = Driver::with(Config::own_tokens);
    driver.start();
    driver.token(Some("mine"));
    driver.accept();
    driver.become_connected();
    driver.call(rest::status());
    driver.answer_call(401, "");
    let (dropped, _) = driver.token_request.take().unwrap();
    driver.stop();
    assert_eq!(driver.done, [Done::Abandon, Done::Close(1000)]);
    assert_eq!(driver.stream.call_deadline(), None);
    driver.closed();
    assert_eq!(driver.status(), Status::Disconnected);
    // The next start sends its own request for a token.
    driver.start();
    let (asked, rejected) = driver.token_request.take().unwrap();
    assert!(asked != dropped && !rejected);
}

#[test]
fn a_stream_that_gives_up_drops_the_renewal_that_a_call_has_started() {
    let mut driver = portal::connected(3600.0);
    let id = driver.call(rest::status());
    driver.answer_call(401, "");
    let (dropped, _) = driver.http.take().unwrap();
    let failure = Failure::identity(IdentityProblem::WrongPin, "sha256:00", "not this one");
    driver.fail_with(failure);
    assert_eq!(driver.status(), Status::ReconnectFailed);
    assert_eq!(driver.done, [Done::Abandon]);
    assert_eq!(driver.take_outcome(id).unwrap_err().code(), "not_running");
    // The next start sends its own login.
    driver.start();
    let (login, _) = driver.http.take().unwrap();
    assert_ne!(login, dropped);
    assert_eq!(driver.posts, [LOGIN, REFRESH, LOGIN]);
}

#[test]
fn an_answer_may_have_sixteen_mebibytes() {
    let mut driver = Driver::connected();
    let id = driver.call(rest::get("/rest/nodes").unwrap());
    driver.answer_call(200, &"x".repeat(16 * 1024 * 1024));
    assert_eq!(
        driver.take_outcome(id).unwrap().body.len(),
        16 * 1024 * 1024
    );
    let id = driver.call(rest::get("/rest/nodes").unwrap());
    driver.answer_call(200, &"x".repeat(16 * 1024 * 1024 + 1));
    assert_eq!(driver.take_outcome(id).unwrap_err().code(), "not_http");
}

#[test]
fn repeats_can_be_turned_off() {
    let mut timing = Timing::default();
    timing.call_repeats = Vec::new();
    let mut driver = Driver::with(|config| config.timing(timing)).into_connected();
    let id = driver.call(on());
    driver.answer_call(503, "");
    assert!(driver.is_over(id));
}

#[test]
fn late_reports_on_a_call_that_has_ended_change_nothing() {
    let mut driver = Driver::connected();
    let id = driver.call(on());
    let (request, _) = driver.gets[0];
    driver.answer_call(200, ACCEPTED);
    assert!(driver.take_outcome(id).is_ok());
    let stream = &mut driver.stream;
    stream.call_phase(driver.now, request, CallPhase::Answering);
    stream.http_failed(driver.now, request, reset());
    stream.http_answered(driver.now, request, Ok(http::Response::new(Vec::new())));
    driver.drain();
    assert!(driver.calls_done.is_empty() && driver.notifications.is_empty());
}

#[test]
fn calls_end_in_time_while_a_consumer_keeps_the_driver_from_reading() {
    let mut driver = Driver::connected();
    let id = driver.call(rest::status());
    let deadline = driver.stream.call_deadline().unwrap();
    assert_eq!(deadline.at, driver.now.monotonic + seconds(10.0));
    driver.block(10.0);
    driver.stream.tick_calls(driver.now);
    driver.drain();
    assert!(driver.take_outcome(id).is_err());
    assert_eq!(driver.stream.call_deadline(), None);
    // None of this time counts as silence of the controller.
    driver.block(200.0);
    driver.stream.tick_calls(driver.now);
    driver.drain();
    assert_eq!(driver.status(), Status::Connected);
}
