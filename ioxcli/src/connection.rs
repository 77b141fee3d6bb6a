//! From the command line to a running stream.

use std::fs;
use std::path::Path;
use std::time::Duration;

use ioxdriver::{Authority, Handle, Options, Trust};
use ioxproto::{
    Account, Address, AddressError, Failure, IdentityProblem, Reason, Secret, Status, StatusChange,
    Timing,
};

use crate::arguments::{Access, Auth};
use crate::known_hosts::KnownHosts;
use crate::stderr::say;
use crate::trouble::Trouble;

/// The address of a controller. It is not for clap to parse, whose errors repeat what was typed: that may hold a
/// password.
pub(crate) fn address(url: &str) -> Result<Address, Trouble> {
    url.parse()
        .map_err(|error: AddressError| Trouble::usage(error.to_string()))
}

/// Everything that the command line says of the controller.
pub(crate) fn options(
    access: &Access,
    address: &Address,
    password: Secret,
    timing: Timing,
) -> Result<Options, Trouble> {
    let username = &access.username;
    let auth = match access.auth {
        Some(auth) => auth,
        None if username.contains('@') => Auth::Portal,
        None => Auth::Local,
    };
    let account = match auth {
        Auth::Local => Account::local(username, password),
        Auth::Portal => Account::portal(username, password),
    };
    Ok(Options::new(address.to_string())
        .account(account)
        .path(access.path)
        .profile(access.profile)
        .timing(timing)
        .trust(trust(access, address)?))
}

/// What the command line says counts, then what `iox trust` has kept, then the platform's roots.
fn trust(access: &Access, address: &Address) -> Result<Trust, Trouble> {
    if !address.tls() {
        let option = match (&*access.pin, &access.ca) {
            ([], None) => return Ok(Trust::System),
            ([], Some(_)) => "--ca",
            _ => "--pin",
        };
        return Err(Trouble::usage(format!(
            "{option} is about the certificate of a https:// controller, and http:// has none: leave it out, or use https://"
        )));
    }
    if !access.pin.is_empty() {
        return Ok(Trust::Pins(access.pin.clone()));
    }
    if let Some(path) = &access.ca {
        return Ok(Trust::Authority(authority(path)?));
    }
    if access.insecure {
        say(
            "--insecure: the certificate is not checked, so whoever sits between here and the controller can read the password and pretend to be it",
        );
        return Ok(Trust::Insecure);
    }
    let kept = KnownHosts::load()?.pins(address);
    Ok(if kept.is_empty() {
        Trust::System
    } else {
        Trust::Pins(kept)
    })
}

fn authority(path: &Path) -> Result<Authority, Trouble> {
    let shown = path.display();
    let pem =
        fs::read(path).map_err(|error| Trouble::usage(format!("cannot read {shown}: {error}")))?;
    Authority::from_pem(&pem)
        .map_err(|error| Trouble::usage(format!("cannot use {shown} for --ca: {error}")))
}

/// The timings of the command line; `changes` go by their names.
pub(crate) fn timing(access: &Access, changes: &[(String, Duration)]) -> Result<Timing, Trouble> {
    let mut timing = Timing::default();
    for (field, value) in [
        (&mut timing.drain_quiet, access.drain_quiet),
        (&mut timing.drain_cap, access.drain_cap),
        (&mut timing.ping_after, access.ping_after),
    ] {
        *field = value.unwrap_or(*field);
    }
    for (name, value) in changes {
        let field = match name.as_str() {
            "connect" => &mut timing.connect,
            "drain_quiet" => &mut timing.drain_quiet,
            "drain_quiet_unmarked" => &mut timing.drain_quiet_unmarked,
            "stall_default" => &mut timing.stall_default,
            "stall_max" => &mut timing.stall_max,
            "stall_grace" => &mut timing.stall_grace,
            "ping_after" => &mut timing.ping_after,
            "pong_within" => &mut timing.pong_within,
            "proven_after" => &mut timing.proven_after,
            _ => return Err(Trouble::usage(format!("there is no timing {name}"))),
        };
        *field = *value;
    }
    Ok(timing)
}

/// What the end of a stream means for the program.
pub(crate) fn outcome(handle: &Handle, controller: &str) -> Result<(), Trouble> {
    match handle.status() {
        Status::Disconnected => Ok(()),
        _ => Err(failed(controller, handle.last_reason().as_ref())),
    }
}

/// A reason with its advice. A refused certificate that ends the program is told whole at that end,
/// with what to do, and only named before.
pub(crate) fn sentence(change: &StatusChange) -> Option<String> {
    let reason = change.reason.as_ref()?;
    Some(match reason {
        Reason::Failed(Failure::Identity { .. }) if change.status == Status::ReconnectFailed => {
            format!(
                "the controller's certificate was refused ({})",
                reason.code()
            )
        }
        reason => format!("{reason}{}", advice(reason)),
    })
}

/// What to add to a reason that gives advice: how to follow it here. Somebody who has pinned a certificate already
/// knows how.
pub(crate) fn advice(reason: &Reason) -> String {
    match reason {
        Reason::Failed(Failure::Identity {
            problem,
            fingerprint,
            ..
        }) if !fingerprint.is_empty() && *problem != IdentityProblem::WrongPin => {
            format!(": --pin {fingerprint}")
        }
        Reason::ReplayIncomplete { .. } => ": --drain-cap SECONDS".to_owned(),
        _ => String::new(),
    }
}

/// What a stream that has failed for good means for the program.
fn failed(controller: &str, reason: Option<&Reason>) -> Trouble {
    let Some(reason) = reason else {
        return Trouble::other(format!("the stream of {controller} has failed"));
    };
    match reason {
        Reason::Failed(Failure::Identity { fingerprint, .. }) if fingerprint.is_empty() => {
            Trouble::refused(reason.to_string())
        }
        Reason::Failed(Failure::Identity { .. }) => Trouble::refused(format!(
            "{reason}{}\niox: or look at it, and keep it as trusted, with: iox trust {controller}",
            advice(reason)
        )),
        Reason::CredentialsRefused { .. }
        | Reason::LoginRefused { .. }
        | Reason::NoToken
        | Reason::TokenNotAccepted { .. } => Trouble::refused(format!("{controller}: {reason}")),
        _ => Trouble::other(format!("{controller}: {reason}")),
    }
}
