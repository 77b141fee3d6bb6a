//! `iox setup`: finds a controller, checks access to it and writes a working configuration.
//!
//! ```text
//!  URL, or search ─► name ─► certificate: yes? ─► account ─► trial ─► [broker] ─► files
//! ```
//!
//! Nothing is written until all answers are known and have been tested, so that Ctrl-C or a failure
//! leaves no trace. The password is sent only after the user, or an option, has confirmed the
//! controller.

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::time::Duration;

use ioxdriver::{Fingerprint, Options, Trust};
use ioxproto::state::ControllerState;
use ioxproto::{Account, Address, Notification, Profile, Secret, Status};
use tokio::time::timeout;

use crate::any_stream::AnyStream;
use crate::arguments::{Auth, Setup, Transport};
use crate::connection;
use crate::exit_error::ExitError;
use crate::password;
use crate::service::config::{self, Config, Name};
use crate::service::discover::{self, FoundController};
use crate::service::written::{Entry, MqttEntry, write};
use crate::signals::Stop;
use crate::stderr::say;
use crate::trust::{describe, inspect, print};

/// The time limit for the trial, including the replay of a large house.
const TRIAL_TIMEOUT: Duration = Duration::from_secs(60);

/// Asks for what the options do not give, tests the account and writes the configuration.
pub(crate) async fn run(setup: Setup, stop: Stop) -> Result<(), ExitError> {
    let path = config::locate(setup.config.as_deref())?;
    let mut wizard = Wizard {
        existing: match path.exists() {
            true => Some(Config::load(&path)?),
            false => None,
        },
        path,
        setup,
        stop,
    };
    let (url, suggested) = wizard.choose_controller().await?;
    let name = wizard.choose_name(&suggested).await?;
    let pin = wizard.confirm_identity(&url).await?;
    let (username, password) = wizard.ask_account().await?;
    let account = match wizard.auth(&username) {
        Auth::Portal => Account::portal(&*username, password.clone()),
        Auth::Local => Account::local(&*username, password.clone()),
    };
    wizard.try_account(&url, account, pin).await?;
    let mqtt = wizard.ask_broker().await?;
    let entry = Entry {
        name,
        url,
        username,
        password,
        pin,
        auth: wizard.setup.auth,
        profile: wizard.setup.profile,
    };
    write(&wizard.path, &entry, mqtt.as_ref())?;
    let (name, path) = (&entry.name, wizard.path.display());
    print(format!(
        "Written to {path}. Watch it with: iox watch {name}\nPublish it to MQTT and Home Assistant with: iox bridge\n"
    ))
    .await;
    Ok(())
}

fn interrupted() -> ExitError {
    ExitError::other("stopped; nothing was written")
}

/// The dialogue that collects the settings.
struct Wizard {
    setup: Setup,
    path: PathBuf,
    existing: Option<Config>,
    stop: Stop,
}

impl Wizard {
    /// Returns the controller's URL, and suggests a name for it.
    async fn choose_controller(&mut self) -> Result<(Address, String), ExitError> {
        if let Some(url) = &self.setup.url {
            return Ok((connection::address(url)?, "home".to_owned()));
        }
        print("Searching for controllers …\n").await;
        let search = discover::find(self.setup.to, self.setup.wait);
        let mut found = tokio::select! {
            found = search => found?,
            () = self.stop.requested() => return Err(interrupted()),
        };
        if found.is_empty() {
            return Err(ExitError::other(discover::no_answer(self.setup.to)));
        }
        let mut list = String::new();
        for (place, found) in found.iter().enumerate() {
            list += &format!("{}  {}  {}\n", place + 1, found.url, title(found));
        }
        print(list).await;
        let chosen = match found.len() {
            1 => 0,
            _ => {
                let answer = self
                    .ask("Which one? [1] ", "give the URL of your controller")
                    .await?;
                let number = if answer.is_empty() {
                    Ok(1)
                } else {
                    answer.parse()
                };
                number
                    .ok()
                    .filter(|number| (1..=found.len()).contains(number))
                    .ok_or_else(|| ExitError::usage("there is no controller with that number"))?
                    - 1
            }
        };
        let found = found.swap_remove(chosen);
        let suggested = suggested_name(&title(&found));
        Ok((found.url, suggested))
    }

