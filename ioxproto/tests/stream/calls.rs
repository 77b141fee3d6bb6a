//! Calls that run alongside the stream.

use std::time::Duration;

use ioxproto::rest::{
    self, CallError, CallPhase, CallProblem, Command, Confirmation, Level, ProgramCommand,
};
use ioxproto::state::ControllerState;
use ioxproto::view::{ProgramId, VariableField, VariableId, VariableType};
use ioxproto::{
    Config, ExchangeError, Failure, FailureKind, IdentityProblem, Profile, Reason, Secret, Status,
    Timing,
};

use crate::harness::{Done, Harness, seconds};
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
fn sent(harness: &Harness) -> Vec<f64> {
    let first = harness.sent[0].0;
    let since = |(at, _): &(Duration, String)| (*at - first).as_secs_f64();
    harness.sent.iter().map(since).collect()
}

fn paths(harness: &Harness) -> Vec<&str> {
    harness.sent.iter().map(|(_, path)| path.as_str()).collect()
}

fn reset() -> Failure {
    Failure::transport(FailureKind::ConnectionReset, "reset")
}

#[test]
fn a_call_is_a_request_with_the_account_and_its_answer() {
    let mut harness = Harness::connected();
    let status = rest::status();
    let id = harness.call(status.request().clone());
    assert_eq!(
        harness.get(),
        "GET /rest/status HTTP/1.1\r\nHost: eisy.test:8080\r\nAccept: */*\r\n\
         Authorization: Basic YWRtaW46c2VjcmV0\r\n\r\n"
    );
    assert!(harness.stream.has_calls());
    harness.answer_call(200, STATUS);
    let statuses = status.outcome(harness.outcome(id)).unwrap();
    assert_eq!(statuses.nodes[0].address, LAMP);
    assert!(!harness.stream.has_calls());
    assert_eq!(harness.stream.status(), Status::Connected);
    assert!(harness.notifications.is_empty());
}

#[test]
fn a_call_at_rest_fails_at_once() {
    let mut harness = Harness::new();
    let id = harness.call(rest::status());
    let error = harness.outcome(id).unwrap_err();
    assert_eq!(error.to_string(), "the stream is not running");
    harness.start();
    harness.refuse(401, "");
    assert_eq!(harness.stream.status(), Status::ReconnectFailed);
    let id = harness.call(rest::status());
    let error = harness.outcome(id).unwrap_err();
    assert!(matches!(
        problem(&error),
        CallProblem::NotRunning {
            reason: Some(Reason::CredentialsRefused { status: 401 })
        }
    ));
}

#[test]
fn calls_wait_while_the_stream_connects_and_are_sent_once_it_is_accepted() {
    let mut harness = Harness::new();
    harness.start();
    let id = harness.call(rest::status());
    assert!(harness.gets.is_empty() && !harness.is_over(id));
    harness.accept();
    assert_eq!(harness.gets.len(), 1, "the replay need not be over");
    harness.answer_call(200, STATUS);
    assert!(harness.outcome(id).is_ok());
}

#[test]
fn calls_wait_while_the_stream_reconnects_within_their_limit() {
    let mut harness = Harness::connected();
    harness.closed();
    let id = harness.call(rest::status());
    harness.pass(0.9);
    assert!(harness.gets.is_empty());
    harness.pass(0.2);
    harness.accept();
    harness.answer_call(200, STATUS);
    assert!(harness.outcome(id).is_ok());

    let mut harness = Harness::new();
    harness.start();
    let id = harness.call(on());
    harness.refuse(503, "");
    for _ in 0..4 {
        harness.pass(harness.last_wait());
        harness.drain();
        harness.refuse(503, "");
    }
    // Attempts at 0, 1, 3, 8, 18 s; the next one at 48, then 108.
    harness.pass(41.9);
    harness.drain();
    assert!(!harness.is_over(id));
    harness.pass(0.2);
    harness.drain();
    let error = harness.outcome(id).unwrap_err();
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
    let in_flight = |mut harness: Harness| {
        for _ in 0..9 {
            harness.call(rest::status());
        }
        let first = harness.gets.len();
        harness.answer_call(200, STATUS);
        assert_eq!(harness.gets.len(), first, "the next one follows");
        first
    };
    let syncing = |change: &dyn Fn(Config) -> Config| Harness::with(change).into_syncing();
    assert_eq!(in_flight(syncing(&|config| tls(isy(config)))), 1);
    assert_eq!(in_flight(syncing(&isy)), 2);
    assert_eq!(in_flight(syncing(&tls)), 4);
    assert_eq!(in_flight(Harness::syncing()), 4);
    // A controller that was recognised as an ISY-994.
    let mut harness = Harness::new();
    harness.start();
    harness.refuse(400, "");
    harness.accept();
    assert_eq!(in_flight(harness), 2);
}

