//! From the command line to a running stream.

use ioxproto::{Address, Failure, Reason, Secret};
use ioxtransport_tokio::{EventStream, Timing, Trust};

use crate::arguments::{Auth, Controller};
use crate::trouble::{Trouble, say};

/// A builder with everything that the command line says of the controller.
pub(crate) fn builder(
    controller: &Controller,
    address: &Address,
    password: Secret,
) -> Result<ioxtransport_tokio::Builder, Trouble> {
    let builder = EventStream::builder(address.to_string())
        .path(controller.path)
        .profile(controller.profile)
        .trust(trust(controller, address)?);
    let username = controller.username.as_str();
    Ok(match auth(controller) {
        Auth::Local => builder.local_account(username, password),
        Auth::Portal => builder.portal_account(username, password),
    })
}

fn auth(controller: &Controller) -> Auth {
    let portal = controller.username.contains('@');
    controller
        .auth
        .unwrap_or(if portal { Auth::Portal } else { Auth::Local })
}

fn trust(controller: &Controller, address: &Address) -> Result<Trust, Trouble> {
    let secured = address.tls();
    if !secured && !controller.pin.is_empty() {
        return Err(Trouble::usage(
            "--pin is about the certificate of a https:// controller, and http:// has none: leave it out, or use https://",
        ));
    }
    if !controller.pin.is_empty() {
        return Ok(Trust::Pins(controller.pin.clone()));
    }
    if controller.insecure {
        if secured {
            say(
                "--insecure: the certificate is not checked, so whoever sits between here and the controller can read the password and pretend to be it",
            );
        }
        return Ok(Trust::Insecure);
    }
    Ok(Trust::System)
}

/// Timings by their names.
pub(crate) fn timing(changes: &[(String, std::time::Duration)]) -> Result<Timing, Trouble> {
    let mut timing = Timing::default();
    for (name, value) in changes {
        let field = match name.as_str() {
            "connect" => &mut timing.connect,
            "drain_quiet" => &mut timing.drain_quiet,
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

/// What a stream that has failed for good means for the program.
pub(crate) fn failed(controller: &str, reason: Option<&Reason>) -> Trouble {
    let Some(reason) = reason else {
        return Trouble::other(format!("the stream of {controller} has failed"));
    };
    match reason {
        Reason::Failed(Failure::Identity { .. }) => Trouble::refused(reason.to_string()),
        Reason::CredentialsRefused { .. }
        | Reason::LoginRefused { .. }
        | Reason::NoToken
        | Reason::TokenNotAccepted { .. } => Trouble::refused(format!("{controller}: {reason}")),
        _ => Trouble::other(format!("{controller}: {reason}")),
    }
}
