//! Faults of calls.

use std::time::Duration;

use ioxsim::{AfterAnswer, Ending, OnCall, Times};

use super::{ADMIN, House};

/// Switches the first lamp on. Returns the answer's text, whether the lamp is on, and what happens
/// to the connection.
fn switch(fault: OnCall) -> (String, bool, AfterAnswer) {
    let mut house = House::new();
    let lamp = house.controller.nodes()[0].clone();
    let path = format!("/rest/nodes/{}/cmd", lamp.replace(' ', "%20"));
    house.read(&format!("{path}/DFOF"));
    house.controller.on_call(fault, Times::Next(1));
    let answer = house.answer("GET", &format!("{path}/DFON"), ADMIN, "");
    if let OnCall::Slow(delay) = fault {
        assert_eq!(answer.delay, delay);
    }
    let text = String::from_utf8(answer.bytes).unwrap();
    let is_on = house.value(&lamp, "ST") == "255";
    house.read("/rest/nodes");
    (text, is_on, answer.then)
}

#[test]
fn each_fault_decides_whether_the_call_is_carried_out_and_how_it_is_answered() {
    let close = AfterAnswer::End(Ending::Close(1000));
    for (fault, begins, is_on, then) in [
        (
            OnCall::Busy { carried_out: false },
            "HTTP/1.1 404",
            false,
            close,
        ),
        (
            OnCall::Busy { carried_out: true },
            "HTTP/1.1 404",
            true,
            close,
        ),
        (OnCall::BrokenFraming, "HTTP/1.1 404", false, close),
        (OnCall::Refuse { status: 503 }, "HTTP/1.1 503", false, close),
        (OnCall::NotSucceeded, "HTTP/1.1 200", false, close),
        (OnCall::Html, "HTTP/1.1 200", false, close),
        (OnCall::Empty, "HTTP/1.1 200", true, close),
        (
            OnCall::TooShort,
            "HTTP/1.1 200",
            true,
            AfterAnswer::End(Ending::Fin),
        ),
        (OnCall::TooLong, "HTTP/1.1 200", true, close),
        (
            OnCall::CutOff,
            "HTTP/1.1 200",
            true,
            AfterAnswer::End(Ending::Fin),
        ),
        (
            OnCall::Slow(Duration::from_secs(3)),
            "HTTP/1.1 200",
            true,
            close,
        ),
        (OnCall::Mute, "", true, AfterAnswer::Mute),
    ] {
        let (text, got_on, got_then) = switch(fault);
        assert!(text.starts_with(begins), "{fault:?}: {text}");
        assert_eq!((got_on, got_then), (is_on, then), "{fault:?}");
    }
}

#[test]
fn wrong_lengths_and_truncated_answers_are_as_described() {
    let parts = |fault| {
        let (text, ..) = switch(fault);
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("Content-Length: "));
        (length.unwrap().parse::<usize>().unwrap(), body.len())
    };
    let (promised, came) = parts(OnCall::TooShort);
    assert!(promised > came);
    let (promised, came) = parts(OnCall::TooLong);
    assert!(promised < came);
    let (promised, came) = parts(OnCall::CutOff);
    assert!(0 < came && came < promised);
}
