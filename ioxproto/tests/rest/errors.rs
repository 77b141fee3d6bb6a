//! Errors of calls and answers: each has a stable code and describes the failure in one sentence.

use std::time::Duration;

use ioxproto::rest::{AnswerError, CallError, CallPhase, CallProblem};
use ioxproto::{ExchangeError, Failure, FailureKind, IdentityProblem, Reason};

fn refused(status: u16, text: &str, attempts: u32) -> CallProblem {
    let text = text.to_owned();
    CallProblem::Refused {
        status,
        text,
        attempts,
    }
}

#[test]
fn each_problem_of_a_call_has_a_code_and_a_sentence() {
    let after = Duration::from_secs(10);
    let timed_out = |phase| CallProblem::TimedOut { phase, after };
    for (problem, code, sentence) in [
        (
            CallProblem::NotRunning { reason: None },
            "not_running",
            "the stream is not running",
        ),
        (
            CallProblem::NotRunning {
                reason: Some(Reason::NoToken),
            },
            "not_running",
            &format!("the stream is not running: {}", Reason::NoToken),
        ),
        (
            timed_out(Some(CallPhase::Opening)),
            "timed_out",
            "no answer within 10 s (given up while connecting, before it was sent)",
        ),
        (
            timed_out(Some(CallPhase::Answering)),
            "timed_out",
            "no answer within 10 s (given up in the middle of the answer)",
        ),
        (
            refused(302, "", 1),
            "refused",
            "the controller answered with a redirect, which is not followed (HTTP 302)",
        ),
        (
            refused(404, "", 0),
            "refused",
            "the item does not exist or does not support this, or the controller was busy (HTTP 404)",
        ),
        (
            refused(503, "busy", 4),
            "refused",
            "the controller is busy (HTTP 503, 4 times); it says \"busy\"",
        ),
        (
            refused(500, "", 1),
            "refused",
            "the controller refused the request (HTTP 500)",
        ),
        (
            CallProblem::Failed(Failure::transport(FailureKind::ConnectionReset, "reset")),
            "connection_reset",
            "reset",
        ),
    ] {
        let error = CallError::without_effect(problem);
        assert_eq!((error.code(), &*error.to_string()), (code, sentence));
        assert!(!error.may_have_been_carried_out);
    }
    let identity = Failure::identity(IdentityProblem::WrongPin, "sha256:00", "not this one");
    for (problem, code) in [
        (CallProblem::Stopped, "stopped"),
        (CallProblem::Cancelled, "cancelled"),
        (CallProblem::QueueFull { limit: 1 }, "queue_full"),
        (
            CallProblem::CredentialsRefused { status: 401 },
            "credentials_refused",
        ),
        (CallProblem::NotSignedIn(Reason::NoToken), "not_signed_in"),
        (CallProblem::Superseded { status: 503 }, "superseded"),
        (CallProblem::NotHttp(ExchangeError::Truncated), "not_http"),
        (CallProblem::Failed(identity), "certificate_wrong_pin"),
        (CallProblem::Answer(AnswerError::Empty), "unreadable_answer"),
    ] {
        assert_eq!(CallError::without_effect(problem).code(), code);
    }
}

#[test]
fn a_call_that_may_continue_may_have_been_carried_out() {
    for (error, code) in [
        (CallError::driver_gone(), "driver_gone"),
        (CallError::in_callback(), "in_callback"),
    ] {
        assert_eq!(error.code(), code);
        assert!(error.may_have_been_carried_out);
        assert!(
            error
                .to_string()
                .ends_with("; the command may have been carried out")
        );
    }
}

#[test]
fn an_error_of_an_answer_names_the_part_the_entry_and_the_title() {
    let title = "Sign in".to_owned();
    assert_eq!(
        AnswerError::WebPage { title }.to_string(),
        "the answer is a web page (\"Sign in\"), not data: is a proxy or a login page in between?"
    );
    let (part, entry) = ("id", String::new());
    assert_eq!(
        AnswerError::Missing { part, entry }.to_string(),
        "id is missing"
    );
    let invalid = |entry: &str| AnswerError::Invalid {
        part,
        entry: entry.to_owned(),
        text: "x".to_owned(),
        expected: "a number",
    };
    assert_eq!(
        invalid("node 2").to_string(),
        "id in node 2 is \"x\"; it must be a number"
    );
    assert_eq!(invalid("").to_string(), "id is \"x\"; it must be a number");
}