#[test]
fn the_queue_is_bounded() {
    let mut harness = Harness::with(|config| config.max_calls(3)).into_connected();
    let calls: Vec<_> = (0..4).map(|_| harness.call(rest::status())).collect();
    let error = harness.outcome(calls[3]).unwrap_err();
    assert_eq!(problem(&error), &CallProblem::QueueFull { limit: 3 });
    harness.answer_call(200, STATUS);
    let more = harness.call(rest::status());
    assert!(!harness.is_over(more));
}

#[test]
fn the_first_byte_is_due_after_ten_seconds_and_everything_after_sixty() {
    let mut harness = Harness::connected();
    let id = harness.call(on());
    harness.pass(9.9);
    assert!(!harness.is_over(id));
    harness.pass(0.2);
    harness.drain();
    let error = harness.outcome(id).unwrap_err();
    let opening = CallProblem::TimedOut {
        phase: Some(CallPhase::Opening),
        after: seconds(10.0),
    };
    assert_eq!(problem(&error), &opening);
    assert!(!error.may_have_been_carried_out);
    assert_eq!(harness.done.pop(), Some(Done::Abandon));

    let id = harness.call(on());
    harness.call_phase(CallPhase::Sent);
    harness.pass(10.1);
    harness.drain();
    let error = harness.outcome(id).unwrap_err();
    assert!(error.may_have_been_carried_out);
    assert_eq!(
        error.to_string(),
        "no answer within 10 s (it was sent); the command may have been carried out"
    );

    let id = harness.call(rest::nodes());
    harness.call_phase(CallPhase::Answering);
    // A late report does not set the phase back.
    harness.call_phase(CallPhase::Sent);
    for _ in 0..59 {
        harness.event(0, "_0", "90", "");
        harness.pass(1.0);
    }
    assert!(!harness.is_over(id));
    harness.pass(1.1);
    harness.drain();
    let error = harness.outcome(id).unwrap_err();
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
        let mut harness = Harness::connected();
        let id = harness.call(call);
        for wait in [0.25, 1.0, 2.0] {
            harness.answer_call(status, "");
            harness.pass(wait - 0.01);
            assert!(harness.gets.is_empty());
            harness.pass(0.02);
            harness.drain();
        }
        harness.answer_call(status, "");
        let [first, second, third, fourth] = sent(&harness)[..] else {
            panic!("it was sent four times")
        };
        assert!(first == 0.0 && (0.25..0.3).contains(&second));
        assert!((1.0..1.05).contains(&(third - second)) && (2.0..2.05).contains(&(fourth - third)));
        let error = harness.outcome(id).unwrap_err();
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
        let mut harness = Harness::with(|config| config.timing(timing)).into_connected();
        let id = harness.call(on());
        harness.answer_call(503, "");
        harness.pass(1.999);
        harness.drain();
        assert!(!harness.is_over(id));
        harness.pass(0.001);
        harness.drain();
        let error = harness.outcome(id).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the controller is busy (HTTP 503)",
            "the refusal explains more than the limit"
        );
        assert_eq!(harness.sent.len(), 1);
    }
}

#[test]
fn the_answer_to_a_repeat_is_the_answer_of_the_call() {
    let mut harness = Harness::connected();
    let id = harness.call(on());
    harness.answer_call(503, "");
    harness.pass(0.3);
    harness.drain();
    harness.answer_call(200, ACCEPTED);
    assert!(harness.outcome(id).is_ok());
}

#[test]
fn only_absolute_commands_are_repeated() {
    let mut harness = Harness::connected();
    let id = harness.call(Command::brighten(LAMP).unwrap());
    harness.answer_call(404, "");
    let error = harness.outcome(id).unwrap_err();
    assert!(error.may_have_been_carried_out, "a busy controller may act");
    assert_eq!(
        error.to_string(),
        "the item does not exist, or the controller was busy (HTTP 404); the command may have been carried out"
    );
    let id = harness.call(Command::network_resource(3));
    harness.answer_call(503, "");
    assert!(!harness.outcome(id).unwrap_err().may_have_been_carried_out);
}

