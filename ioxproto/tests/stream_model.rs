//! The stream machine against its model: any calls, in any order, with any ids, at any times.

#![expect(clippy::expect_used, reason = "a test that cannot go on has failed")]
#![expect(unreachable_pub, reason = "the target is public in the fuzz crate")]

use proptest::collection::vec;
use proptest::prelude::*;

/// The generator of operations and the model are those of the fuzz target.
#[path = "../../fuzz/src/targets/stream/mod.rs"]
mod stream;

fn run(account: u8, operations: &[[u8; 3]]) {
    let mut data = vec![account];
    data.extend(operations.as_flattened());
    stream::run(&data);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_machine_does_what_its_model_does(operations in vec(any::<[u8; 3]>(), 0..400)) {
        run(stream::LOCAL, &operations);
    }

    #[test]
    fn no_order_of_calls_does_harm_with_any_account(account in any::<u8>(), operations in vec(any::<[u8; 3]>(), 0..400)) {
        run(account, &operations);
    }
}
