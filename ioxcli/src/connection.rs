//! Combines the command line and the configuration into the options of a stream.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ioxdriver::{Authority, Options, Trust};
use ioxproto::{
    Account, Address, AddressError, Failure, IdentityProblem, Profile, Reason, Secret, Status,
    StatusChange, SubscribePath, Timing,
};

use crate::any_stream::Handle;
use crate::arguments::{self, Access, Auth, Transport};
use crate::exit_error::ExitError;
use crate::known_hosts::KnownHosts;
use crate::password;
use crate::service::config::{self, Config, Name, TrustSetting};
use crate::service::secret::Source;
use crate::signals::Stop;
use crate::stderr::say;

/// The environment variable with the user name for a controller that is given by its URL.
const USERNAME: &str = "IOX_USERNAME";

/// Parses the URL of a controller. clap must not do this, because its errors repeat the input,
/// which may contain a password.
pub(crate) fn address(url: &str) -> Result<Address, ExitError> {
    url.parse()
        .map_err(|error: AddressError| ExitError::usage(error.to_string()))
}

/// Returns the address of a controller, given by its name or its URL.
pub(crate) fn locate(controller: &str, config: Option<&Path>) -> Result<Address, ExitError> {
    match find_name(controller, config)? {
        Some((config, name)) => Ok(config.controller(name.as_str())?.1.url.clone()),
        None => address(controller),
    }
}

/// Loads the configuration for a controller given by its name; `None` for a URL.
fn find_name(controller: &str, config: Option<&Path>) -> Result<Option<(Config, Name)>, ExitError> {
    let Ok(name) = controller.parse::<Name>() else {
        return Ok(None);
    };
    let path = config::locate(config)?;
    if config.is_none() && !path.exists() {
        return Err(ExitError::usage(format!(
            "no controller is named {name}, because there is no configuration {}: create one with iox setup, or give the URL, such as https://{name}",
            path.display()
        )));
    }
    Ok(Some((Config::load(&path)?, name)))
}

/// A controller to connect to. The command line overrides the configuration.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) address: Address,
    pub(crate) path: SubscribePath,
    pub(crate) transport: Transport,
    username: String,
    auth: Option<Auth>,
    profile: Profile,
    trust: Trust,
    timing: Timing,
    is_drain_quiet_given: bool,
    keep_trying: bool,
    password: PasswordSource,
}

/// Where the password comes from.
#[derive(Debug)]
enum PasswordSource {
    File(PathBuf),
    Configuration(Source, Box<Config>, Name),
    /// The environment, or a prompt.
    EnvironmentOrPrompt,
}

impl Endpoint {
    /// Finds the controller of the command line, by its URL or by its name in the configuration.
    /// `timings` are given by their names.
    pub(crate) fn find(
        controller: &str,
        access: &Access,
        timings: &[(String, Duration)],
    ) -> Result<Self, ExitError> {
        let mut endpoint = match find_name(controller, access.config.as_deref())? {
            Some((config, name)) => Self::configured(&config, name)?,
            None => Self::unconfigured(address(controller)?, access)?,
        };
        if let Some(username) = &access.username {
            endpoint.username.clone_from(username);
            endpoint.auth = None;
        }
        endpoint.auth = access.auth.or(endpoint.auth);
        endpoint.path = access.path.unwrap_or(endpoint.path);
        endpoint.profile = access.profile.unwrap_or(endpoint.profile);
        endpoint.transport = access.transport;
        if let Some(path) = &access.password_file {
            endpoint.password = PasswordSource::File(path.clone());
        }
        if let Some(trust) = trust(access, &endpoint.address)? {
            endpoint.trust = trust;
        }
        endpoint.is_drain_quiet_given |= access.drain_quiet.is_some();
        change_timing(&mut endpoint.timing, access, timings)?;
        Ok(endpoint)
    }

