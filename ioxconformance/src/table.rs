//! The table of scenarios, and how it becomes tests.

/// Makes a test of each scenario on each link that it is for, of the driver at this path: a
/// [`Driver`](crate::Driver) that is a constant.
///
/// A driver that has no thread or task of its own, so that nothing happens but while the consumer
/// waits, says so: `conformance!(driver, driven by the consumer)`. It is spared the scenarios
/// (`apart`) in which the consumer does something else meanwhile.
///
/// A driver that has only the core, a [`CoreOnly`](crate::CoreOnly), says `core only`. It runs the
/// scenarios marked `core`, without TLS and with a local account.
#[macro_export]
macro_rules! conformance {
    ($driver:path) => {
        $crate::conformance_table! { all ($driver) }
    };
    ($driver:path, driven by the consumer) => {
        $crate::conformance_table! { together ($driver) }
    };
    ($driver:path, core only) => {
        $crate::conformance_table! { core ($driver) }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! conformance_table {
    ($which:ident $driver:tt) => {
        $crate::conformance_tests! { $which $driver
            replay {
                replay_and_live_come_in_order_and_marked: both,
                a_replay_that_the_network_holds_up_is_replay_after_the_drain_too: both,
                a_replay_with_the_stamps_of_its_changes_is_replay_after_the_drain_too: both,
                a_replay_that_runs_out_of_time_is_called_incomplete: plain,
                a_burst_of_live_events_loses_none: both core,
                two_streams_on_one_controller_do_not_mind_each_other: plain,
            }
            stopped_process {
                the_watched_process: plain apart,
                replay_never_passes_as_live_when_the_process_is_stopped: plain apart,
            }
            bytes {
                invalid_utf_8_in_every_replay_is_delivered_and_the_stream_stays_up: both,
                fragments_with_a_ping_between_are_one_message: both core,
                a_message_that_comes_byte_by_byte_is_one_message: plain core,
                a_replayed_message_that_trickles_in_is_still_replay: both core,
                a_replayed_message_in_half_a_tls_record_is_still_replay: tls,
                binary_messages_are_no_events_and_do_no_harm: both core,
                an_oversized_message_ends_the_connection_with_the_reason: both core,
                a_message_of_256_mib_is_refused_and_hardly_read: both,
                what_is_no_websocket_frame_ends_the_connection_with_the_reason: plain core,
                endless_empty_fragments_end_the_connection_with_the_reason: both core,
                a_large_message_does_not_disturb_what_follows: both core,
                one_bad_frame_is_one_bad_frame: plain,
            }
            healing {
                a_port_that_refuses_is_tried_until_somebody_listens: plain core,
                a_restart_on_the_same_port_is_survived: both,
                each_way_to_lose_a_connection_is_named_and_healed: both core,
                each_refusal_is_named_and_healed: both core,
                a_connection_closed_at_once_is_healed: both core,
                a_mute_socket_is_given_up_with_the_phase_named: both core,
                an_upgrade_that_is_never_answered_is_given_up: both core,
                a_frozen_controller_is_a_stall_by_its_unanswered_ping: both core apart,
                a_heartbeat_that_fails_to_come_is_a_stall_even_if_pings_are_answered: plain core,
                a_controller_that_accepts_and_drops_is_asked_more_and_more_slowly: plain core,
                a_controller_that_drops_just_after_connected_is_asked_more_and_more_slowly: plain core,
                a_controller_that_closes_whatever_connects_is_asked_more_and_more_slowly: plain core,
                a_name_that_does_not_resolve_is_named_and_tried_again: plain,
                a_look_up_that_hangs_is_given_up_and_named: plain,
                an_address_that_leads_nowhere_does_not_keep_from_the_next: both,
                a_retry_after_is_honoured: plain,
                a_redirect_is_not_followed: both core,
                a_controller_that_freezes_in_mid_frame_is_a_stall: both core apart,
                pings_without_data_are_no_sign_of_life: both core,
                senseless_promises_of_a_heartbeat_do_no_harm: plain,
                repeats_and_other_subscriptions_numbers_do_no_harm: plain,
                a_close_frame_is_told_as_it_was_sent: both core,
                frames_after_a_close_are_not_delivered: both core,
                a_stop_of_the_controller_in_mid_replay_is_not_its_end: both,
                a_gap_in_the_numbering_is_told_and_not_fatal: plain,
            }
            slow_consumer {
                a_full_queue_stops_the_reading_and_loses_nothing: both apart,
                the_oldest_are_dropped_on_request_and_their_count_is_told: plain,
                replay_never_passes_as_live_while_the_consumer_blocks: both,
                a_slow_consumer_is_no_stall: plain,
            }
            endings {
                stop_when_connected_closes_politely: both,
                stop_while_syncing_closes_politely: both,
                stop_while_the_queue_is_full_and_nobody_takes: both,
                dropping_the_stream_and_every_handle_stops: both apart,
                wait_for_sees_a_status_or_the_end_or_is_over_in_time: plain,
                closed_waits_for_the_end_and_says_why: both,
            }
            stop_in_time {
                while_a_name_is_looked_up: plain,
                while_nobody_answers_a_connect: plain,
                while_nothing_is_ever_said: both,
                while_the_upgrade_is_not_answered: both,
                while_the_login_is_not_answered: both,
                while_a_token_is_waited_for: plain,
                while_the_replay_comes: both,
                when_connected: both,
                while_the_controller_is_frozen: both,
                while_the_logout_is_not_answered: both,
                while_the_queue_is_full_and_nobody_takes: both,
                in_the_middle_of_a_flood: both,
                while_the_controller_does_not_cease_to_send: both,
                during_the_wait_for_the_next_attempt: plain,
                at_rest: plain,
            }
            leftovers {
                a_dropped_stream_leaves_no_task_thread_or_socket: both,
            }
            endurance {
                each_reconnect_ends_connected_and_nothing_grows: both,
            }
            identity {
                a_wrong_pin_is_final_and_the_controller_saw_no_byte_of_http: tls,
                an_unknown_certificate_is_refused_by_default_and_shows_its_fingerprint: tls,
                insecure_takes_any_certificate: tls,
                one_of_several_pins_is_enough: tls,
                a_wrong_password_is_final: plain,
                a_403_is_final_too: plain core,
                the_isy_994_headers_are_tried_after_a_400: plain core,
                tls_where_there_is_none_is_named: plain,
            }
            portal {
                a_portal_account_logs_in_and_out: both,
                the_json_path_works: both,
                both_shapes_of_the_first_frame_are_tried: both,
                a_forgotten_session_is_renewed_at_once: both,
                a_login_that_is_refused_is_final: plain,
                a_login_in_trouble_is_waited_out: plain,
                a_login_that_is_never_answered_is_given_up: both,
                tokens_of_the_callers_own_are_asked_for: both,
            }
            calls {
                a_call_is_answered_and_its_answer_read: both,
                the_simulated_house_is_read_and_its_lamps_switched: both,
                an_answer_of_megabytes_is_read: both,
                a_refused_call_leaves_the_stream_alone: both,
                a_busy_controller_is_asked_again: both,
                each_fault_of_a_call_is_named_and_leaves_the_stream_alone: both,
                commands_to_one_node_keep_their_order: plain,
                calls_come_from_many_threads: both apart,
                a_call_can_be_awaited: both apart,
                a_call_waits_while_the_stream_reconnects: plain,
                a_call_within_the_loop_works_with_a_queue_of_one: both,
                a_command_is_confirmed_by_its_event_within_the_loop: both,
                a_call_ends_in_time_while_the_consumer_takes_nothing: plain,
                within_a_callback_a_call_is_made_and_not_waited_for: both apart,
                what_is_never_answered_is_given_up: both,
                an_answer_that_stops_halfway_is_given_up: plain,
                an_end_after_the_request_may_mean_that_it_was_carried_out: both,
                a_dropped_ticket_does_not_take_the_call_back: plain,
                a_call_can_be_taken_back: plain,
                a_stop_ends_pending_calls_in_time: both,
                at_rest_a_call_fails_at_once_and_works_again_after_a_start: plain,
                a_portal_accounts_tokens_are_renewed_for_a_call: both,
            }
            house {
                names_are_read_before_the_subscription: both,
                without_an_answer_the_subscription_goes_on: plain,
                names_are_followed_and_read_again: both,
            }
            keep_alive {
                calls_in_a_row_share_a_connection: both,
                the_simulated_controller_keeps_connections_too: both,
                a_404_that_breaks_the_framing_spoils_no_later_answer: both,
                an_idle_connection_is_closed_in_time: both,
                an_idle_connection_is_closed_while_the_consumer_takes_nothing: both apart,
                an_idle_connection_may_be_closed_by_the_controller: both,
                a_request_on_a_connection_that_ends_just_then_is_sent_again_once: both,
                a_step_is_never_sent_again: both,
                a_404_ends_the_connection: both,
                an_isy_994_is_never_shown_more_connections_than_it_serves: both,
                a_stop_closes_idle_connections: both,
                a_lost_stream_closes_idle_connections: plain,
            }
            secrets {
                no_secret_is_logged_by_anybody_in_any_encoding: both,
            }
            embedding {
                a_stream_that_was_stopped_starts_again_and_goes_on_telling: both,
                a_start_while_it_stops_begins_anew_afterwards: plain,
                refused_credentials_are_exchanged_and_it_starts_again: plain,
                a_refused_pin_is_exchanged_and_it_starts_again: tls,
                the_callers_own_resolver_is_asked: plain,
                the_callers_own_connector_leads_through_a_unix_socket: both,
                a_connector_that_fails_is_a_loss_with_its_words: plain,
                callbacks_are_called_in_order_and_end_with_the_handle: both apart,
            }
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! conformance_tests {
    ($which:tt $driver:tt $($module:ident { $($scenario:ident: $link:ident $($mark:ident)*,)* })*) => {
        $(mod $module {
            $(mod $scenario {
                $crate::conformance_of! { $which [$($mark)*] $link $driver $crate::scenarios::$module::$scenario }
            })*
        })*
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! conformance_of {
    (core [core $($mark:ident)?] $link:ident $($row:tt)*) => { $crate::conformance_on! { plain $($row)* } };
    (core $($spared:tt)*) => {};
    (together [$(core)? apart] $($spared:tt)*) => {};
    ($which:tt [$($mark:ident)*] $($row:tt)*) => { $crate::conformance_on! { $($row)* } };
}

#[doc(hidden)]
#[macro_export]
macro_rules! conformance_on {
    (both $driver:tt $scenario:path) => {
        $crate::conformance_on! { plain $driver $scenario }
        $crate::conformance_on! { tls $driver $scenario }
    };
    (plain ($driver:path) $scenario:path) => {
        #[test]
        fn plain() {
            $scenario(&$crate::Bench::new(
                &$driver,
                $crate::Link::Plain,
                concat!(module_path!(), "::plain"),
            ));
        }
    };
    (tls ($driver:path) $scenario:path) => {
        #[test]
        fn tls() {
            $scenario(&$crate::Bench::new(
                &$driver,
                $crate::Link::Tls,
                concat!(module_path!(), "::tls"),
            ));
        }
    };
}
