//! A stop is done within 100 ms, from every state; and where a close handshake, a logout or a login
//! is under way that is not answered, as soon after its limit.

use std::time::Duration;

use ioxproto::Status;

use crate::{Bench, State};

const AT_ONCE: Duration = Duration::from_millis(100);
/// One stop in time is enough: a machine that is busy is not so each time, a driver that waits for
/// something is.
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
        reached.world.parted();
        if took.last().is_some_and(|took| *took <= limit) {
            println!("{state:?}: stopped after {took:?}");
            return;
        }
    }
    panic!("{state:?}: no stop was done within {limit:?}, but they took {took:?}");
}

pub fn while_a_name_is_looked_up(bench: &Bench) {
    in_time(bench, State::LooksUpAName);
}

pub fn while_nobody_answers_a_connect(bench: &Bench) {
    in_time(bench, State::ConnectsToWhereNobodyAnswers);
}

pub fn while_nothing_is_ever_said(bench: &Bench) {
    in_time(bench, State::HearsNothing);
}

pub fn while_the_upgrade_is_not_answered(bench: &Bench) {
    in_time(bench, State::WaitsForTheUpgrade);
}

pub fn while_the_login_is_not_answered(bench: &Bench) {
    in_time(bench, State::WaitsForTheLogin);
}

pub fn while_a_token_is_waited_for(bench: &Bench) {
    in_time(bench, State::WaitsForAToken);
}

pub fn while_the_replay_comes(bench: &Bench) {
    in_time(bench, State::TakesTheReplay);
}

pub fn when_connected(bench: &Bench) {
    in_time(bench, State::IsConnected);
}

pub fn while_the_controller_is_frozen(bench: &Bench) {
    in_time(bench, State::IsConnectedToAFrozenController);
}

pub fn while_the_logout_is_not_answered(bench: &Bench) {
    in_time(bench, State::CannotLogOut);
}

pub fn while_the_queue_is_full_and_nobody_takes(bench: &Bench) {
    in_time(bench, State::IsHeldUp);
}

pub fn in_the_middle_of_a_flood(bench: &Bench) {
    in_time(bench, State::IsFlooded);
}

pub fn while_the_controller_does_not_cease_to_send(bench: &Bench) {
    in_time(bench, State::IsSentEndlessly);
}

pub fn during_the_wait_for_the_next_attempt(bench: &Bench) {
    in_time(bench, State::WaitsForTheNextAttempt);
}

pub fn at_rest(bench: &Bench) {
    in_time(bench, State::IsAtRest);
}