    async fn choose_name(&mut self, suggested: &str) -> Result<Name, ExitError> {
        let text = match &self.setup.name {
            Some(name) => name.clone(),
            None if !io::stdin().is_terminal() => suggested.to_owned(),
            None => {
                let prompt = format!("Name for it [{suggested}]: ");
                match self.ask(&prompt, "give it with --name").await? {
                    answer if answer.is_empty() => suggested.to_owned(),
                    answer => answer,
                }
            }
        };
        let name: Name = text.parse().map_err(ExitError::usage)?;
        let existing = self.existing.as_ref();
        if existing.is_some_and(|config| config.settings.controllers.contains_key(&name)) {
            return Err(ExitError::usage(format!(
                "{} has a controller {name} already: choose another --name, or remove that one",
                self.path.display()
            )));
        }
        Ok(name)
    }

    /// Shows the controller's certificate and asks for confirmation. Returns its fingerprint, which
    /// is pinned from then on.
    async fn confirm_identity(&mut self, url: &Address) -> Result<Option<Fingerprint>, ExitError> {
        if !url.has_tls() {
            say(format_args!(
                "{url} is plain http: anyone on the network between here and the controller can read the password and impersonate the controller"
            ));
            if self.setup.pin.is_some() {
                return Err(ExitError::usage(
                    "--pin applies to the certificate of an https:// controller, and http:// has none",
                ));
            }
            self.confirm(
                "Send the password there anyway? [y/N] ",
                "give --yes to send the password without encryption",
            )
            .await?;
            return Ok(None);
        }
        let certificate = tokio::select! {
            certificate = inspect(url) => certificate?,
            () = self.stop.requested() => return Err(interrupted()),
        };
        let shown = certificate.fingerprint;
        print(describe(url, &certificate, &[])).await;
        match self.setup.pin {
            Some(pin) if pin == shown => {}
            Some(pin) => {
                return Err(ExitError::refused(format!(
                    "{url} shows the certificate {shown}, and not {pin}: nothing was sent"
                )));
            }
            None => {
                self.confirm(
                    "Is this your controller? [y/N] ",
                    "compare the fingerprint, then give it with --pin, or give --yes",
                )
                .await?;
            }
        }
        Ok(Some(shown))
    }

    async fn confirm(&mut self, question: &str, advice: &str) -> Result<(), ExitError> {
        if self.setup.yes {
            return Ok(());
        }
        let answer = self.ask(question, advice).await?;
        match answer.to_ascii_lowercase().as_str() {
            "y" | "yes" => Ok(()),
            _ => Err(ExitError::other(
                "not confirmed; nothing was sent or written",
            )),
        }
    }

    async fn ask_account(&mut self) -> Result<(String, Secret), ExitError> {
        let username = match &self.setup.username {
            Some(username) => username.clone(),
            None => self.ask("User name: ", "give it with --username").await?,
        };
        let username = crate::arguments::username(&username)
            .map_err(|why| ExitError::usage(format!("the user name cannot be used: {why}")))?;
        let file = self.setup.password_file.as_deref();
        let password = password::obtain(&username, file, &mut self.stop).await?;
        Ok((username, password.ok_or_else(interrupted)?))
    }

    fn auth(&self, username: &str) -> Auth {
        match self.setup.auth {
            Some(auth) => auth,
            None if username.contains('@') => Auth::Portal,
            None => Auth::Local,
        }
    }

    /// Connects once, like `iox watch`, until the replay has ended.
    async fn try_account(
        &mut self,
        url: &Address,
        account: Account,
        pin: Option<Fingerprint>,
    ) -> Result<(), ExitError> {
        print("Connecting …\n").await;
        let mut options = Options::new(url.to_string())
            .account(account)
            .profile(self.setup.profile.unwrap_or(Profile::Iox));
        if let Some(pin) = pin {
            options = options.trust(Trust::Pins(vec![pin]));
        }
        let mut stream = AnyStream::start(options, Transport::Tokio)?;
        let handle = stream.handle();
        let tried = tokio::select! {
            tried = timeout(TRIAL_TIMEOUT, connected(&mut stream)) => tried,
            () = self.stop.requested() => return Err(interrupted()),
        };
        handle.request_stop();
        let nodes = match tried {
            Ok(Ok(nodes)) => nodes,
            Ok(Err(Some(why))) => return Err(ExitError::other(format!("{url}: {why}"))),
            Ok(Err(None)) => {
                let ended = connection::outcome(&handle, &url.to_string());
                return Err(ended.err().unwrap_or_else(interrupted));
            }
            Err(_) => {
                let seconds = TRIAL_TIMEOUT.as_secs();
                return Err(ExitError::other(format!(
                    "no connection to {url} within {seconds} s; nothing was written"
                )));
            }
        };
        while stream.next().await.is_some() {}
        print(format!(
            "Connected: {nodes} nodes have reported their state.\n"
        ))
        .await;
        Ok(())
    }

