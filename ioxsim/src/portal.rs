//! Portal accounts: logins, refreshes and logouts, their sessions, and their tokens.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use fastrand::Rng;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method, Request};
use ioxproto::Secret;
use serde::Deserialize;
use serde_json::{Value, json};
use tracing::debug;

use crate::answer::{AfterAnswer, Answer};
use crate::fault::{Ending, Endpoint, OnPost, Plan, Times};
use crate::jwt::{Claims, Purpose, Signer, seconds};
use crate::observation::{Place, PortalSeen};
use crate::options::{Account, FirstFrames, PortalOptions};

/// The portal accounts of a controller.
pub(crate) struct Portal {
    /// Created when it is first needed. The only thing here that does not depend on the seed.
    signer: Option<Signer>,
    /// The id of the latest refresh token of each session.
    sessions: BTreeMap<u64, u64>,
    last_session: u64,
    last_token: u64,
    faults: BTreeMap<Endpoint, Plan<OnPost>>,
    broker_key: Secret,
    pub(crate) seen: PortalSeen,
}

impl Portal {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let noise: Vec<u8> = (0..96).map(|_| rng.u8(..)).collect();
        Self {
            signer: None,
            sessions: BTreeMap::new(),
            last_session: 0,
            last_token: 0,
            faults: BTreeMap::new(),
            broker_key: Secret::new(format!(
                "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
                BASE64.encode(noise)
            )),
            seen: PortalSeen::default(),
        }
    }

    pub(crate) fn on_post(&mut self, endpoint: Endpoint, fault: OnPost, times: Times) {
        self.faults.entry(endpoint).or_default().add(fault, times);
    }

    pub(crate) fn post_normally(&mut self) {
        self.faults.clear();
    }

    /// Forgets all sessions, as after a reboot. No token is valid any more.
    pub(crate) fn forget_sessions(&mut self) {
        self.sessions.clear();
        self.seen.sessions = 0;
    }

    /// Answers a login, refresh or logout; `None` if there is no such endpoint.
    pub(crate) fn post(
        &mut self,
        options: &PortalOptions,
        prefix: &str,
        utc: SystemTime,
        request: &Request<Vec<u8>>,
    ) -> Option<Answer> {
        let path = request.uri().path().strip_prefix(prefix)?;
        let endpoint = Endpoint::ALL
            .into_iter()
            .find(|endpoint| endpoint.path() == path)?;
        if request.method() != Method::POST {
            return Some(Answer::refusal(405, [("Allow", "POST")]));
        }
        let fault = self.faults.get_mut(&endpoint).and_then(Plan::take);
        let answer = match fault {
            Some(fault) => {
                debug!(?endpoint, ?fault, "the post fails as planned");
                faulty_answer(&fault)
            }
            None => match endpoint {
                Endpoint::Login => self.login(options, utc, request.body()),
                Endpoint::Refresh => self.refresh(options, utc, request.body()),
                Endpoint::Logout => self.logout(options, utc, request.headers()),
            },
        };
        debug!(?endpoint, status = answer.status, "post answered");
        self.seen.answered(endpoint, answer.status);
        self.seen.sessions = self.sessions.len();
        Some(answer)
    }

    fn login(&mut self, options: &PortalOptions, utc: SystemTime, body: &[u8]) -> Answer {
        #[derive(Deserialize)]
        struct Login {
            username: String,
            password: String,
        }
        let Ok(Login { username, password }) = serde_json::from_slice(body) else {
            return unsuccessful(400);
        };
        if !options
            .accounts
            .contains(&Account::new(username.clone(), password))
        {
            return unsuccessful(401);
        }
        self.last_session += 1;
        let session = self.last_session;
        let granted = self.grant(options, utc, &username, session);
        self.seen.logins += u64::from(granted.status == Some(200));
        granted
    }

    fn refresh(&mut self, options: &PortalOptions, utc: SystemTime, body: &[u8]) -> Answer {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Refresh {
            refresh_token: String,
        }
        let Ok(Refresh { refresh_token }) = serde_json::from_slice(body) else {
            return unsuccessful(400);
        };
        let claims = self.claims(&refresh_token, utc, Purpose::Refresh);
        self.seen
            .shown(Place::Refresh, refresh_token, claims.is_some());
        let Some(claims) = claims else {
            return unsuccessful(401);
        };
        let granted = self.grant(options, utc, &claims.sub, claims.session);
        self.seen.refreshes += u64::from(granted.status == Some(200));
        granted
    }

    fn logout(&mut self, options: &PortalOptions, utc: SystemTime, headers: &HeaderMap) -> Answer {
        let Some(token) = bearer(headers) else {
            return unsuccessful(401);
        };
        let claims = self.claims(&token, utc, Purpose::Access);
        self.seen.shown(Place::Logout, token, claims.is_some());
        let Some(claims) = claims else {
            return unsuccessful(options.stale_logout_status);
        };
        self.sessions.remove(&claims.session);
        self.seen.logouts += 1;
        Answer::json(200, &json!({"successful": true, "data": null}))
    }

    /// Issues new tokens for a session. Its old refresh token is no longer valid.
    fn grant(
        &mut self,
        options: &PortalOptions,
        utc: SystemTime,
        username: &str,
        session: u64,
    ) -> Answer {
        let access = self.issue(
            utc,
            options.access_lifetime,
            username,
            session,
            Purpose::Access,
        );
        let refresh = self.issue(
            utc,
            options.refresh_lifetime,
            username,
            session,
            Purpose::Refresh,
        );
        let (Some(access), Some(refresh)) = (access, refresh) else {
            return unsuccessful(500);
        };
        self.sessions.insert(session, self.last_token);
        let answer = Answer::json(
            200,
            &json!({
                "successful": true,
                "data": {
                    "accessToken": access,
                    "refreshToken": refresh,
                    "ssl": {
                        "caCert": "-----BEGIN CERTIFICATE-----\nc2ltdWxhdGVk\n-----END CERTIFICATE-----\n",
                        "key": self.broker_key.expose(),
                    },
                },
            }),
        );
        self.seen.issued([access, refresh]);
        self.seen.broker_key = Some(self.broker_key.clone());
        answer
    }

    fn issue(
        &mut self,
        utc: SystemTime,
        lifetime: Duration,
        username: &str,
        session: u64,
        purpose: Purpose,
    ) -> Option<String> {
        self.last_token += 1;
        let iat = seconds(utc);
        let claims = Claims {
            sub: username.to_owned(),
            session,
            jti: self.last_token,
            purpose,
            iat,
            exp: iat.saturating_add(lifetime.as_secs()),
        };
        if self.signer.is_none() {
            self.signer = Signer::generate();
        }
        self.signer.as_ref()?.sign(&claims)
    }

    /// Returns the claims of a token that is valid for this purpose.
    fn claims(&self, token: &str, utc: SystemTime, purpose: Purpose) -> Option<Claims> {
        let claims = self.signer.as_ref()?.verify(token, utc)?;
        let latest = self.sessions.get(&claims.session)?;
        let good =
            claims.purpose == purpose && (purpose == Purpose::Access || claims.jti == *latest);
        good.then_some(claims)
    }

    /// Whether an upgrade has a valid access token; `None` if it has no token.
    pub(crate) fn upgrade(&mut self, utc: SystemTime, headers: &HeaderMap) -> Option<bool> {
        let token = bearer(headers)?;
        let good = self.claims(&token, utc, Purpose::Access).is_some();
        self.seen.shown(Place::Upgrade, token, good);
        Some(good)
    }

    /// Whether the first frame on `/api/events/subscribe` has a valid access token in an accepted
    /// form.
    pub(crate) fn first_frame(
        &mut self,
        options: &PortalOptions,
        utc: SystemTime,
        text: &str,
    ) -> bool {
        let Ok(frame) = serde_json::from_str::<Value>(text) else {
            return false;
        };
        let typed = (frame["type"] == "auth").then(|| &frame["creds"]["token"]);
        let (place, token) = match typed {
            Some(token) => (Place::TypedFrame, token),
            None => (Place::BareFrame, &frame["auth"]["token"]),
        };
        let Some(token) = token.as_str() else {
            return false;
        };
        let taken = match options.first_frames {
            FirstFrames::Either => true,
            FirstFrames::Typed => place == Place::TypedFrame,
            FirstFrames::Bare => place == Place::BareFrame,
            FirstFrames::Neither => false,
        };
        let good = taken && self.claims(token, utc, Purpose::Access).is_some();
        self.seen.shown(place, token.to_owned(), good);
        good
    }
}

impl fmt::Debug for Portal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Portal")
            .field("sessions", &self.sessions.len())
            .field("faults", &self.faults)
            .finish_non_exhaustive()
    }
}

/// Returns the token of a Bearer `Authorization`.
fn bearer(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| token.trim().to_owned())
}

fn unsuccessful(status: u16) -> Answer {
    Answer::json(status, &json!({"successful": false, "data": null}))
}

fn faulty_answer(fault: &OnPost) -> Answer {
    let end = AfterAnswer::End(Ending::Close(1000));
    match fault {
        OnPost::Refuse { status, headers } => {
            let headers = headers.iter().map(|(name, value)| (&**name, &**value));
            Answer::refusal(*status, headers)
        }
        OnPost::Unsuccessful => unsuccessful(200),
        OnPost::BrokenJson => Answer::with_body(
            200,
            [],
            "application/json",
            br#"{"successful":true,"data":{"acc"#,
        ),
        OnPost::Raw(bytes) => Answer::raw(bytes.clone(), end),
        OnPost::Mute => Answer::raw(Vec::new(), AfterAnswer::Mute),
        OnPost::End(ending) => Answer::raw(Vec::new(), AfterAnswer::End(*ending)),
    }
}
