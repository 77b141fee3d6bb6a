//! Runs each model under shuttle, which tries thousands of thread schedules.

use models::models;

macro_rules! models {
    ($($module:ident { $($model:ident)* })*) => {
        $(mod $module {
            $(#[test]
            fn $model() {
                super::models::explore(super::models::$module::$model);
            })*
        })*
    };
}

models! {
    delivery {
        no_wake_up_is_lost_between_a_push_and_a_poll
        a_full_queue_stops_the_driver_until_there_is_room
        a_driver_with_a_full_queue_continues_when_the_consumer_leaves
        the_end_wakes_a_consumer_that_waits
        every_pushed_event_is_taken_or_counted_as_dropped
    }
    shared {
        a_stop_from_another_thread_is_seen_exactly_once
        a_busy_driver_that_never_waits_sees_a_stop
        a_stop_and_a_token_at_once_are_both_seen
        the_outcome_is_set_once_and_seen_by_all_waiters
        a_driver_that_is_gone_ends_all_waits
        dropping_the_last_handle_ends_the_driver_and_drops_the_relaunch
        a_start_while_the_driver_comes_to_rest_is_carried_out_once
        every_call_is_over_once_the_driver_rests
        every_call_is_over_once_the_driver_is_gone
    }
    shared_driver {
        a_stop_from_another_thread_ends_the_consumers_wait
        another_waiter_takes_over_when_the_driving_one_leaves
        all_waiters_see_the_end
        a_dropped_stream_ends_the_waits_of_handles
        dropping_the_last_handle_ends_the_thread_in_the_background
        a_stop_waits_for_the_thread_in_the_background
        a_start_from_another_thread_is_carried_out_in_the_background
        a_consumer_reads_while_another_thread_restarts_and_stops_the_stream
    }
}
