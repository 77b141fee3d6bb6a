//! `iox trust`: shows a controller's certificate, asks, and stores it as trusted.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _};
use std::time::{Duration, SystemTime};

use ioxdriver::{Fingerprint, InspectError, ServerCertificate};
use ioxproto::Address;
use jiff::Timestamp;

use crate::arguments::Trust;
use crate::connection;
use crate::exit_error::ExitError;
use crate::known_hosts::KnownHosts;
use crate::output::{Ended, Screen};
use crate::signals::Stop;
use crate::stderr::say;

/// The limit for name lookup, connection and TLS handshake together.
const INSPECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Shows the certificate, asks, and stores the answer. A signal ends it at any point.
pub(crate) async fn run(trust: Trust, mut stop: Stop) -> Result<(), ExitError> {
    tokio::select! {
        result = inspect_and_ask(trust) => result,
        () = stop.requested() => Err(not_trusted()),
    }
}

async fn inspect_and_ask(trust: Trust) -> Result<(), ExitError> {
    let mut known = KnownHosts::load()?;
    if trust.list {
        print(list(&known)).await;
        return Ok(());
    }
    let address = connection::locate(
        trust.url.as_deref().unwrap_or_default(),
        trust.config.as_deref(),
    )?;
    if trust.forget {
        return forget(&mut known, &address).await;
    }
    let trusted = known.pins(&address);
    let certificate = inspect(&address).await?;
    let pin = certificate.fingerprint;
    print(describe(&address, &certificate, &trusted)).await;
    if trusted == [pin] {
        print("It is trusted already.\n").await;
        return Ok(());
    }
    if !trust.yes {
        if !io::stdin().is_terminal() {
            return Err(ExitError::usage(
                "there is no terminal to ask on: compare the fingerprint, then use --yes to trust this certificate",
            ));
        }
        if !ask().await? {
            return Err(not_trusted());
        }
    }
    known.trust(&address, pin)?;
    if let Some(path) = known.path() {
        print(format!(
            "Trusted from now on; stored in {}.\n",
            path.display()
        ))
        .await;
    }
    Ok(())
}

/// The trusted certificates, one for each line.
fn list(known: &KnownHosts) -> String {
    let mut text = String::new();
    for (host, pin) in known.entries() {
        let _ = writeln!(text, "{host}  {pin}");
    }
    match known.path() {
        _ if !text.is_empty() => text,
        Some(path) => format!(
            "Nothing is trusted yet; it would be stored in {}.\n",
            path.display()
        ),
        None => "Nothing is trusted.\n".to_owned(),
    }
}

async fn forget(known: &mut KnownHosts, address: &Address) -> Result<(), ExitError> {
    if !known.forget(address)? {
        return Err(ExitError::other(format!(
            "no certificate of {address} is trusted; iox trust --list shows the trusted ones"
        )));
    }
    print(format!(
        "The certificates of {address} are no longer trusted.\n"
    ))
    .await;
    Ok(())
}

fn not_trusted() -> ExitError {
    ExitError::other("not trusted; nothing was changed")
}

/// Fetches the certificate of a controller, without trusting it.
pub(crate) async fn inspect(address: &Address) -> Result<ServerCertificate, ExitError> {
    let inspected = ioxtransport_tokio::inspect(address, INSPECT_TIMEOUT).await;
    inspected.map_err(|error| match error {
        InspectError::Plain { .. } => ExitError::usage(error.to_string()),
        error => ExitError::other(error.to_string()),
    })
}

async fn ask() -> Result<bool, ExitError> {
    print("Trust this certificate from now on? [y/N] ").await;
    let mut answer = String::new();
    let read =
        tokio::task::spawn_blocking(move || io::stdin().read_line(&mut answer).map(|_| answer));
    match read.await {
        Ok(Ok(answer)) => Ok(matches!(
            answer.trim().to_ascii_lowercase().as_str(),
            "y" | "yes"
        )),
        Ok(Err(error)) => Err(ExitError::other(format!("cannot read the answer: {error}"))),
        Err(error) => Err(ExitError::other(format!("cannot read the answer: {error}"))),
    }
}

/// Describes a certificate, and the trusted ones if they differ.
pub(crate) fn describe(
    address: &Address,
    certificate: &ServerCertificate,
    trusted: &[Fingerprint],
) -> String {
    let ServerCertificate {
        fingerprint,
        subject,
        issuer,
        not_before,
        not_after,
        names,
        ..
    } = certificate;
    let issuer = if issuer == subject { "itself" } else { issuer };
    let validity = validity(*not_before, *not_after, SystemTime::now());
    let mut text = format!(
        "controller   {address}\nfingerprint  {fingerprint}\nsubject      {subject}\nsigned by    {issuer}\nvalid        {validity}\n"
    );
    if !names.is_empty() {
        let _ = writeln!(text, "for          {}", names.join(", "));
    }
    if !trusted.is_empty() && *trusted != [*fingerprint] {
        let trusted: Vec<_> = trusted.iter().map(Fingerprint::to_string).collect();
        let _ = writeln!(
            text,
            "was trusted  {}\nThe certificate has changed. If it was not renewed, there may be an attacker between here and the controller.",
            trusted.join(", ")
        );
    }
    text
}

fn validity(from: SystemTime, until: SystemTime, now: SystemTime) -> String {
    let remark = if now < from {
        " (not yet, by the clock here)"
    } else if now > until {
        " (expired, by the clock here)"
    } else {
        ""
    };
    format!("{} to {}{remark}", day(from), day(until))
}

fn day(time: SystemTime) -> String {
    Timestamp::try_from(time).map_or_else(
        |_| "an invalid date".to_owned(),
        |time| time.strftime("%Y-%m-%d").to_string(),
    )
}

/// Writes to standard output. Ignores errors: the reader may have closed it.
pub(crate) async fn print(text: impl Into<Vec<u8>>) {
    let written = match Screen::stdout() {
        Ok(screen) => screen.finish(text.into()).await,
        Err(error) => Ended::Failed(error),
    };
    if !matches!(written, Ended::Done) {
        say("standard output is closed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_that_is_not_valid_now_has_a_remark() {
        let at = |days: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(days * 86_400);
        assert_eq!(validity(at(0), at(2), at(1)), "1970-01-01 to 1970-01-03");
        assert!(validity(at(0), at(2), at(3)).ends_with("(expired, by the clock here)"));
        assert!(validity(at(1), at(2), at(0)).ends_with("(not yet, by the clock here)"));
    }
}
