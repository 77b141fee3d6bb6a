//! Compares the stream machine with its model: arbitrary calls, in any order, with any ids, at any
//! times.

#![expect(clippy::expect_used, reason = "a test that cannot go on has failed")]
#![expect(unreachable_pub, reason = "the target is public in the fuzz crate")]

use proptest::collection::vec;
use proptest::prelude::*;

/// The fuzz target, which provides the operations and the model.
#[path = "../../fuzz/src/targets/stream/mod.rs"]
mod stream;

fn run(account: u8, operations: &[[u8; 3]]) {
    let mut data = vec![account];
    data.extend(operations.as_flattened());
    stream::run(&data);
}

/// Operations on an open connection: stamped messages, and waits on an empty socket.
fn life() -> impl Strategy<Value = [u8; 3]> {
    let kind = prop_oneof![
        2 => 31u8..=34,
        8 => 47u8..=52,
        2 => Just(53),
        2 => Just(56),
    ];
    let stamp = prop_oneof![Just(0), 0u8..64, 0u8..64];
    (kind, any::<u8>(), stamp).prop_map(<[u8; 3]>::from)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_machine_agrees_with_its_model(operations in vec(any::<[u8; 3]>(), 0..400)) {
        run(stream::LOCAL, &operations);
    }

    #[test]
    fn any_order_of_calls_is_safe_for_any_account(account in any::<u8>(), operations in vec(any::<[u8; 3]>(), 0..400)) {
        run(account, &operations);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn stamps_and_the_end_mark_agree_with_the_model(account in 0..5u8, operations in vec(life(), 0..60)) {
        run(stream::OPEN + account, &operations);
    }
}