#[test]
fn a_404_is_an_empty_answer_if_there_may_be_no_items() {
    let mut harness = Harness::connected();
    let definitions = rest::variable_definitions(VariableType::Integer);
    // The 404 is the HTTP status, or the status in the body.
    for status in [404, 200] {
        let id = harness.call(definitions.request().clone());
        harness.answer_call(
            status,
            "<RestResponse succeeded=\"false\"><status>404</status></RestResponse>",
        );
        let none = definitions.outcome(harness.outcome(id)).unwrap();
        assert!(none.definitions.is_empty());
    }
    let resources = rest::network_resources();
    let id = harness.call(resources.request().clone());
    harness.answer_call(404, "");
    let none = resources.outcome(harness.outcome(id)).unwrap();
    assert!(none.resources.is_empty());
    let id = harness.call(rest::get("/api/nothing").unwrap());
    harness.answer_call(404, "");
    let error = harness.outcome(id).unwrap_err();
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
    let mut harness = Harness::connected();
    let id = harness.call(Command::beep(LAMP).unwrap());
    let body = r#"<RestResponse succeeded="false"><status>400</status><reason code="-5">no such command</reason></RestResponse>"#;
    harness.answer_call(200, body);
    let error = harness.outcome(id).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the controller refused the request (HTTP 400); it says \"no such command\""
    );
    // A busy status in the body causes a repeat, too.
    let id = harness.call(on());
    harness.answer_call(
        200,
        r#"<RestResponse succeeded="false"><status>503</status></RestResponse>"#,
    );
    assert!(!harness.is_over(id));
    harness.pass(0.3);
    harness.drain();
    harness.answer_call(200, ACCEPTED);
    assert!(harness.outcome(id).is_ok());
}

#[test]
fn a_refusal_that_repeats_the_credentials_is_not_shown() {
    let mut harness = Harness::connected();
    for shown in ["secret", "YWRtaW46c2VjcmV0"] {
        let id = harness.call(Command::beep(LAMP).unwrap());
        let body = format!(r#"{{"successful":false,"message":"what is {shown} to me?"}}"#);
        harness.answer_call(400, &body);
        let error = harness.outcome(id).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the controller refused the request (HTTP 400)"
        );
    }
}

#[test]
fn a_web_page_is_not_an_answer_to_a_command() {
    let mut harness = Harness::connected();
    let call: rest::Call<rest::Accepted> = on().into();
    let id = harness.call(call.request().clone());
    harness.answer_call(200, "<html><head><title>Sign in</title></head></html>");
    let error = call.outcome(harness.outcome(id)).unwrap_err();
    assert_eq!(error.code(), "unreadable_answer");
    assert!(error.may_have_been_carried_out);
}

#[test]
fn a_newer_command_to_the_same_target_cancels_the_older_ones_repeats() {
    let mut harness = Harness::connected();
    let older = harness.call(on());
    harness.answer_call(503, "");
    let other = harness.call(Command::on("2 2 2 1").unwrap());
    let newer = harness.call(off());
    let error = harness.outcome(older).unwrap_err();
    assert_eq!(problem(&error), &CallProblem::Superseded { status: 503 });
    assert_eq!(harness.gets.len(), 2, "the newer one is sent at once");
    harness.answer_call(200, ACCEPTED);
    harness.answer_call(200, ACCEPTED);
    assert!(harness.outcome(other).is_ok() && harness.outcome(newer).is_ok());
    harness.pass(5.0);
    harness.drain();
    assert_eq!(harness.sent.len(), 3);
}

#[test]
fn a_newer_command_does_not_cancel_repeats_to_another_target() {
    let mut harness = Harness::connected();
    let lamp = harness.call(on());
    harness.answer_call(503, "");
    let fan = harness.call(Command::on("2 2 2 1").unwrap());
    harness.answer_call(503, "");
    harness.call(Command::off("2 2 2 1").unwrap());
    let error = harness.outcome(fan).unwrap_err();
    assert_eq!(problem(&error), &CallProblem::Superseded { status: 503 });
    harness.answer_call(200, ACCEPTED);
    harness.pass(0.25);
    harness.drain();
    harness.answer_call(200, ACCEPTED);
    assert!(harness.outcome(lamp).is_ok());
}

#[test]
fn an_accepted_command_that_waits_for_its_event_is_not_superseded() {
    let mut harness = Harness::connected();
    let house = ControllerState::new();
    let older = harness.call(on().confirmed(Duration::from_secs(5), &house));
    harness.answer_call(503, "");
    harness.pass(0.25);
    harness.drain();
    harness.answer_call(200, ACCEPTED);
    harness.call(off());
    harness.event(1, "ST", "255", LAMP);
    let answer = harness.outcome(older).unwrap();
    assert_eq!(answer.confirmation, Some(Confirmation::Confirmed));
}

