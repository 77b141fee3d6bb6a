//! A [`Link`] that uses the library `rumqttc`.

use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rumqttc::{
    AsyncClient, ConnAck, ConnectReturnCode, ConnectionError, DisconnectProperties,
    DisconnectReasonCode, Event, LastWillProperties, MqttOptions, Packet, PersistedAckMode,
    PersistedSession, PublishNoticeError, PublishOptions, QoS, RetainForwardRule, SessionStore,
    SessionStoreError, SessionStoreKey, StateError, SubscribeFilter, SubscribeNotice,
    TlsConfiguration, Transport,
};
use thiserror::Error;
use tokio::sync::mpsc;
use tracing::debug;

use super::{BrokerEvent, LastWill, Link, MAX_PACKET, Parting, SESSION_EXPIRY};
use crate::Broker;
use crate::machine::{BrokerLimits, Message, Publication, Subscription};

/// How long the connection may be idle before the broker is pinged, in seconds.
const KEEP_ALIVE: u16 = 20;
/// The maximum number of unacknowledged messages that the library sends. With the maximum of the
/// protocol, the library would allocate 16 MB for each connection.
const MAX_UNACKNOWLEDGED: u16 = 256;
/// How long an attempt to connect may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The reason why a connection failed or ended.
#[derive(Debug, Error)]
pub(super) enum LinkError {
    #[error("it refuses the user name or password")]
    Credentials,
    #[error("it does not support MQTT 5: use a broker that does, such as Mosquitto 2")]
    Version,
    #[error(
        "it does not support retained messages, which the bridge needs: enable them in the broker"
    )]
    NoRetained,
    #[error(
        "another client with the same client id has taken over: give each bridge a different instance name"
    )]
    TakenOver,
    #[error("the bridge has disconnected")]
    Left,
    #[error("it refuses the connection ({0:?})")]
    Refused(ConnectReturnCode),
    #[error("{0}")]
    Other(String),
}

/// Connects, and forwards events until the connection ends. Returns the reason why it ended.
pub(super) async fn run(
    broker: &Broker,
    client_id: &str,
    will: &LastWill,
    sender: &mpsc::Sender<BrokerEvent>,
) -> LinkError {
    let options = options(broker, client_id, will);
    // The machine limits the messages in flight, which bounds this queue.
    let built = AsyncClient::builder(options).unbounded().try_build();
    let (client, mut events) = match built {
        Ok(built) => built,
        Err(error) => return LinkError::Other(error.to_string()),
    };
    loop {
        let event = match events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(accepted))) => {
                let limits = match limits(&accepted) {
                    Ok(limits) => limits,
                    Err(error) => return error,
                };
                let link = RumqttLink {
                    client: client.clone(),
                    sender: sender.clone(),
                    subscribing: Mutex::default(),
                };
                BrokerEvent::Connected(Box::new(link), limits)
            }
            Ok(Event::Incoming(Packet::Publish(publish))) => {
                let Ok(topic) = String::from_utf8(publish.topic.to_vec()) else {
                    continue;
                };
                BrokerEvent::Message(Message {
                    topic,
                    payload: publish.payload.to_vec(),
                    retain: publish.retain,
                })
            }
            Ok(_) => continue,
            Err(error) => return link_error(error),
        };
        if sender.send(event).await.is_err() {
            return LinkError::Left;
        }
    }
}

fn options(broker: &Broker, client_id: &str, will: &LastWill) -> MqttOptions {
    let host = broker.host.trim_start_matches('[').trim_end_matches(']');
    let mut options = MqttOptions::new(client_id, (host, broker.port));
    let delay = session_expiry();
    let properties = LastWillProperties {
        delay_interval: Some(delay),
        payload_format_indicator: Some(1),
        message_expiry_interval: None,
        content_type: None,
        response_topic: None,
        correlation_data: None,
        user_properties: Vec::new(),
    };
    options
        .set_keep_alive(KEEP_ALIVE)
        .set_clean_start(false)
        .set_session_expiry_interval(Some(delay))
        .set_session_store(NothingInFlight)
        .set_outgoing_inflight_upper_limit(MAX_UNACKNOWLEDGED)
        .set_max_packet_size(Some(MAX_PACKET))
        .set_connect_timeout(CONNECT_TIMEOUT)
        .set_last_will(rumqttc::LastWill::new(
            will.topic.as_str(),
            will.payload,
            QoS::AtLeastOnce,
            true,
            Some(properties),
        ));
    if let Some((user, password)) = &broker.credentials {
        options.set_credentials(user.as_str(), password.expose().as_bytes().to_vec());
    }
    if let Some(trust) = &broker.trust {
        let tls = TlsConfiguration::Rustls(trust.client_config());
        options.set_transport(Transport::tls_with_config(tls));
    }
    options
}

/// A session store with nothing in flight: every connection starts like this, whatever the previous
/// one sent. Without a stored session, the library refuses to publish when the broker resumes the
/// session. Nothing else needs to be stored, because the bridge uses only QoS 0 and 1.
#[derive(Debug)]
struct NothingInFlight;

type Stored<'a, T> = Pin<Box<dyn Future<Output = Result<T, SessionStoreError>> + Send + 'a>>;

