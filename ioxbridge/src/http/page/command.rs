//! Commands from the page. The bridge checks and sends them like commands from MQTT.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use ioxproto::rest::Confirmation;
use serde::{Deserialize, Serialize};

use super::Shared;
use crate::handle::PageAnswer;
use crate::machine::Refusal;
use crate::page::Key;

/// The body of a request to send a command.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Command {
    /// The key of the entry, as received in `/events`.
    key: String,
    /// The payload, as on a command topic of MQTT: `ON`, `40%`, `RUN_THEN`.
    payload: String,
}

/// The outcome of a command.
#[derive(Serialize)]
struct Outcome<'a> {
    /// `confirmed`, `unchanged`, `unconfirmed`, or the code of a refusal or failure.
    outcome: &'a str,
    /// Whether the controller has accepted the command.
    accepted: bool,
    /// The outcome in words.
    text: String,
}

pub(super) async fn send(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if !shared.access.is_granted(&headers) {
        let text = "sign in first".to_owned();
        return refused(StatusCode::UNAUTHORIZED, "unauthorized", text);
    }
    if !shared.are_commands_allowed {
        let text = "commands from the page are not allowed: allow them in the configuration";
        return refused(StatusCode::FORBIDDEN, "not_allowed", text.to_owned());
    }
    let Ok(command) = serde_json::from_slice::<Command>(&body) else {
        let text = "a command is a JSON object with key and payload".to_owned();
        return refused(StatusCode::BAD_REQUEST, "not_understood", text);
    };
    let Some((controller, key)) = Key::parse(&command.key) else {
        let text = Refusal::UnknownTarget.to_string();
        return refused(StatusCode::NOT_FOUND, "unknown_target", text);
    };
    let answered = shared.handle.command(controller, key, &command.payload);
    match answered.await {
        Ok(PageAnswer::Done(confirmation)) => {
            let (outcome, text) = match confirmation {
                Confirmation::Confirmed => ("confirmed", "confirmed"),
                Confirmation::Unchanged => ("unchanged", "it already had this state"),
                _ => ("unconfirmed", "accepted, but no event confirmed it"),
            };
            let text = text.to_owned();
            let accepted = true;
            answer(
                StatusCode::OK,
                &Outcome {
                    outcome,
                    accepted,
                    text,
                },
            )
        }
        Ok(PageAnswer::Failed(why)) => refused(StatusCode::BAD_GATEWAY, "failed", why),
        Ok(PageAnswer::Refused(refusal)) => {
            let status = match &refusal {
                Refusal::UnknownTarget => StatusCode::NOT_FOUND,
                Refusal::NotAllowed(_) => StatusCode::FORBIDDEN,
                Refusal::Away => StatusCode::SERVICE_UNAVAILABLE,
                _ => StatusCode::UNPROCESSABLE_ENTITY,
            };
            refused(status, refusal.code(), refusal.to_string())
        }
        Err(_) => {
            let text = "the bridge does not run, or the controller was removed".to_owned();
            refused(StatusCode::SERVICE_UNAVAILABLE, "away", text)
        }
    }
}

fn refused(status: StatusCode, code: &str, text: String) -> Response {
    let outcome = Outcome {
        outcome: code,
        accepted: false,
        text,
    };
    answer(status, &outcome)
}

fn answer(status: StatusCode, outcome: &Outcome<'_>) -> Response {
    // Serialisation fails only for maps whose keys are not strings.
    let body = serde_json::to_string(outcome).unwrap_or_default();
    let json = [(header::CONTENT_TYPE, "application/json")];
    (status, json, body).into_response()
}