#[test]
fn a_command_answered_with_404_may_have_been_carried_out_whatever_follows() {
    let mut harness = portal::connected(3600.0);
    let id = harness.call(on());
    harness.answer_call(404, "");
    harness.pass(0.25);
    harness.drain();
    harness.answer_call(401, "");
    harness.grant("two", 3600.0);
    harness.answer_call(401, "");
    let error = harness.outcome(id).unwrap_err();
    assert_eq!(
        problem(&error),
        &CallProblem::CredentialsRefused { status: 401 }
    );
    assert!(error.may_have_been_carried_out);
}

#[test]
fn a_command_in_flight_is_not_repeated_once_there_is_a_newer_one() {
    let mut harness = Harness::connected();
    let older = harness.call(on());
    let newer = harness.call(Command::level(LAMP, Level::raw(20)).unwrap());
    assert_eq!(harness.gets.len(), 1, "one after the other");
    harness.answer_call(404, "");
    let error = harness.outcome(older).unwrap_err();
    assert_eq!(problem(&error), &CallProblem::Superseded { status: 404 });
    assert!(error.may_have_been_carried_out);
    harness.answer_call(200, ACCEPTED);
    assert!(harness.outcome(newer).is_ok());
}

#[test]
fn commands_to_one_target_keep_their_order() {
    let mut harness = Harness::connected();
    harness.call(Command::brighten(LAMP).unwrap());
    harness.call(Command::brighten(LAMP).unwrap());
    harness.call(Command::off("01.01.01.1").unwrap());
    harness.call(Command::disable(LAMP).unwrap());
    assert_eq!(
        paths(&harness),
        [
            "/rest/nodes/1%201%201%201/cmd/BRT",
            "/rest/nodes/1%201%201%201/disable"
        ]
    );
    harness.answer_call(200, ACCEPTED);
    harness.answer_call(200, ACCEPTED);
    assert_eq!(paths(&harness).len(), 3);
    harness.answer_call(200, ACCEPTED);
    assert_eq!(paths(&harness)[3], "/rest/nodes/01.01.01.1/cmd/DOF");
}

#[test]
fn commands_to_one_program_or_variable_keep_their_order() {
    let (kind, number) = (VariableType::Integer, 3);
    let variable = VariableId { kind, number };
    let mut harness = Harness::connected();
    for command in [
        Command::program(ProgramId::new(1), ProgramCommand::RunThen),
        Command::program(ProgramId::new(1), ProgramCommand::RunElse),
        Command::program(ProgramId::new(2), ProgramCommand::Stop),
        Command::variable(variable, VariableField::Value, 7),
        Command::variable(variable, VariableField::Value, 8),
    ] {
        harness.call(command);
    }
    let first = [
        "/rest/programs/0001/runThen",
        "/rest/programs/0002/stop",
        "/rest/vars/set/1/3/7",
    ];
    assert_eq!(paths(&harness), first);
    harness.answer_call(200, ACCEPTED);
    assert_eq!(paths(&harness)[3..], ["/rest/programs/0001/runElse"]);
    harness.answer_call(200, ACCEPTED);
    harness.answer_call(200, ACCEPTED);
    assert_eq!(paths(&harness)[4..], ["/rest/vars/set/1/3/8"]);
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
    let mut harness = Harness::connected();
    let id = harness.call(read.request().clone());
    harness.answer_call(200, "<vars/>");
    assert!(!may(read.outcome(harness.outcome(id)).unwrap_err()));
}

#[test]
fn a_failure_after_the_request_was_sent_says_that_it_may_have_been_carried_out() {
    let mut harness = Harness::connected();
    let id = harness.call(on());
    harness.fail_call(reset());
    assert!(!harness.outcome(id).unwrap_err().may_have_been_carried_out);
    let id = harness.call(on());
    harness.call_phase(CallPhase::Sent);
    harness.fail_call(reset());
    let error = harness.outcome(id).unwrap_err();
    assert_eq!(
        error.to_string(),
        "reset; the command may have been carried out"
    );
    let id = harness.call(rest::status());
    harness.call_phase(CallPhase::Sent);
    harness.fail_call(reset());
    assert!(!harness.outcome(id).unwrap_err().may_have_been_carried_out);
    assert_eq!(harness.stream.status(), Status::Connected);
}

