//! Encodes the statistics as OpenMetrics. Names follow the Prometheus conventions: a prefix, base
//! units, and the suffix `_total` for counters.

use std::fmt;
use std::time::Duration;

use ioxproto::Status;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabelSet, MetricEncoder, NoLabelSet, text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use crate::{BrokerStats, CallDurations, ControllerStats, Stats};

pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Returns the body of an answer to `/metrics`.
pub(super) fn encode(stats: Stats) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("iox");
    registry.register_collector(Box::new(Snapshot(stats)));
    let mut out = String::new();
    text::encode(&mut out, &registry)?;
    Ok(out)
}

/// The statistics at one moment.
#[derive(Debug)]
struct Snapshot(Stats);

impl Collector for Snapshot {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut writer = Writer(encoder);
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        writer.family("build", "The version of iox", MetricType::Info, |family| {
            family.encode_info(&version)
        })?;
        writer.counter(
            "loop_turns",
            "Iterations of the bridge's main loop",
            |family| encode_counter(family, &NO_LABELS, self.0.turns),
        )?;
        encode_streams(&mut writer, &self.0)?;
        encode_controllers(&mut writer, &self.0)?;
        match &self.0.broker {
            Some(broker) => encode_broker(&mut writer, broker),
            None => Ok(()),
        }
    }
}

const NO_LABELS: [(&str, &str); 0] = [];

/// Writes families of metrics.
struct Writer<'a>(DescriptorEncoder<'a>);

