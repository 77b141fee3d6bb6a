//! Faults for `iox simulate`: `WHERE=WHAT`, or `WHERE=WHAT*TIMES`.

use std::str::FromStr;
use std::time::Duration;

use ioxsim::{Control, Ending, Endpoint, OnCall, OnConnect, OnPost, OnUpgrade, Times};

/// A fault.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    plan: Plan,
    times: Times,
}

/// What a fault affects, and how.
#[derive(Clone, Debug)]
enum Plan {
    Connect(OnConnect),
    Upgrade(OnUpgrade),
    Post(Endpoint, OnPost),
    Call(OnCall),
}

impl Fault {
    /// Schedules the fault.
    pub(crate) fn plan(self, control: &Control) {
        match self.plan {
            Plan::Connect(fault) => control.on_connect(fault, self.times),
            Plan::Upgrade(fault) => control.on_upgrade(fault, self.times),
            Plan::Post(endpoint, fault) => control.on_post(endpoint, fault, self.times),
            Plan::Call(fault) => control.on_call(fault, self.times),
        }
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (place, what) = text
            .split_once('=')
            .ok_or("write it as WHERE=WHAT or WHERE=WHAT*TIMES, such as upgrade=503*2")?;
        let (what, times) = match what.split_once('*') {
            Some((what, times)) => {
                let times = times
                    .parse()
                    .map_err(|_| format!("{times:?} is not a number of times"))?;
                (what, Times::Next(times))
            }
            None => (what, Times::Always),
        };
        let plan = match place {
            "connect" => connect(what).map(Plan::Connect),
            "upgrade" => upgrade(what).map(Plan::Upgrade),
            "login" => post(what).map(|fault| Plan::Post(Endpoint::Login, fault)),
            "refresh" => post(what).map(|fault| Plan::Post(Endpoint::Refresh, fault)),
            "logout" => post(what).map(|fault| Plan::Post(Endpoint::Logout, fault)),
            "call" => call(what).map(Plan::Call),
            _ => {
                return Err("WHERE is connect, upgrade, login, refresh, logout or call".to_owned());
            }
        };
        Ok(Self { plan: plan?, times })
    }
}

fn connect(what: &str) -> Result<OnConnect, String> {
    match what {
        "mute" => Ok(OnConnect::Mute),
        "close" => Ok(OnConnect::Close),
        "reset" => Ok(OnConnect::Reset),
        _ => Err("a connect is mute, close or reset".to_owned()),
    }
}

fn upgrade(what: &str) -> Result<OnUpgrade, String> {
    match (what, status(what)) {
        (_, Some(status)) => Ok(OnUpgrade::refuse(status)),
        ("mute", _) => Ok(OnUpgrade::Mute),
        ("close", _) => Ok(OnUpgrade::End(Ending::Fin)),
        ("reset", _) => Ok(OnUpgrade::End(Ending::Reset)),
        ("drop", _) => Ok(OnUpgrade::AcceptThenEnd(Ending::Close(1000))),
        ("garbage", _) => Ok(OnUpgrade::Raw(b"SSH-2.0-OpenSSH_9.6\r\n".to_vec())),
        ("key", _) => Ok(OnUpgrade::WrongAcceptKey),
        _ => Err(
            "an upgrade is an HTTP status from 200 to 599, mute, close, reset, drop (accepted and closed), garbage, or key (a wrong one)"
                .to_owned(),
        ),
    }
}

fn post(what: &str) -> Result<OnPost, String> {
    match (what, status(what)) {
        (_, Some(status)) => Ok(OnPost::refuse(status)),
        ("mute", _) => Ok(OnPost::Mute),
        ("close", _) => Ok(OnPost::End(Ending::Fin)),
        ("reset", _) => Ok(OnPost::End(Ending::Reset)),
        ("no", _) => Ok(OnPost::Unsuccessful),
        ("broken", _) => Ok(OnPost::BrokenJson),
        _ => Err(
            "a login, refresh or logout is an HTTP status from 200 to 599, mute, close, reset, no (\"successful\": false), or broken (JSON)"
                .to_owned(),
        ),
    }
}

/// The delay of the answer to a slow call.
const SLOW: Duration = Duration::from_secs(5);

fn call(what: &str) -> Result<OnCall, String> {
    match (what, status(what)) {
        (_, Some(status)) => Ok(OnCall::Refuse { status }),
        ("busy", _) => Ok(OnCall::Busy { carried_out: false }),
        ("done", _) => Ok(OnCall::Busy { carried_out: true }),
        ("framing", _) => Ok(OnCall::BrokenFraming),
        ("no", _) => Ok(OnCall::NotSucceeded),
        ("html", _) => Ok(OnCall::Html),
        ("empty", _) => Ok(OnCall::Empty),
        ("short", _) => Ok(OnCall::TooShort),
        ("long", _) => Ok(OnCall::TooLong),
        ("cut", _) => Ok(OnCall::CutOff),
        ("slow", _) => Ok(OnCall::Slow(SLOW)),
        ("mute", _) => Ok(OnCall::Mute),
        _ => Err(
            "a call is an HTTP status from 200 to 599, busy (404), done (404, and carried out), framing (404, \
             and more bytes than promised on a kept connection), no (succeeded=\"false\" \
             inside 200), html (a sign-in page), empty, short or long (of another length than promised), cut, slow (5 s), \
             or mute"
                .to_owned(),
        ),
    }
}

fn status(what: &str) -> Option<u16> {
    what.parse()
        .ok()
        .filter(|status| (200..=599).contains(status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_parsed() {
        for text in [
            "connect=mute",
            "connect=reset*1",
            "upgrade=503*2",
            "upgrade=drop",
            "login=401",
            "refresh=no*3",
            "logout=mute",
            "call=503*2",
            "call=busy",
            "call=slow*1",
            "call=framing*1",
        ] {
            text.parse::<Fault>().unwrap();
        }
        let fault: Fault = "upgrade=503*2".parse().unwrap();
        assert_eq!(fault.times, Times::Next(2));
        assert!(matches!(
            fault.plan,
            Plan::Upgrade(OnUpgrade::Refuse { status: 503, .. })
        ));
    }

    #[test]
    fn an_unknown_fault_is_refused_with_the_known_ones() {
        for (text, hint) in [
            ("upgrade", "WHERE=WHAT"),
            ("x=mute", "WHERE is"),
            ("connect=401", "mute, close or reset"),
            ("upgrade=101", "200 to 599"),
            ("login=key", "successful"),
            ("call=key", "succeeded"),
            ("login=401*x", "number of times"),
        ] {
            let error = text.parse::<Fault>().unwrap_err();
            assert!(error.contains(hint), "{text}: {error}");
        }
    }
}