#[test]
fn an_exchange_that_has_ended_is_not_abandoned() {
    let mut harness = Harness::connected();
    let id = harness.call(on());
    harness.fail_call(reset());
    assert_eq!(harness.outcome(id).unwrap_err().code(), "connection_reset");
    let id = harness.call(on());
    let (request, _) = harness.gets.remove(0);
    let stream = &mut harness.stream;
    stream.http_answered(harness.now, request, Err(ExchangeError::Tls));
    harness.drain();
    let error = harness.outcome(id).unwrap_err();
    assert_eq!(error.code(), "not_http");
    assert!(error.may_have_been_carried_out, "something has answered");
    assert!(harness.done.is_empty());
}

#[test]
fn a_call_can_be_cancelled() {
    let mut harness = Harness::connected();
    let id = harness.call(on());
    harness.call_phase(CallPhase::Sent);
    harness.stream.cancel_call(harness.now, id);
    harness.drain();
    let error = harness.outcome(id).unwrap_err();
    assert_eq!(problem(&error), &CallProblem::Cancelled);
    assert!(error.may_have_been_carried_out);
    assert_eq!(harness.done.pop(), Some(Done::Abandon));
    harness.stream.cancel_call(harness.now, id);
    harness.drain();
    assert!(harness.calls_done.is_empty());
}

#[test]
fn a_stop_ends_pending_calls() {
    let mut harness = Harness::connected();
    let sent = harness.call(on());
    harness.call_phase(CallPhase::Sent);
    let queued = harness.call(off());
    harness.stop();
    let error = harness.outcome(sent).unwrap_err();
    assert_eq!(problem(&error), &CallProblem::Stopped);
    assert!(error.may_have_been_carried_out);
    assert!(
        !harness
            .outcome(queued)
            .unwrap_err()
            .may_have_been_carried_out
    );
    let late = harness.call(on());
    assert_eq!(
        problem(&harness.outcome(late).unwrap_err()),
        &CallProblem::Stopped
    );
}

#[test]
fn calls_continue_when_the_streams_connection_is_lost() {
    let mut harness = Harness::connected();
    let id = harness.call(rest::status());
    harness.closed();
    harness.answer_call(200, STATUS);
    assert!(harness.outcome(id).is_ok());
    assert_eq!(harness.stream.status(), Status::LostConnection);
}

#[test]
fn calls_do_not_delay_the_heartbeat_deadline_or_a_reconnect() {
    let mut harness = Harness::connected();
    harness.event(0, "_0", "60", "");
    let heard = harness.now.monotonic;
    // One call per second, which is answered.
    for _ in 0..61 {
        harness.call(rest::status());
        harness.pass(0.5);
        harness.answer_call(200, STATUS);
        harness.pass(0.5);
        harness.drain();
    }
    harness.pass(1.1);
    harness.drain();
    assert_eq!(harness.last_reason().code(), "stalled");
    assert!((harness.now.monotonic - heard).as_secs_f64() < 62.2);
    let lost = harness.now.monotonic;
    harness.call(rest::status());
    harness.pass(1.0);
    harness.drain();
    assert!(harness.upgrade.is_some());
    assert_eq!((harness.now.monotonic - lost).as_secs_f64(), 1.0);
}

#[test]
fn a_401_for_a_local_account_refuses_the_call_and_does_not_affect_the_stream() {
    let mut harness = Harness::connected();
    for status in [401, 403] {
        let id = harness.call(on());
        harness.answer_call(status, "");
        let error = harness.outcome(id).unwrap_err();
        assert_eq!(problem(&error), &CallProblem::CredentialsRefused { status });
        assert!(!error.may_have_been_carried_out);
    }
    assert_eq!(harness.stream.status(), Status::Connected);
    assert!(harness.notifications.is_empty());
}

#[test]
fn a_stale_token_is_refreshed_once_for_all_waiting_calls() {
    let mut harness = portal::connected(3600.0);
    for _ in 0..72 {
        harness.pass(50.0);
        harness.event(0, "_0", "90", "");
    }
    let calls = [harness.call(rest::status()), harness.call(rest::nodes())];
    assert_eq!(harness.posts, [LOGIN, REFRESH]);
    assert!(harness.gets.is_empty());
    harness.grant("two", 3600.0);
    assert_eq!(harness.gets.len(), 2);
    let token = harness.access_token("two", 3600.0);
    assert!(harness.get().contains(&format!("Bearer {token}\r\n")));
    harness.answer_call(200, STATUS);
    harness.answer_call(200, "<nodes/>");
    for id in calls {
        assert!(harness.outcome(id).is_ok());
    }
    assert_eq!(harness.posts, [LOGIN, REFRESH]);
    assert_eq!(harness.stream.status(), Status::Connected);
}