    fn unconfigured(address: Address, access: &Access) -> Result<Self, ExitError> {
        let username = match (&access.username, env::var(USERNAME)) {
            (Some(username), _) => username.clone(),
            (None, Ok(username)) => {
                let usage_error =
                    |why| ExitError::usage(format!("{USERNAME} cannot be used: {why}"));
                arguments::username(&username).map_err(usage_error)?
            }
            (None, Err(_)) => {
                return Err(ExitError::usage(format!(
                    "no user name: give it with --username or in the environment variable {USERNAME}, or save the account under a name with iox setup"
                )));
            }
        };
        let trust = match has_own_trust(access) {
            true => Trust::System,
            false => known_hosts_trust(&address)?,
        };
        Ok(Self {
            address,
            path: SubscribePath::Rest,
            transport: Transport::Tokio,
            username,
            auth: None,
            profile: Profile::Iox,
            trust,
            timing: Timing::default(),
            is_drain_quiet_given: false,
            keep_trying: false,
            password: PasswordSource::EnvironmentOrPrompt,
        })
    }

    /// A controller with the settings of the configuration.
    pub(crate) fn configured(config: &Config, name: Name) -> Result<Self, ExitError> {
        let (_, controller) = config.controller(name.as_str())?;
        let trust = match &controller.trust {
            Some(setting) => trust_setting(setting, config, name.as_str())?,
            None => known_hosts_trust(&controller.url)?,
        };
        let mut timing = Timing::default();
        controller.timing.apply(&mut timing);
        let is_drain_quiet_given = timing.drain_quiet != Timing::default().drain_quiet;
        let password = match &controller.password {
            Some(source) => {
                let config = Box::new(config.clone());
                PasswordSource::Configuration(source.clone(), config, name)
            }
            None => PasswordSource::EnvironmentOrPrompt,
        };
        Ok(Self {
            address: controller.url.clone(),
            path: controller.path.unwrap_or(SubscribePath::Rest),
            transport: Transport::Tokio,
            username: controller.username.clone(),
            auth: controller.auth,
            profile: controller.profile.unwrap_or(Profile::Iox),
            trust,
            timing,
            is_drain_quiet_given,
            keep_trying: controller.keep_trying,
            password,
        })
    }

    /// The trust settings for its certificate.
    pub(crate) fn trust(&self) -> &Trust {
        &self.trust
    }

    /// Makes the replay end only after a longer silence, for a command that reads the state once.
    /// If the controller marks the end of its replay, this costs no time.
    pub(crate) fn wait_for_silence(&mut self) {
        if !self.is_drain_quiet_given && self.path == SubscribePath::Rest {
            self.timing.drain_quiet = self.timing.drain_quiet_unmarked;
        }
    }

    /// Fetches the password and returns the options of a stream; `None` if a signal arrived
    /// meanwhile.
    pub(crate) async fn options(&self, stop: &mut Stop) -> Result<Option<Options>, ExitError> {
        let password = match &self.password {
            PasswordSource::File(path) => {
                password::obtain(&self.username, Some(path), stop).await?
            }
            PasswordSource::Configuration(source, config, name) => tokio::select! {
                password = source.fetch(config, name.as_str()) => Some(password?),
                () = stop.requested() => None,
            },
            PasswordSource::EnvironmentOrPrompt => {
                password::obtain(&self.username, None, stop).await?
            }
        };
        Ok(password.map(|password| self.options_with(password)))
    }

    /// Returns the options of a stream with this password.
    pub(crate) fn options_with(&self, password: Secret) -> Options {
        let username = &*self.username;
        let account = match self.auth {
            Some(Auth::Portal) => Account::portal(username, password),
            None if username.contains('@') => Account::portal(username, password),
            Some(Auth::Local) | None => Account::local(username, password),
        };
        Options::new(self.address.to_string())
            .account(account)
            .path(self.path)
            .profile(self.profile)
            .timing(self.timing.clone())
            .keep_trying(self.keep_trying)
            .trust(self.trust.clone())
    }
}

fn has_own_trust(access: &Access) -> bool {
    !access.pin.is_empty() || access.ca.is_some() || access.insecure
}

