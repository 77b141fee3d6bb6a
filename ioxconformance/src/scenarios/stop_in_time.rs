//! A stop takes at most 100 ms in every state. If a close handshake, a logout or a login is not
//! answered, it takes at most 100 ms longer than the time limit of that.

use std::time::Duration;

use ioxproto::Status;

use crate::{Bench, State};

const AT_ONCE: Duration = Duration::from_millis(100);
/// How often to try. One stop in time is enough: a busy machine delays only some stops, but a
/// driver that waits for something delays every stop.
const TRIES: usize = 10;

fn in_time(bench: &Bench, state: State) {
    let limit = state.stop_waits() + AT_ONCE;
    let mut took = Vec::new();
    for _ in 0..TRIES {
        let Some(mut reached) = state.reach(bench, |options| options) else {
            return;
        };
        took.push(reached.stop());
        let handle = reached.watched.handle();
        assert!(handle.has_ended());
        assert_eq!(handle.status(), Status::Disconnected);
        assert_eq!(handle.outcome(), Some(Ok(())));
        reached.watched.end();
        assert_eq!(reached.watched.statuses().last().unwrap(), "disconnected");
        reached.peer.wait_until_disconnected();
        if took.last().is_some_and(|took| *took <= limit) {
            println!("{state:?}: stopped after {took:?}");
            return;
        }
    }
    panic!("{state:?}: no stop was done within {limit:?}, but they took {took:?}");
}

pub fn while_a_name_is_looked_up(bench: &Bench) {
    in_time(bench, State::ResolvingName);
}

pub fn while_the_connect_is_not_answered(bench: &Bench) {
    in_time(bench, State::ConnectingUnanswered);
}

pub fn while_the_server_is_silent(bench: &Bench) {
    in_time(bench, State::ServerSilent);
}

pub fn while_the_upgrade_is_not_answered(bench: &Bench) {
    in_time(bench, State::UpgradeUnanswered);
}

pub fn while_the_login_is_not_answered(bench: &Bench) {
    in_time(bench, State::LoginUnanswered);
}

pub fn while_waiting_for_a_token(bench: &Bench) {
    in_time(bench, State::WaitingForToken);
}

pub fn during_the_replay(bench: &Bench) {
    in_time(bench, State::InReplay);
}

pub fn when_connected(bench: &Bench) {
    in_time(bench, State::Connected);
}

pub fn while_the_controller_is_frozen(bench: &Bench) {
    in_time(bench, State::ControllerFrozen);
}

pub fn while_the_logout_is_not_answered(bench: &Bench) {
    in_time(bench, State::LogoutUnanswered);
}

pub fn while_the_queue_is_full_and_is_not_read(bench: &Bench) {
    in_time(bench, State::QueueFull);
}

pub fn during_a_burst_of_events(bench: &Bench) {
    in_time(bench, State::InBurst);
}

pub fn while_empty_frames_arrive_endlessly(bench: &Bench) {
    in_time(bench, State::EndlessFrames);
}

pub fn during_the_wait_for_the_next_attempt(bench: &Bench) {
    in_time(bench, State::InBackoff);
}

pub fn at_rest(bench: &Bench) {
    in_time(bench, State::AtRest);
}
