//! The conformance suite, driven by the thread that waits and by one in the background.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::Duration;

use ioxconformance::{Driver, Next, Options, Running, StreamHandle};
use ioxtransport_blocking::{EventStream, Notification, TimedOut};

/// All scenarios in which the thread of the test is the consumer and waits for nothing but the stream; the others are in
/// `tests/sockets`, with a thread that consumes.
mod by_whoever_waits {
    ioxconformance::conformance_tests! { (crate::ByWhoeverWaits)
        replay {
            replay_and_live_come_in_order_and_marked: both,
            a_burst_of_live_events_loses_none: both,
            two_streams_on_one_controller_do_not_mind_each_other: plain,
        }
        bytes {
            invalid_utf_8_in_every_replay_is_delivered_and_the_stream_stays_up: both,
            fragments_with_a_ping_between_are_one_message: both,
            a_message_that_comes_byte_by_byte_is_one_message: plain,
            a_replayed_message_that_trickles_in_is_still_replay: both,
            binary_messages_are_no_events_and_do_no_harm: both,
            an_oversized_message_ends_the_connection_with_the_reason: both,
            what_is_no_websocket_frame_ends_the_connection_with_the_reason: plain,
            one_bad_frame_is_one_bad_frame: plain,
        }
        healing {
            a_port_that_refuses_is_tried_until_somebody_listens: plain,
            a_restart_on_the_same_port_is_survived: both,
            each_way_to_lose_a_connection_is_named_and_healed: both,
            each_refusal_is_named_and_healed: both,
            a_connection_closed_at_once_is_healed: both,
            a_mute_socket_is_given_up_with_the_phase_named: both,
            an_upgrade_that_is_never_answered_is_given_up: both,
            a_heartbeat_that_fails_to_come_is_a_stall_even_if_pings_are_answered: plain,
            a_controller_that_accepts_and_drops_is_asked_more_and_more_slowly: plain,
            a_name_that_does_not_resolve_is_named_and_tried_again: plain,
            a_look_up_that_hangs_is_given_up_and_named: plain,
            an_address_that_leads_nowhere_does_not_keep_from_the_next: both,
            a_retry_after_is_honoured: plain,
            a_redirect_is_not_followed: both,
            pings_without_data_are_no_sign_of_life: both,
            senseless_promises_of_a_heartbeat_do_no_harm: plain,
            repeats_and_other_subscriptions_numbers_do_no_harm: plain,
            frames_after_a_close_are_not_delivered: both,
            a_stop_of_the_controller_in_mid_replay_is_not_its_end: both,
            a_gap_in_the_numbering_is_told_and_not_fatal: plain,
        }
        slow_consumer {
            the_oldest_are_dropped_on_request_and_their_count_is_told: plain,
            replay_never_passes_as_live_while_the_consumer_blocks: both,
            a_slow_consumer_is_no_stall: plain,
        }
        endings {
            stop_when_connected_closes_politely: both,
            stop_while_syncing_closes_politely: both,
            stop_during_the_wait_is_at_once: plain,
            a_controller_that_does_not_answer_the_close_is_left_in_time: both,
            stop_while_the_queue_is_full_and_nobody_takes: both,
            wait_for_sees_a_status_or_the_end_or_is_over_in_time: plain,
        }
        identity {
            a_wrong_pin_is_final_and_the_controller_saw_no_byte_of_http: tls,
            an_unknown_certificate_is_refused_by_default_and_shows_its_fingerprint: tls,
            insecure_takes_any_certificate: tls,
            one_of_several_pins_is_enough: tls,
            a_wrong_password_is_final: plain,
            a_403_is_final_too: plain,
            the_isy_994_headers_are_tried_after_a_400: plain,
            tls_where_there_is_none_is_named: plain,
        }
        portal {
            a_portal_account_logs_in_and_out: both,
            the_json_path_works: both,
            both_shapes_of_the_first_frame_are_tried: both,
            a_forgotten_session_is_renewed_at_once: both,
            a_login_that_is_refused_is_final: plain,
            a_login_in_trouble_is_waited_out: plain,
            a_logout_that_is_not_answered_is_left_in_time: both,
            tokens_of_the_callers_own_are_asked_for: both,
        }
        embedding {
            a_stream_that_was_stopped_starts_again_and_goes_on_telling: both,
            a_start_while_it_stops_begins_anew_afterwards: plain,
            refused_credentials_are_exchanged_and_it_starts_again: plain,
            a_refused_pin_is_exchanged_and_it_starts_again: tls,
            the_callers_own_resolver_is_asked: plain,
            the_callers_own_connector_leads_through_a_unix_socket: both,
            a_connector_that_fails_is_a_loss_with_its_words: plain,
        }
    }
}

mod in_background {
    ioxconformance::conformance!(crate::InBackground);
}

struct ByWhoeverWaits;

struct InBackground;

struct Stream(EventStream);

impl Driver for ByWhoeverWaits {
    fn start(&self, options: Options) -> Box<dyn Running> {
        Box::new(Stream(options.builder::<EventStream>().start().unwrap()))
    }

    fn start_with(
        &self,
        _: Options,
        _: Box<dyn FnMut(&Notification) + Send>,
    ) -> Option<Box<dyn StreamHandle>> {
        // It would be the same as in the background.
        None
    }
}

impl Driver for InBackground {
    fn start(&self, options: Options) -> Box<dyn Running> {
        let stream = options.builder::<EventStream>().start().unwrap();
        Box::new(Stream(stream.in_background().unwrap()))
    }

    fn start_with(
        &self,
        options: Options,
        listener: Box<dyn FnMut(&Notification) + Send>,
    ) -> Option<Box<dyn StreamHandle>> {
        let builder = options.builder::<EventStream>();
        Some(Box::new(builder.start_with(listener).unwrap()))
    }
}

impl Running for Stream {
    fn next(&mut self, within: Duration) -> Next {
        match self.0.next_timeout(within) {
            Ok(Some(told)) => Next::Told(told),
            Ok(None) => Next::End,
            Err(TimedOut) => Next::Nothing,
        }
    }

    fn handle(&self) -> Box<dyn StreamHandle> {
        Box::new(self.0.handle())
    }
}
