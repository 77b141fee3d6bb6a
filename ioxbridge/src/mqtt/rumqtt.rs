//! A connection by the library `rumqttc`.

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

use super::{BrokerEvent, LONGEST_MESSAGE, LastWill, Link, Parting, SESSION_EXPIRY};
use crate::Broker;
use crate::machine::{BrokerLimits, Message, Publication, Subscription};

/// How long the connection may be silent until the broker is pinged, in seconds.
const KEEP_ALIVE: u16 = 20;
/// How many messages of the bridge the library sends before the broker has acknowledged the first.
/// The library keeps 16 MB for each connection if it may send as many as there are numbers.
const MOST_UNACKNOWLEDGED: u16 = 256;
/// The longest that connecting may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// Why there is no connection.
#[derive(Debug, Error)]
pub(super) enum LinkError {
    #[error("it refuses the user name or password")]
    Credentials,
    #[error("it does not speak MQTT 5: use a broker that does, such as Mosquitto 2")]
    Version,
    #[error(
        "it keeps no retained messages, without which states are lost: turn retained messages on in the broker"
    )]
    NoRetained,
    #[error(
        "another client with the same client id has taken over: give each bridge an instance name of its own"
    )]
    TakenOver,
    #[error("the bridge has left")]
    Left,
    #[error("it refuses the connection ({0:?})")]
    Refused(ConnectReturnCode),
    #[error("{0}")]
    Other(String),
}

/// Connects, and passes on what the broker tells until the connection ends. Says why it did.
pub(super) async fn run(
    broker: &Broker,
    client_id: &str,
    will: &LastWill,
    news: &mpsc::Sender<BrokerEvent>,
) -> LinkError {
    let options = options(broker, client_id, will);
    // What is queued is bounded by what the machine has in flight.
    let built = AsyncClient::builder(options).unbounded().try_build();
    let (client, mut events) = match built {
        Ok(built) => built,
        Err(error) => return LinkError::Other(error.to_string()),
    };
    loop {
        let told = match events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(accepted))) => {
                let limits = match limits(&accepted) {
                    Ok(limits) => limits,
                    Err(error) => return error,
                };
                let link = RumqttLink {
                    client: client.clone(),
                    news: news.clone(),
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
            Err(error) => return explain(error),
        };
        if news.send(told).await.is_err() {
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
        .set_outgoing_inflight_upper_limit(MOST_UNACKNOWLEDGED)
        .set_max_packet_size(Some(LONGEST_MESSAGE))
        .set_connect_timeout(CONNECT_WITHIN)
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

/// The session of a client that has nothing in flight: each connection begins so, whatever the one
/// before it had sent. Without it the library refuses to publish in a session that the broker has
/// kept. At least once is all that the bridge asks for, so nothing else has to be known of a
/// session.
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
            outgoing_inflight_upper_limit: Some(MOST_UNACKNOWLEDGED),
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

/// In seconds.
fn session_expiry() -> u32 {
    u32::try_from(SESSION_EXPIRY.as_secs()).unwrap_or(u32::MAX)
}

/// What the broker takes.
fn limits(accepted: &ConnAck) -> Result<BrokerLimits, LinkError> {
    let mut limits = BrokerLimits::default();
    if let Some(properties) = &accepted.properties {
        if properties.retain_available == Some(0) {
            return Err(LinkError::NoRetained);
        }
        if let Some(packet) = properties.max_packet_size {
            limits.packet = usize::try_from(packet).unwrap_or(usize::MAX);
        }
        if let Some(most) = properties.receive_max {
            limits.in_flight = usize::from(most.max(1));
        }
    }
    Ok(limits)
}

fn explain(error: ConnectionError) -> LinkError {
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

struct RumqttLink {
    client: AsyncClient,
    news: mpsc::Sender<BrokerEvent>,
    /// Subscriptions since the last mark that may not have been acknowledged.
    subscribing: Mutex<Vec<SubscribeNotice>>,
}

impl RumqttLink {
    fn subscribing(&self) -> MutexGuard<'_, Vec<SubscribeNotice>> {
        let subscribing = self.subscribing.lock();
        subscribing.unwrap_or_else(PoisonError::into_inner)
    }
}

/// What cannot be queued is lost with the connection, which has ended then: the machine hears of
/// that.
impl Link for RumqttLink {
    fn publish(&self, publication: Publication) {
        let options = PublishOptions::at_least_once().retain(publication.retain);
        let topic = publication.topic.to_string();
        let payload = publication.payload.to_vec();
        let Ok(notice) = self.client.try_publish_tracked(topic, payload, options) else {
            return;
        };
        let news = self.news.clone();
        tokio::spawn(async move {
            let is_taken = match notice.wait_async().await {
                Ok(_) => true,
                Err(PublishNoticeError::Recv | PublishNoticeError::SessionReset) => return,
                Err(_) => false,
            };
            let told = BrokerEvent::Acknowledged(publication.id, is_taken);
            // The bridge has left.
            let _ = news.send(told).await;
        });
    }

    /// The library sends publications before subscriptions, so that a mark has to wait for the
    /// acknowledgement of the subscriptions before it.
    fn mark(&self, topic: &str, payload: String) {
        let before = std::mem::take(&mut *self.subscribing());
        let (client, topic) = (self.client.clone(), topic.to_owned());
        tokio::spawn(async move {
            for notice in before {
                if let Err(error) = notice.wait_async().await {
                    debug!("a subscription came to nothing: {error}");
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
