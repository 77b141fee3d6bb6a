//! `iox discover`: finds the controllers on this network.

mod answer;
mod description;
mod search;

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use ioxproto::Address;
use jiff::Timestamp;
use serde::Serialize;
use tokio::task::JoinSet;

use self::answer::Answer;
pub(crate) use self::description::Description;
use crate::arguments::{Discover, StateFormat};
use crate::exit_error::ExitError;
use crate::output::{Ended, Screen, controllers};
use crate::signals::Stop;

/// A controller that answered, with its description.
#[derive(Debug)]
pub(crate) struct FoundController {
    pub(crate) url: Address,
    pub(crate) description: Result<Description, String>,
    received: SystemTime,
}

/// Searches for controllers and prints their descriptions.
pub(crate) async fn run(discover: Discover, mut stop: Stop) -> Result<(), ExitError> {
    let found = tokio::select! {
        found = find(discover.to, discover.wait) => found?,
        () = stop.requested() => return Ok(()),
    };
    if found.is_empty() {
        return Err(ExitError::other(no_answer(discover.to)));
    }
    let text = match discover.format {
        StateFormat::Text => controllers(found.iter().map(row).collect()),
        StateFormat::Json => found
            .iter()
            .map(line)
            .collect::<Result<String, ExitError>>()?,
    };
    let cannot = |error| ExitError::other(format!("cannot write to standard output: {error}"));
    let screen = Screen::stdout().map_err(cannot)?;
    match screen.finish(text.into_bytes()).await {
        Ended::Failed(error) => Err(cannot(error)),
        _ => Ok(()),
    }
}

/// Returns the controllers that answer within this time, with their descriptions.
pub(crate) async fn find(
    to: Option<SocketAddr>,
    wait: Duration,
) -> Result<Vec<FoundController>, ExitError> {
    let answers = search::search(to, wait)
        .await
        .map_err(|error| ExitError::other(format!("cannot search the network: {error}")))?;
    let mut reading = JoinSet::new();
    for (place, answer) in answers.into_iter().enumerate() {
        reading.spawn_blocking(move || (place, describe(answer)));
    }
    let mut found = reading.join_all().await;
    found.sort_by_key(|(place, _)| *place);
    Ok(found.into_iter().map(|(_, found)| found).collect())
}

fn describe(answer: Answer) -> FoundController {
    FoundController {
        description: description::read(&answer.location),
        url: answer.location.base,
        received: answer.received,
    }
}

/// The error message, with advice, if no controller answers.
pub(crate) fn no_answer(to: Option<SocketAddr>) -> String {
    let whom = match to {
        Some(address) => format!("{} did not answer", address.ip()),
        None => "no controller answered".to_owned(),
    };
    format!(
        "{whom}: UPnP may be off on the controller, and a search does not cross VLANs, VPNs and container networks. iox setup takes its URL, such as https://eisy.local:8443"
    )
}

fn row(found: &FoundController) -> [String; 5] {
    let url = found.url.to_string();
    match &found.description {
        Ok(description) => {
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            let Description {
                name,
                model,
                version,
                uuid,
                ..
            } = description;
            [text(name), url, text(model), text(version), text(uuid)]
        }
        Err(why) => [
            format!("({why})"),
            url,
            String::new(),
            String::new(),
            String::new(),
        ],
    }
}

/// One object of the JSON output.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    time: String,
    url: String,
    #[serde(flatten)]
    description: Option<&'a Description>,
    error: Option<&'a str>,
}

fn line(found: &FoundController) -> Result<String, ExitError> {
    let time = Timestamp::try_from(found.received).unwrap_or_default();
    let line = Line {
        kind: "controller",
        time: time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
        url: found.url.to_string(),
        description: found.description.as_ref().ok(),
        error: found.description.as_ref().err().map(String::as_str),
    };
    let text = serde_json::to_string(&line);
    Ok(text.map_err(|error| ExitError::other(error.to_string()))? + "\n")
}