impl Writer<'_> {
    fn family(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        write: impl FnOnce(&mut MetricEncoder<'_>) -> fmt::Result,
    ) -> fmt::Result {
        write(&mut self.0.encode_descriptor(name, help, None, kind)?)
    }

    fn counter(
        &mut self,
        name: &str,
        help: &str,
        write: impl FnOnce(&mut MetricEncoder<'_>) -> fmt::Result,
    ) -> fmt::Result {
        self.family(name, help, MetricType::Counter, write)
    }

    fn gauge(
        &mut self,
        name: &str,
        help: &str,
        write: impl FnOnce(&mut MetricEncoder<'_>) -> fmt::Result,
    ) -> fmt::Result {
        self.family(name, help, MetricType::Gauge, write)
    }
}

fn encode_counter(
    family: &mut MetricEncoder<'_>,
    labels: &impl EncodeLabelSet,
    value: u64,
) -> fmt::Result {
    family
        .encode_family(labels)?
        .encode_counter::<NoLabelSet, _, u64>(&value, None)
}

fn encode_gauge(
    family: &mut MetricEncoder<'_>,
    labels: &impl EncodeLabelSet,
    value: u64,
) -> fmt::Result {
    // Gauges of this library are signed.
    let value = i64::try_from(value).unwrap_or(i64::MAX);
    family.encode_family(labels)?.encode_gauge(&value)
}

fn encode_streams(writer: &mut Writer<'_>, stats: &Stats) -> fmt::Result {
    writer.gauge(
        "streams",
        "Streams of controllers by their status",
        |family| {
            for status in Status::ALL {
                let all = stats.controllers.values();
                let number = all.filter(|controller| controller.status == status).count();
                encode_gauge(family, &[("status", status.as_str())], number as u64)?;
            }
            Ok(())
        },
    )
}

type Getter<T> = fn(&ControllerStats) -> T;

fn encode_controllers(writer: &mut Writer<'_>, stats: &Stats) -> fmt::Result {
    let gauges: [(&str, &str, Getter<u64>); 4] = [
        (
            "controller_up",
            "Whether the stream of the controller is connected",
            |stats| u64::from(stats.status == Status::Connected),
        ),
        (
            "controller_available",
            "Whether the controller counts as available",
            |stats| u64::from(stats.is_available),
        ),
        ("nodes", "Nodes and scenes that are known", |stats| {
            stats.nodes as u64
        }),
        (
            "calls_pending",
            "REST calls that are not complete",
            |stats| stats.pending_calls as u64,
        ),
    ];
    for (name, help, value) in gauges {
        writer.gauge(name, help, |family| {
            for (controller, stats) in &stats.controllers {
                encode_gauge(family, &[("controller", controller.as_str())], value(stats))?;
            }
            Ok(())
        })?;
    }
    let counters: [(&str, &str, Getter<u64>); 10] = [
        ("frames", "Text frames received", |stats| {
            stats.stream.frames
        }),
        (
            "received_bytes",
            "Bytes of the text frames received",
            |stats| stats.stream.bytes,
        ),
        (
            "malformed_frames",
            "Frames that were not well-formed",
            |stats| stats.stream.malformed,
        ),
        ("ignored_frames", "Frames that were not events", |stats| {
            stats.stream.ignored
        }),
        (
            "repaired_frames",
            "Frames accepted after invalid bytes or characters were replaced",
            |stats| stats.stream.invalid_utf8 + stats.stream.forbidden_characters,
        ),
        (
            "sequence_gaps",
            "Gaps, repeats and backward steps of the sequence numbers",
            |stats| stats.stream.gaps,
        ),
        (
            "incomplete_replays",
            "Replays that did not end within their time limit",
            |stats| stats.stream.incomplete_replays,
        ),
        ("connection_attempts", "Attempts to connect", |stats| {
            stats.stream.attempts
        }),
        (
            "reconnects",
            "Successful reconnects after a lost connection",
            |stats| stats.stream.reconnects,
        ),
        (
            "drift",
            "Values that an audit corrected because the controller reported another one",
            |stats| stats.drift,
        ),
    ];
    for (name, help, value) in counters {
        writer.counter(name, help, |family| {
            for (controller, stats) in &stats.controllers {
                encode_counter(family, &[("controller", controller.as_str())], value(stats))?;
            }
            Ok(())
        })?;
    }
    writer.counter("events", "Events received, live and replayed", |family| {
        for (controller, stats) in &stats.controllers {
            let replayed = stats.stream.events.saturating_sub(stats.stream.live_events);
            for (live, value) in [("true", stats.stream.live_events), ("false", replayed)] {
                let labels = [("controller", controller.as_str()), ("live", live)];
                encode_counter(family, &labels, value)?;
            }
        }
        Ok(())
    })?;
    writer.counter(
        "connection_losses",
        "Lost connections and failed reconnects, by reason",
        |family| encode_by_label(family, stats, "reason", |stats| &stats.losses),
    )?;
    writer.counter("calls", "Completed REST calls, by outcome", |family| {
        encode_by_label(family, stats, "outcome", |stats| &stats.calls)
    })?;
    let mut durations = writer.0.encode_descriptor(
        "call_duration",
        "How long REST calls took",
        Some(&Unit::Seconds),
        MetricType::Histogram,
    )?;
    for (controller, stats) in &stats.controllers {
        let labels = [("controller", controller.as_str())];
        encode_histogram(
            &mut durations.encode_family(&labels)?,
            &stats.call_durations,
        )?;
    }
    Ok(())
}

fn encode_by_label(
    family: &mut MetricEncoder<'_>,
    stats: &Stats,
    label: &'static str,
    counts: fn(&ControllerStats) -> &std::collections::BTreeMap<&'static str, u64>,
) -> fmt::Result {
    for (controller, stats) in &stats.controllers {
        for (label_value, value) in counts(stats) {
            encode_counter(
                family,
                &[("controller", controller.as_str()), (label, label_value)],
                *value,
            )?;
        }
    }
    Ok(())
}

fn encode_histogram(family: &mut MetricEncoder<'_>, durations: &CallDurations) -> fmt::Result {
    let bounds = CallDurations::BOUNDS.iter();
    let bounds = bounds.map(|bound| Duration::from_millis(*bound).as_secs_f64());
    let buckets: Vec<(f64, u64)> = bounds
        .chain([f64::INFINITY])
        .zip(durations.counts)
        .collect();
    let total = durations.counts.iter().sum();
    family.encode_histogram::<NoLabelSet>(durations.sum.as_secs_f64(), total, &buckets, None)
}

fn encode_broker(writer: &mut Writer<'_>, broker: &BrokerStats) -> fmt::Result {
    for (name, help, value) in [
        (
            "mqtt_up",
            "Whether the broker is connected",
            u64::from(broker.is_connected),
        ),
        (
            "mqtt_in_flight",
            "Messages sent and not acknowledged",
            broker.in_flight as u64,
        ),
        (
            "mqtt_queued",
            "States and events that wait to be sent",
            broker.waiting as u64,
        ),
    ] {
        writer.gauge(name, help, |family| encode_gauge(family, &NO_LABELS, value))?;
    }
    for (name, help, value) in [
        (
            "mqtt_connects",
            "Connections to the broker",
            broker.connects,
        ),
        (
            "mqtt_published",
            "Messages that the broker has acknowledged",
            broker.published,
        ),
        (
            "mqtt_dropped",
            "Events dropped while the broker was disconnected or slow",
            broker.dropped_events,
        ),
        (
            "mqtt_refused",
            "Messages too large for the broker, or refused by it",
            broker.refused,
        ),
        ("mqtt_commands", "Commands received", broker.commands),
    ] {
        writer.counter(name, help, |family| {
            encode_counter(family, &NO_LABELS, value)
        })?;
    }
    let help = "Commands that were not carried out, by reason";
    writer.counter("mqtt_ignored_commands", help, |family| {
        for (reason, value) in &broker.ignored_commands {
            encode_counter(family, &[("reason", *reason)], *value)?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_statistics_are_encoded() {
        let mut stats = Stats::default();
        let mut home = ControllerStats {
            status: Status::Connected,
            nodes: 12,
            drift: 2,
            ..ControllerStats::default()
        };
        home.stream.frames = 100;
        home.stream.events = 90;
        home.stream.live_events = 30;
        home.losses.insert("stalled", 3);
        home.calls.insert("ok", 4);
        home.call_durations.add(Duration::from_millis(40));
        home.call_durations.add(Duration::from_secs(70));
        stats.controllers.insert("home".to_owned(), home);
        stats
            .controllers
            .insert("a\"\n\\b".to_owned(), ControllerStats::default());
        stats.broker = Some(BrokerStats {
            is_connected: true,
            published: 5,
            ignored_commands: [("retained", 6)].into(),
            ..BrokerStats::default()
        });
        let text = encode(stats).unwrap();
        for line in [
            "# TYPE iox_streams gauge",
            "iox_streams{status=\"connected\"} 1",
            "iox_streams{status=\"not_started\"} 1",
            "iox_controller_up{controller=\"home\"} 1",
            "iox_nodes{controller=\"home\"} 12",
            "iox_frames_total{controller=\"home\"} 100",
            "iox_events_total{controller=\"home\",live=\"true\"} 30",
            "iox_events_total{controller=\"home\",live=\"false\"} 60",
            "iox_drift_total{controller=\"home\"} 2",
            "iox_connection_losses_total{controller=\"home\",reason=\"stalled\"} 3",
            "iox_calls_total{controller=\"home\",outcome=\"ok\"} 4",
            "# TYPE iox_call_duration_seconds histogram",
            "iox_call_duration_seconds_bucket{le=\"0.05\",controller=\"home\"} 1",
            "iox_call_duration_seconds_bucket{le=\"+Inf\",controller=\"home\"} 2",
            "iox_call_duration_seconds_count{controller=\"home\"} 2",
            "iox_mqtt_up 1",
            "iox_mqtt_published_total 5",
            "iox_mqtt_ignored_commands_total{reason=\"retained\"} 6",
            "iox_frames_total{controller=\"a\\\"\\n\\\\b\"} 0",
        ] {
            assert!(text.lines().any(|got| got == line), "no {line} in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
        // Without a broker, there are no broker metrics.
        assert!(!encode(Stats::default()).unwrap().contains("mqtt"));
    }
}