impl SessionStore for NothingInFlight {
    fn load<'a>(&'a self, key: &'a SessionStoreKey) -> Stored<'a, Option<PersistedSession>> {
        let session = PersistedSession {
            format_version: 1,
            client_id: key.client_id().to_owned(),
            clean_start: false,
            session_expiry_interval: Some(session_expiry()),
            outgoing_inflight_upper_limit: Some(MAX_UNACKNOWLEDGED),
            ack_mode: PersistedAckMode::Automatic,
            last_pkid: 0,
            last_puback: 0,
            replay: Vec::new(),
            incoming_qos2: Vec::new(),
        };
        Box::pin(async { Ok(Some(session)) })
    }

    fn save<'a>(&'a self, _: &'a SessionStoreKey, _: &'a PersistedSession) -> Stored<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn clear<'a>(&'a self, _: &'a SessionStoreKey) -> Stored<'a, ()> {
        Box::pin(async { Ok(()) })
    }
}

/// The expiry of the session, in seconds.
fn session_expiry() -> u32 {
    u32::try_from(SESSION_EXPIRY.as_secs()).unwrap_or(u32::MAX)
}

/// Returns the limits that the broker announces.
fn limits(accepted: &ConnAck) -> Result<BrokerLimits, LinkError> {
    let mut limits = BrokerLimits::default();
    if let Some(properties) = &accepted.properties {
        if properties.retain_available == Some(0) {
            return Err(LinkError::NoRetained);
        }
        if let Some(packet) = properties.max_packet_size {
            limits.packet = usize::try_from(packet).unwrap_or(usize::MAX);
        }
        if let Some(max) = properties.receive_max {
            limits.in_flight = usize::from(max.max(1));
        }
    }
    Ok(limits)
}

fn link_error(error: ConnectionError) -> LinkError {
    match error {
        ConnectionError::ConnectionRefused(code) => match code {
            ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized => {
                LinkError::Credentials
            }
            ConnectReturnCode::RefusedProtocolVersion
            | ConnectReturnCode::UnsupportedProtocolVersion => LinkError::Version,
            other => LinkError::Refused(other),
        },
        ConnectionError::RequestsDone => LinkError::Left,
        ConnectionError::MqttState(StateError::ServerDisconnect {
            reason_code: DisconnectReasonCode::SessionTakenOver,
            ..
        }) => LinkError::TakenOver,
        other => LinkError::Other(other.to_string()),
    }
}

/// A connection to a broker through rumqttc.
struct RumqttLink {
    client: AsyncClient,
    sender: mpsc::Sender<BrokerEvent>,
    /// Subscriptions since the last mark, a message that the bridge publishes to itself. The broker
    /// may not have acknowledged them yet.
    subscribing: Mutex<Vec<SubscribeNotice>>,
}

impl RumqttLink {
    fn subscribing(&self) -> MutexGuard<'_, Vec<SubscribeNotice>> {
        let subscribing = self.subscribing.lock();
        subscribing.unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that cannot be queued is dropped: the connection has ended, and the machine is
/// notified of that.
impl Link for RumqttLink {
    fn publish(&self, publication: Publication) {
        let options = PublishOptions::at_least_once().retain(publication.retain);
        let topic = publication.topic.to_string();
        let payload = publication.payload.to_vec();
        let Ok(notice) = self.client.try_publish_tracked(topic, payload, options) else {
            return;
        };
        let sender = self.sender.clone();
        tokio::spawn(async move {
            let is_taken = match notice.wait_async().await {
                Ok(_) => true,
                Err(PublishNoticeError::Recv | PublishNoticeError::SessionReset) => return,
                Err(_) => false,
            };
            let event = BrokerEvent::Acknowledged(publication.id, is_taken);
            // An error means that the bridge has stopped.
            let _ = sender.send(event).await;
        });
    }

    /// The library sends publications before subscriptions, so a mark must wait for the
    /// acknowledgement of the preceding subscriptions.
    fn mark(&self, topic: &str, payload: String) {
        let before = std::mem::take(&mut *self.subscribing());
        let (client, topic) = (self.client.clone(), topic.to_owned());
        tokio::spawn(async move {
            for notice in before {
                if let Err(error) = notice.wait_async().await {
                    debug!("a subscription failed: {error}");
                }
            }
            let _ = client.try_publish(topic, payload, PublishOptions::at_least_once());
        });
    }

    fn subscribe(&self, subscription: Subscription) {
        let qos = if subscription.is_reliable {
            QoS::AtLeastOnce
        } else {
            QoS::AtMostOnce
        };
        let mut filter = SubscribeFilter::new(subscription.filter, qos);
        filter.preserve_retain = true;
        filter.retain_forward_rule = if subscription.with_retained {
            RetainForwardRule::OnEverySubscribe
        } else {
            RetainForwardRule::Never
        };
        if let Ok(notice) = self.client.try_subscribe_many_tracked([filter]) {
            self.subscribing().push(notice);
        }
    }

    fn unsubscribe(&self, filter: String) {
        let _ = self.client.try_unsubscribe(filter);
    }

    fn leave(&self, parting: Parting) {
        let properties = DisconnectProperties {
            session_expiry_interval: None,
            reason_string: None,
            user_properties: Vec::new(),
            server_reference: None,
        };
        let reason = match parting {
            Parting::WithWill => DisconnectReasonCode::DisconnectWithWillMessage,
            Parting::Silent => DisconnectReasonCode::NormalDisconnection,
        };
        let _ = self
            .client
            .try_disconnect_now_with_properties(reason, properties);
    }
}