#[test]
fn a_401_renews_the_tokens_once_for_all_calls() {
    let mut harness = portal::connected(3600.0);
    let calls = [harness.call(on()), harness.call(rest::status())];
    harness.answer_call(401, "");
    assert_eq!(harness.posts, [LOGIN, REFRESH]);
    harness.grant("two", 3600.0);
    // The other one was sent with the old tokens.
    harness.answer_call(401, "");
    assert_eq!(harness.posts, [LOGIN, REFRESH]);
    assert_eq!(harness.gets.len(), 2);
    harness.answer_call(200, ACCEPTED);
    harness.answer_call(200, STATUS);
    for id in calls {
        assert!(harness.outcome(id).is_ok());
    }
    assert_eq!(harness.stream.status(), Status::Connected);
}

#[test]
fn new_tokens_are_used_regardless_of_their_lifetime() {
    let mut harness = portal::connected(30.0);
    for renewals in [0, 0, 1, 1, 2] {
        let id = harness.call(rest::status());
        if harness.http.is_some() {
            harness.grant("short", 30.0);
        }
        assert_eq!(harness.posts.len(), 1 + renewals);
        harness.answer_call(200, STATUS);
        assert!(harness.outcome(id).is_ok());
        harness.pass(5.1);
        harness.event(0, "_0", "90", "");
    }
    // A token from the caller, which has expired by the local clock.
    let mut harness = Harness::with(Config::own_tokens);
    let expired = harness.access_token("expired", 0.0);
    harness.start();
    let (id, _) = harness.token_request.take().unwrap();
    let stream = &mut harness.stream;
    stream.token(harness.now, id, Some(Secret::new(expired.clone())));
    harness.drain();
    harness.accept();
    harness.become_connected();
    harness.pass(10.0);
    let call = harness.call(rest::status());
    let (id, rejected) = harness.token_request.take().unwrap();
    assert!(!rejected);
    let stream = &mut harness.stream;
    stream.token(harness.now, id, Some(Secret::new(expired)));
    harness.drain();
    assert!(harness.token_request.is_none());
    harness.answer_call(200, STATUS);
    assert!(harness.outcome(call).is_ok());
}

#[test]
fn a_short_lived_token_is_used_for_as_long_as_an_exchange_may_take() {
    // Connected for a second, with a token that is one second old.
    let mut harness = portal::connected(30.0);
    harness.pass(8.999);
    harness.call(rest::status());
    assert_eq!(harness.posts, [LOGIN]);
    harness.answer_call(200, STATUS);
    harness.pass(0.001);
    harness.call(rest::status());
    assert_eq!(harness.posts, [LOGIN, REFRESH]);
}

#[test]
fn tokens_are_renewed_again_five_minutes_after_a_renewal_that_did_not_help() {
    let mut harness = portal::connected(3600.0);
    harness.call(rest::get("/api/secret").unwrap());
    harness.answer_call(401, "");
    harness.grant("two", 3600.0);
    harness.answer_call(401, "");
    for _ in 0..9 {
        harness.pass(30.0);
        harness.event(1, "_0", "90", "");
    }
    harness.pass(29.999);
    harness.call(rest::get("/api/secret").unwrap());
    harness.answer_call(401, "");
    assert_eq!(harness.posts, [LOGIN, REFRESH]);
    harness.pass(0.001);
    harness.call(rest::get("/api/secret").unwrap());
    harness.answer_call(401, "");
    assert_eq!(harness.posts, [LOGIN, REFRESH, REFRESH]);
}

#[test]
fn a_call_that_no_token_allows_is_refused_after_one_renewal() {
    let mut harness = portal::connected(3600.0);
    for posts in [2, 2, 2] {
        let id = harness.call(rest::get("/api/secret").unwrap());
        harness.answer_call(401, "");
        if harness.http.is_some() {
            harness.grant("two", 3600.0);
            harness.answer_call(401, "");
        }
        let error = harness.outcome(id).unwrap_err();
        assert_eq!(
            problem(&error),
            &CallProblem::CredentialsRefused { status: 401 }
        );
        assert_eq!(harness.posts.len(), posts);
    }
    // After five minutes a 401 may have another cause, such as a controller that has lost its
    // tokens.
    for _ in 0..11 {
        harness.pass(28.0);
        harness.drain();
        harness.event(1, "_0", "90", "");
    }
    harness.call(rest::get("/api/secret").unwrap());
    harness.answer_call(401, "");
    harness.grant("three", 3600.0);
    harness.answer_call(401, "");
    // The tokens are good: the stream keeps them.
    reconnect(&mut harness);
    let token = harness.access_token("three", 3600.0 - 1.0);
    assert!(harness.request().contains(&format!("Bearer {token}\r\n")));
    assert_eq!(harness.posts, [LOGIN, REFRESH, REFRESH]);
}