    async fn ask_broker(&mut self) -> Result<Option<MqttEntry>, ExitError> {
        let existing = self.existing.as_ref();
        if existing.is_some_and(|config| config.settings.mqtt.is_some()) {
            return match self.setup.mqtt {
                Some(_) => Err(ExitError::usage(format!(
                    "{} has a broker already: change it there, and leave --mqtt out",
                    self.path.display()
                ))),
                None => Ok(None),
            };
        }
        let asks = io::stdin().is_terminal();
        let broker = match &self.setup.mqtt {
            Some(broker) => broker.clone(),
            None if asks => {
                let question = "MQTT broker, such as 127.0.0.1:1883 (none if empty): ";
                self.ask(question, "give it with --mqtt").await?
            }
            None => String::new(),
        };
        if broker.is_empty() {
            return Ok(None);
        }
        let username = match &self.setup.mqtt_username {
            Some(username) => username.clone(),
            None if asks => {
                let question = "User name at the broker (none if empty): ";
                self.ask(question, "give it with --mqtt-username").await?
            }
            None => String::new(),
        };
        let account = match username.is_empty() {
            true => None,
            false => {
                let file = self.setup.mqtt_password_file.as_deref();
                let variable = "IOX_MQTT_PASSWORD";
                let option = "--mqtt-password-file";
                let stop = &mut self.stop;
                let password =
                    password::obtain_from(variable, option, &username, file, stop).await?;
                Some((username, password.ok_or_else(interrupted)?))
            }
        };
        MqttEntry::parse(&broker, account).map(Some)
    }

    /// Asks a question and returns the trimmed answer. `otherwise` is the advice if there is no
    /// terminal.
    async fn ask(&mut self, question: &str, otherwise: &str) -> Result<String, ExitError> {
        if !io::stdin().is_terminal() {
            return Err(ExitError::usage(format!(
                "there is no terminal to ask on: {otherwise}"
            )));
        }
        print(question).await;
        let mut answer = String::new();
        let mut read = tokio::task::spawn_blocking(move || {
            io::stdin()
                .read_line(&mut answer)
                .map(|length| (length, answer))
        });
        let read = tokio::select! {
            read = &mut read => read,
            () = self.stop.requested() => return Err(interrupted()),
        };
        match read {
            Ok(Ok((0, _))) => Err(interrupted()),
            Ok(Ok((_, answer))) => Ok(answer.trim().to_owned()),
            Ok(Err(error)) => Err(ExitError::other(format!("cannot read the answer: {error}"))),
            Err(error) => Err(ExitError::other(format!("cannot read the answer: {error}"))),
        }
    }
}

/// Waits for the end of the replay and returns the number of nodes with a known state. Fails with
/// the reason of a lost connection, or with `None` if the stream ends.
async fn connected(stream: &mut AnyStream) -> Result<usize, Option<String>> {
    let mut state = ControllerState::new();
    while let Some(notification) = stream.next().await {
        match notification {
            Notification::Event(event) => state.update(&event),
            Notification::Status(change) => match change.status {
                Status::Connected => return Ok(state.nodes().count()),
                Status::LostConnection => {
                    let sentence = connection::reason_text(&change);
                    return Err(Some(
                        sentence.unwrap_or_else(|| "connection lost".to_owned()),
                    ));
                }
                _ => {}
            },
            _ => {}
        }
    }
    Err(None)
}

fn title(found: &FoundController) -> String {
    match &found.description {
        Ok(description) => {
            let of = |text: &Option<String>| text.clone().unwrap_or_default();
            format!("{} ({})", of(&description.name), of(&description.model))
        }
        Err(why) => why.clone(),
    }
}

/// Derives a name that is valid in topics from a controller's own name.
fn suggested_name(title: &str) -> String {
    let title = title.split('(').next().unwrap_or_default().trim();
    let mut name = String::new();
    for letter in title.chars() {
        match letter {
            letter if letter.is_ascii_alphanumeric() => name.push(letter.to_ascii_lowercase()),
            _ if name.is_empty() || name.ends_with('-') => {}
            _ => name.push('-'),
        }
    }
    name.truncate(32);
    match name.trim_end_matches('-') {
        "" => "home".to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_derived_from_the_controllers_own_name() {
        for (title, name) in [
            ("Barn & home (eisy)", "barn-home"),
            ("My ISY ()", "my-isy"),
            ("\u{fffd}[2J", "2j"),
            ("(…)", "home"),
            ("Küche", "k-che"),
        ] {
            assert_eq!(suggested_name(title), name);
            assert!(suggested_name(title).parse::<Name>().is_ok());
        }
        assert!(suggested_name(&"x".repeat(500)).parse::<Name>().is_ok());
    }
}