/// The trust settings of the command line, if any.
fn trust(access: &Access, address: &Address) -> Result<Option<Trust>, ExitError> {
    if !address.has_tls() {
        let option = match (&*access.pin, &access.ca) {
            ([], None) => return Ok(None),
            ([], Some(_)) => "--ca",
            _ => "--pin",
        };
        return Err(ExitError::usage(format!(
            "{option} applies to the certificate of an https:// controller, and http:// has none: leave it out, or use https://"
        )));
    }
    if !access.pin.is_empty() {
        return Ok(Some(Trust::Pins(access.pin.clone())));
    }
    if let Some(path) = &access.ca {
        return Ok(Some(Trust::Authority(authority(path, "--ca")?)));
    }
    if access.insecure {
        warn_insecure("--insecure");
        return Ok(Some(Trust::Insecure));
    }
    Ok(None)
}

/// Converts a trust setting of the configuration. Errors name its owner, `whose`.
pub(crate) fn trust_setting(
    setting: &TrustSetting,
    config: &Config,
    whose: &str,
) -> Result<Trust, ExitError> {
    Ok(match setting {
        TrustSetting::Pins(pins) => Trust::Pins(pins.clone()),
        TrustSetting::Authority(path) => {
            Trust::Authority(authority(&config.resolve(path), &format!("ca of {whose}"))?)
        }
        TrustSetting::Insecure => {
            warn_insecure(&format!("insecure = true of {whose}"));
            Trust::Insecure
        }
    })
}

fn warn_insecure(what: &str) {
    say(format_args!(
        "{what}: the certificate is not checked, so anyone between here and the controller can read the password and impersonate the controller"
    ));
}

/// Trusts the certificates that `iox trust` has stored, or else the platform's roots.
fn known_hosts_trust(address: &Address) -> Result<Trust, ExitError> {
    if !address.has_tls() {
        return Ok(Trust::System);
    }
    let kept = KnownHosts::load()?.pins(address);
    Ok(if kept.is_empty() {
        Trust::System
    } else {
        Trust::Pins(kept)
    })
}

fn authority(path: &Path, option: &str) -> Result<Authority, ExitError> {
    let shown = path.display();
    let pem = fs::read(path)
        .map_err(|error| ExitError::usage(format!("cannot read {shown}: {error}")))?;
    Authority::from_pem(&pem)
        .map_err(|error| ExitError::usage(format!("cannot use {shown} for {option}: {error}")))
}

/// Applies the timings of the command line. `changes` are given by their names.
fn change_timing(
    timing: &mut Timing,
    access: &Access,
    changes: &[(String, Duration)],
) -> Result<(), ExitError> {
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
            _ => return Err(ExitError::usage(format!("there is no timing named {name}"))),
        };
        *field = *value;
    }
    Ok(())
}

/// Returns the outcome of the program when its stream has ended.
pub(crate) fn outcome(handle: &Handle, controller: &str) -> Result<(), ExitError> {
    match handle.status() {
        Status::Disconnected => Ok(()),
        _ => Err(failed(controller, handle.last_reason().as_ref())),
    }
}

/// Formats the reason of a status change, with advice. A refused certificate that ends the program
/// is only named here, because the final error message has the details and the advice.
pub(crate) fn reason_text(change: &StatusChange) -> Option<String> {
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

/// Returns the command-line option that follows the advice in a reason. After a wrong pin it is
/// empty, because the user already knows the option.
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

/// The error of a stream that has failed permanently.
fn failed(controller: &str, reason: Option<&Reason>) -> ExitError {
    let Some(reason) = reason else {
        return ExitError::other(format!("the stream of {controller} has failed"));
    };
    match reason {
        Reason::Failed(Failure::Identity { fingerprint, .. }) if fingerprint.is_empty() => {
            ExitError::refused(reason.to_string())
        }
        Reason::Failed(Failure::Identity { .. }) => ExitError::refused(format!(
            "{reason}{}\niox: or inspect it, and store it as trusted, with: iox trust {controller}",
            advice(reason)
        )),
        Reason::CredentialsRefused { .. }
        | Reason::LoginRefused { .. }
        | Reason::NoToken
        | Reason::TokenNotAccepted { .. } => ExitError::refused(format!("{controller}: {reason}")),
        _ => ExitError::other(format!("{controller}: {reason}")),
    }
}