#[test]
fn a_refused_renewal_ends_the_calls_but_not_the_stream() {
    let mut harness = portal::connected(3600.0);
    let id = harness.call(on());
    harness.answer_call(401, "");
    harness.answer_post(401, "");
    assert_eq!(harness.posts, [LOGIN, REFRESH, LOGIN]);
    harness.answer_post(401, "");
    let error = harness.outcome(id).unwrap_err();
    assert_eq!(
        problem(&error),
        &CallProblem::NotSignedIn(Reason::LoginRefused { status: 401 })
    );
    assert_eq!(harness.stream.status(), Status::Connected);
    assert!(harness.notifications.is_empty());
}

#[test]
fn a_renewal_that_hangs_ends_the_calls_after_its_limit() {
    let mut harness = portal::connected(3600.0);
    let id = harness.call(on());
    harness.answer_call(401, "");
    harness.pass(10.1);
    harness.drain();
    assert_eq!(harness.done.pop(), Some(Done::Abandon));
    let error = harness.outcome(id).unwrap_err();
    assert_eq!(error.code(), "not_signed_in");
    assert_eq!(harness.stream.status(), Status::Connected);
}

#[test]
fn an_attempt_adopts_the_renewal_that_a_call_has_started() {
    let mut harness = portal::connected(3600.0);
    let id = harness.call(rest::status());
    harness.answer_call(401, "");
    harness.closed();
    harness.pass(1.0);
    harness.drain();
    assert_eq!(harness.posts, [LOGIN, REFRESH], "one renewal at a time");
    assert!(harness.upgrade.is_none());
    harness.grant("two", 3600.0);
    harness.accept();
    harness.answer_call(200, STATUS);
    assert!(harness.outcome(id).is_ok());
    assert_eq!(harness.posts, [LOGIN, REFRESH]);
}

#[test]
fn an_adopted_renewal_keeps_its_time_limit() {
    let mut harness = portal::connected(3600.0);
    harness.call(rest::status());
    harness.answer_call(401, "");
    harness.pass(5.0);
    harness.drain();
    harness.closed();
    harness.pass(1.0);
    harness.drain();
    assert_eq!(harness.stream.status(), Status::StreamInitializing);
    // The renewal has been in flight for six seconds.
    harness.pass(3.9);
    harness.drain();
    assert_eq!(harness.stream.status(), Status::StreamInitializing);
    harness.pass(0.2);
    harness.drain();
    assert_eq!(harness.stream.status(), Status::LostConnection);
}

#[test]
fn a_stop_waits_for_the_renewal_that_a_call_has_started_and_ends_its_session() {
    let mut harness = portal::connected(3600.0);
    harness.call(rest::status());
    harness.answer_call(401, "");
    harness.stop();
    assert_eq!(harness.posts, [LOGIN, REFRESH]);
    harness.grant("two", 3600.0);
    assert_eq!(harness.posts, [LOGIN, REFRESH, LOGOUT]);
}

#[test]
fn own_tokens_are_requested_when_a_call_is_refused() {
    let mut harness = Harness::with(Config::own_tokens);
    harness.start();
    let (id, _) = harness.token_request.take().unwrap();
    let stream = &mut harness.stream;
    stream.token(harness.now, id, Some(Secret::new("mine")));
    harness.drain();
    harness.accept();
    harness.become_connected();
    let call = harness.call(rest::status());
    harness.answer_call(401, "");
    let (id, rejected) = harness.token_request.take().unwrap();
    assert!(rejected);
    let stream = &mut harness.stream;
    stream.token(harness.now, id, Some(Secret::new("another")));
    harness.drain();
    assert!(harness.get().contains("Bearer another\r\n"));
    harness.answer_call(200, STATUS);
    assert!(harness.outcome(call).is_ok());
    // The caller has no token at present.
    let call = harness.call(rest::status());
    harness.answer_call(401, "");
    let (id, _) = harness.token_request.take().unwrap();
    harness.stream.token(harness.now, id, None);
    harness.drain();
    let error = harness.outcome(call).unwrap_err();
    assert_eq!(problem(&error), &CallProblem::NotSignedIn(Reason::NoToken));
    assert_eq!(harness.stream.status(), Status::Connected);
}

