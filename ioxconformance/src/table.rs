//! The table of scenarios, and the macros that generate tests from it.

/// Generates a test for each scenario and each of its links (plain TCP, TLS). `$driver` is the path
/// of a constant that implements [`Driver`](crate::Driver).
///
/// Use `conformance!(driver, driven by the consumer)` for a driver that has no thread or task of
/// its own and only runs while the consumer waits. This form skips the scenarios marked
/// `concurrent`, in which the consumer does something else at the same time.
///
/// Use `core only` for a [`CoreOnly`](crate::CoreOnly) driver, which uses nothing but `ioxproto`.
/// This form runs the scenarios marked `core`, without TLS and with a local account.
#[macro_export]
macro_rules! conformance {
    ($driver:path) => {
        $crate::conformance_table! { all ($driver) }
    };
    ($driver:path, driven by the consumer) => {
        $crate::conformance_table! { consumer_driven ($driver) }
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
                replay_and_live_events_arrive_in_order_and_are_marked: both,
                replay_frames_delayed_past_the_drain_are_marked_as_replay: both,
                replay_frames_with_original_timestamps_are_marked_as_replay_after_the_drain: both,
                a_replay_that_exceeds_its_time_limit_is_reported_as_incomplete: plain,
                a_burst_of_live_events_is_delivered_completely: both core,
                two_streams_on_one_controller_are_independent: plain,
            }
            stopped_process {
                // No scenario of its own: the next one runs it in a child process.
                child_process_for_the_next_test: plain concurrent,
                replay_is_never_marked_live_when_the_process_is_stopped: plain concurrent,
            }
            bytes {
                invalid_utf_8_in_the_replay_is_delivered_without_a_reconnect: both,
                fragments_with_a_ping_between_are_one_message: both core,
                a_message_that_arrives_byte_by_byte_is_one_message: plain core,
                a_replayed_message_that_trickles_in_is_still_replay: both core,
                a_replayed_message_in_half_a_tls_record_is_still_replay: tls,
                binary_messages_are_ignored: both core,
                an_oversized_message_ends_the_connection_with_the_reason: both core,
                a_message_of_256_mib_is_refused_before_most_of_it_is_read: both,
                invalid_websocket_frames_end_the_connection_with_the_reason: plain core,
                endless_empty_fragments_end_the_connection_with_the_reason: both core,
                a_large_message_does_not_affect_later_messages: both core,
                a_malformed_frame_is_counted_and_the_stream_stays_up: plain,
            }
            reconnecting {
                a_refused_port_is_retried_until_a_server_listens: plain core,
                a_restart_on_the_same_port_is_followed_by_a_reconnect: both,
                each_kind_of_loss_is_reported_and_followed_by_a_reconnect: both core,
                each_refusal_is_reported_and_retried: both core,
                a_connection_closed_at_once_is_retried: both core,
                a_silent_server_times_out_and_the_phase_is_reported: both core,
                an_unanswered_upgrade_times_out: both core,
                a_frozen_controller_is_detected_by_its_unanswered_ping: both core concurrent,
                a_missing_heartbeat_is_a_stall_even_if_pings_are_answered: plain core,
                a_controller_that_accepts_and_drops_is_retried_with_growing_backoff: plain core,
                a_controller_that_drops_just_after_connected_is_retried_with_growing_backoff: plain core,
                a_controller_that_closes_every_connection_is_retried_with_growing_backoff: plain core,
                a_name_that_does_not_resolve_is_reported_and_retried: plain,
                a_name_lookup_that_hangs_times_out_and_is_reported: plain,
                an_unreachable_address_does_not_block_the_next: both,
                a_retry_after_is_honoured: plain,
                a_redirect_is_not_followed: both core,
                a_controller_that_freezes_within_a_frame_is_a_stall: both core concurrent,
                pings_without_data_do_not_prevent_a_stall: both core,
                invalid_heartbeat_intervals_are_ignored: plain,
                repeated_and_foreign_sequence_numbers_are_tolerated: plain,
                a_close_frame_is_reported_as_it_was_sent: both core,
                frames_after_a_close_are_not_delivered: both core,
                a_connection_lost_during_the_replay_does_not_end_the_replay: both,
                a_gap_in_the_numbering_is_reported_and_not_fatal: plain,
            }
            slow_consumer {
                a_full_queue_pauses_reading_and_loses_nothing: both concurrent,
                the_oldest_notifications_are_dropped_if_configured_and_counted: plain,
                replay_is_never_marked_live_while_the_consumer_blocks: both,
                a_slow_consumer_is_not_a_stall: plain,
            }
            endings {
                stop_when_connected_sends_a_close_frame: both,
                stop_while_syncing_sends_a_close_frame: both,
                stop_while_the_queue_is_full_and_is_not_read: both,
                dropping_the_stream_and_every_handle_stops: both concurrent,
                wait_until_returns_on_the_condition_the_end_or_the_timeout: plain,
                closed_waits_for_the_end_and_returns_its_reason: both,
            }
            stop_in_time {
                while_a_name_is_looked_up: plain,
                while_the_connect_is_not_answered: plain,
                while_the_server_is_silent: both,
                while_the_upgrade_is_not_answered: both,
                while_the_login_is_not_answered: both,
                while_waiting_for_a_token: plain,
                during_the_replay: both,
                when_connected: both,
                while_the_controller_is_frozen: both,
                while_the_logout_is_not_answered: both,
                while_the_queue_is_full_and_is_not_read: both,
                during_a_burst_of_events: both,
                while_empty_frames_arrive_endlessly: both,
                during_the_wait_for_the_next_attempt: plain,
                at_rest: plain,
            }
            leftovers {
                a_dropped_stream_leaves_no_task_thread_or_socket: both,
            }
            endurance {
                each_reconnect_succeeds_and_resource_use_stays_constant: both,
            }
            identity {
                a_wrong_pin_is_final_and_no_http_is_sent: tls,
                an_unknown_certificate_is_refused_by_default_and_its_fingerprint_is_reported: tls,
                insecure_accepts_any_certificate: tls,
                one_of_several_pins_is_enough: tls,
                a_wrong_password_is_final: plain,
                a_403_is_final_too: plain core,
                the_isy_994_headers_are_tried_after_a_400: plain core,
                tls_to_a_plain_port_is_reported: plain,
            }
            portal {
                a_portal_account_logs_in_and_out: both,
                the_json_path_works: both,
                both_shapes_of_the_first_frame_are_tried: both,
                a_forgotten_session_is_renewed_at_once: both,
                a_login_that_is_refused_is_final: plain,
                a_failed_login_is_retried: plain,
                an_unanswered_login_times_out: both,
                tokens_come_from_the_callers_token_provider: both,
            }
            calls {
                a_call_is_answered_and_its_answer_read: both,
                the_simulated_house_is_read_and_its_lamps_switched: both,
                an_answer_of_megabytes_is_read: both,
                a_refused_call_leaves_the_stream_alone: both,
                a_call_to_a_busy_controller_is_retried: both,
                each_fault_of_a_call_is_reported_and_leaves_the_stream_alone: both,
                commands_to_one_node_keep_their_order: plain,
                calls_come_from_many_threads: both concurrent,
                a_call_can_be_awaited: both concurrent,
                a_call_waits_while_the_stream_reconnects: plain,
                a_call_within_the_loop_works_with_a_queue_of_one: both,
                a_command_is_confirmed_by_its_event_within_the_loop: both,
                a_call_ends_in_time_while_the_consumer_does_not_read: plain,
                a_callback_can_make_a_call_but_not_wait_for_it: both concurrent,
                an_unanswered_call_times_out: both,
                an_answer_that_stops_halfway_times_out: plain,
                a_command_may_have_been_carried_out_if_its_connection_ends: both,
                dropping_a_ticket_does_not_cancel_the_call: plain,
                a_call_can_be_cancelled: plain,
                a_stop_ends_pending_calls_in_time: both,
                at_rest_a_call_fails_at_once_and_works_again_after_a_start: plain,
                a_portal_accounts_tokens_are_renewed_for_a_call: both,
            }
            house {
                names_are_read_before_the_subscription: both,
                the_stream_subscribes_even_if_names_are_not_answered: plain,
                renames_are_applied_and_names_are_read_again: both,
            }
            keep_alive {
                calls_in_a_row_share_a_connection: both,
                the_simulated_controller_keeps_connections_too: both,
                a_badly_framed_404_does_not_affect_later_answers: both,
                an_idle_connection_is_closed_in_time: both,
                an_idle_connection_is_closed_while_the_consumer_does_not_read: both concurrent,
                an_idle_connection_may_be_closed_by_the_controller: both,
                a_request_on_a_kept_connection_that_ends_is_resent_once: both,
                a_relative_command_is_never_resent: both,
                a_404_ends_the_connection: both,
                an_isy_994_never_gets_more_connections_than_it_accepts: both,
                a_stop_closes_idle_connections: both,
                a_lost_stream_closes_idle_connections: plain,
            }
            secrets {
                no_secret_is_logged_in_any_encoding: both,
            }
            embedding {
                a_stopped_stream_starts_again_and_keeps_delivering_notifications: both,
                a_start_during_a_stop_takes_effect_after_it: plain,
                refused_credentials_can_be_replaced_and_the_stream_restarted: plain,
                a_refused_pin_can_be_replaced_and_the_stream_restarted: tls,
                the_callers_resolver_is_used: plain,
                the_callers_connector_connects_through_a_unix_socket: both,
                a_connector_error_is_reported_as_a_loss_with_its_message: plain,
                callbacks_are_called_in_order_and_end_with_the_handle: both concurrent,
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
                $crate::conformance_filter! { $which [$($mark)*] $link $driver $crate::scenarios::$module::$scenario }
            })*
        })*
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! conformance_filter {
    (core [core $($mark:ident)?] $link:ident $($row:tt)*) => { $crate::conformance_links! { plain $($row)* } };
    (core $($skipped:tt)*) => {};
    (consumer_driven [$(core)? concurrent] $($skipped:tt)*) => {};
    ($which:tt [$($mark:ident)*] $($row:tt)*) => { $crate::conformance_links! { $($row)* } };
}

#[doc(hidden)]
#[macro_export]
macro_rules! conformance_links {
    (both $driver:tt $scenario:path) => {
        $crate::conformance_links! { plain $driver $scenario }
        $crate::conformance_links! { tls $driver $scenario }
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
