//! Checks the bounds that `ARCHITECTURE.md` gives.

#[test]
fn an_idle_stream_hardly_wakes_and_a_dead_controller_is_left_alone() {
    let bounds = worlds::bounds::measure();
    let bounds = bounds.unwrap_or_else(|rule| panic!("a rule was broken: {rule}"));
    println!("{bounds:#?}");
    for (kind, woken) in &bounds.wake_ups_an_hour {
        assert!(*woken <= 240, "{kind}: woken {woken} times in an idle hour");
    }
    for (how, (first, later)) in &bounds.attempts_an_hour {
        assert!(*first <= 66, "{how}: {first} attempts in the first hour");
        assert!((40..=60).contains(later), "{how}: {later} attempts an hour");
    }
    assert_eq!(bounds.longest_message, 1024 * 1024);
}