#[test]
fn a_stop_drops_the_token_request_of_a_call() {
    let mut harness = Harness::with(Config::own_tokens);
    harness.start();
    let (id, _) = harness.token_request.take().unwrap();
    let stream = &mut harness.stream;
    stream.token(harness.now, id, Some(Secret::new("mine")));
    harness.drain();
    harness.accept();
    harness.become_connected();
    harness.call(rest::status());
    harness.answer_call(401, "");
    let (dropped, _) = harness.token_request.take().unwrap();
    harness.stop();
    assert_eq!(harness.done, [Done::Abandon, Done::Close(1000)]);
    assert_eq!(harness.stream.call_deadline(), None);
    harness.closed();
    assert_eq!(harness.stream.status(), Status::Disconnected);
    // The next start sends its own request for a token.
    harness.start();
    let (asked, rejected) = harness.token_request.take().unwrap();
    assert!(asked != dropped && !rejected);
}

#[test]
fn a_stream_that_gives_up_drops_the_renewal_that_a_call_has_started() {
    let mut harness = portal::connected(3600.0);
    let id = harness.call(rest::status());
    harness.answer_call(401, "");
    let (dropped, _) = harness.http.take().unwrap();
    let failure = Failure::identity(IdentityProblem::WrongPin, "sha256:00", "not this one");
    harness.stream.failed(harness.now, harness.id(), failure);
    harness.drain();
    assert_eq!(harness.stream.status(), Status::ReconnectFailed);
    assert_eq!(harness.done, [Done::Abandon]);
    assert_eq!(harness.outcome(id).unwrap_err().code(), "not_running");
    // The next start sends its own login.
    harness.start();
    let (login, _) = harness.http.take().unwrap();
    assert_ne!(login, dropped);
    assert_eq!(harness.posts, [LOGIN, REFRESH, LOGIN]);
}

#[test]
fn an_answer_may_have_sixteen_mebibytes() {
    let mut harness = Harness::connected();
    let id = harness.call(rest::get("/rest/nodes").unwrap());
    harness.answer_call(200, &"x".repeat(16 * 1024 * 1024));
    assert_eq!(harness.outcome(id).unwrap().body.len(), 16 * 1024 * 1024);
    let id = harness.call(rest::get("/rest/nodes").unwrap());
    harness.answer_call(200, &"x".repeat(16 * 1024 * 1024 + 1));
    assert_eq!(harness.outcome(id).unwrap_err().code(), "not_http");
}

#[test]
fn repeats_can_be_turned_off() {
    let mut timing = Timing::default();
    timing.call_repeats = Vec::new();
    let mut harness = Harness::with(|config| config.timing(timing)).into_connected();
    let id = harness.call(on());
    harness.answer_call(503, "");
    assert!(harness.is_over(id));
}

#[test]
fn late_reports_on_a_call_that_has_ended_change_nothing() {
    let mut harness = Harness::connected();
    let id = harness.call(on());
    let (request, _) = harness.gets[0];
    harness.answer_call(200, ACCEPTED);
    assert!(harness.outcome(id).is_ok());
    let stream = &mut harness.stream;
    stream.call_phase(harness.now, request, CallPhase::Answering);
    stream.http_failed(harness.now, request, reset());
    stream.http_answered(harness.now, request, Ok(http::Response::new(Vec::new())));
    harness.drain();
    assert!(harness.calls_done.is_empty() && harness.notifications.is_empty());
}

#[test]
fn calls_end_in_time_while_a_consumer_keeps_the_driver_from_reading() {
    let mut harness = Harness::connected();
    let id = harness.call(rest::status());
    let deadline = harness.stream.call_deadline().unwrap();
    assert_eq!(deadline.at, harness.now.monotonic + seconds(10.0));
    harness.block(10.0);
    harness.stream.tick_calls(harness.now);
    harness.drain();
    assert!(harness.outcome(id).is_err());
    assert_eq!(harness.stream.call_deadline(), None);
    // None of this time counts as silence of the controller.
    harness.block(200.0);
    harness.stream.tick_calls(harness.now);
    harness.drain();
    assert_eq!(harness.stream.status(), Status::Connected);
}
