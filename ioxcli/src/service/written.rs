//! What `iox setup` writes: the configuration, and each password in a file of its own.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use ioxdriver::Fingerprint;
use ioxproto::{Address, Profile, Secret};

use crate::arguments::Auth;
use crate::exit_error::ExitError;
use crate::file::Target;
use crate::service::config::{Config, Name};

/// A controller to be added.
pub(crate) struct Entry {
    pub(crate) name: Name,
    pub(crate) url: Address,
    pub(crate) username: String,
    pub(crate) password: Secret,
    pub(crate) pin: Option<Fingerprint>,
    pub(crate) auth: Option<Auth>,
    pub(crate) profile: Option<Profile>,
}

/// A broker to be added.
pub(crate) struct MqttEntry {
    host: String,
    port: u16,
    account: Option<(String, Secret)>,
}

impl MqttEntry {
    /// Reads `host` or `host:port`.
    pub(crate) fn parse(
        broker: &str,
        account: Option<(String, Secret)>,
    ) -> Result<Self, ExitError> {
        let (host, port) = match broker.rsplit_once(':') {
            // An IPv6 address has colons of its own.
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port)),
            _ => (broker, None),
        };
        let port = port.map_or(Ok(1883), str::parse);
        let host = host.trim_start_matches('[').trim_end_matches(']');
        match port {
            Ok(port) if !host.is_empty() && !host.contains('/') => Ok(Self {
                host: host.to_owned(),
                port,
                account,
            }),
            _ => Err(ExitError::usage(
                "the broker is written as host or host:port, such as 127.0.0.1:1883",
            )),
        }
    }
}

/// Adds them to a configuration, which is made if there is none. What is in it stays as it is.
pub(crate) fn write(path: &Path, entry: &Entry, mqtt: Option<&MqttEntry>) -> Result<(), ExitError> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let cannot = |path: &Path| {
        let shown = path.display().to_string();
        move |error: io::Error| ExitError::other(format!("cannot write {shown}: {error}"))
    };
    make_folder(folder).map_err(cannot(folder))?;
    let mut text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(cannot(path)(error)),
    };
    if !text.is_empty() {
        text.push_str(if text.ends_with('\n') { "\n" } else { "\n\n" });
    }
    let secret = format!("{}.password", entry.name);
    text += &controller(entry, &secret);
    let mut secrets = vec![(folder.join(&secret), &entry.password)];
    if let Some(mqtt) = mqtt {
        text += &broker(mqtt);
        if let Some((_, password)) = &mqtt.account {
            secrets.push((folder.join("mqtt.password"), password));
        }
    }
    // What others have written since the start may not go with it.
    Config::parse(path, &text).map_err(ExitError::usage)?;
    let mut written = Written::default();
    for (path, password) in &secrets {
        written.secret(path, password).map_err(cannot(path))?;
    }
    let target = Target::new(path, "the configuration")?;
    target.replace(text.as_bytes()).map_err(cannot(path))?;
    written.keep();
    Ok(())
}

/// Password files that go again if the configuration cannot be written.
#[derive(Default)]
struct Written(Vec<PathBuf>);

impl Written {
    /// Writes a password whole or not at all, for its owner alone.
    fn secret(&mut self, path: &Path, password: &Secret) -> io::Result<()> {
        let folder = path.parent().ok_or(io::ErrorKind::NotFound)?;
        // Made with mode 600.
        let mut file = tempfile::Builder::new()
            .prefix(".iox-")
            .tempfile_in(folder)?;
        file.write_all(password.expose().as_bytes())?;
        file.write_all(b"\n")?;
        file.as_file().sync_all()?;
        // A file that is there may belong to something else.
        file.persist_noclobber(path)
            .map_err(|error| match error.error.kind() {
                io::ErrorKind::AlreadyExists => io::Error::new(
                    io::ErrorKind::AlreadyExists,
                    "it is there already: move it away, or choose another --name",
                ),
                _ => error.error,
            })?;
        self.0.push(path.to_owned());
        Ok(())
    }

    fn keep(mut self) {
        self.0.clear();
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        for path in &self.0 {
            // There is nobody left to tell.
            let _ = fs::remove_file(path);
        }
    }
}

/// Makes a folder for its owner alone; one that is there stays as it is.
fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn controller(entry: &Entry, secret: &str) -> String {
    let mut text = format!(
        "[controllers.{}]\nurl = {}\nusername = {}\npassword_file = {}\n",
        entry.name,
        quoted(&entry.url.to_string()),
        quoted(&entry.username),
        quoted(secret),
    );
    if let Some(pin) = entry.pin {
        text += &format!("pin = \"{pin}\"\n");
    }
    match entry.auth {
        Some(Auth::Local) => text += "auth = \"local\"\n",
        Some(Auth::Portal) => text += "auth = \"portal\"\n",
        None => {}
    }
    if entry.profile == Some(Profile::Isy994) {
        text += "profile = \"isy994\"\n";
    }
    text
}

fn broker(mqtt: &MqttEntry) -> String {
    let mut text = format!(
        "\n[mqtt]\nhost = {}\nport = {}\n",
        quoted(&mqtt.host),
        mqtt.port
    );
    if let Some((username, _)) = &mqtt.account {
        text += &format!(
            "username = {}\npassword_file = \"mqtt.password\"\n",
            quoted(username)
        );
    }
    text
}

/// A text as TOML writes it.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => {
                quoted.push('\\');
                quoted.push(letter);
            }
            letter if letter.is_control() => quoted += &format!("\\u{:04X}", u32::from(letter)),
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, username: &str) -> Entry {
        Entry {
            name: name.parse().unwrap(),
            url: "https://10.0.0.7:8443".parse().unwrap(),
            username: username.to_owned(),
            password: Secret::from("hunter2"),
            pin: Some(Fingerprint::of(b"certificate")),
            auth: None,
            profile: None,
        }
    }

    #[test]
    fn what_is_written_is_read_back_and_what_was_there_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new").join("config.toml");
        let odd = "a\"b\\c\td\u{7f}é@x";
        write(&path, &entry("home", odd), None).unwrap();
        let account = Some(("iox".to_owned(), Secret::from("broker's")));
        let mqtt = MqttEntry::parse("broker.lan:1884", account).unwrap();
        let before = fs::read_to_string(&path).unwrap() + "# a remark";
        fs::write(&path, &before).unwrap();
        write(&path, &entry("barn", "admin"), Some(&mqtt)).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            text.starts_with(&before) && !text.contains("hunter2"),
            "{text}"
        );
        let settings = Config::load(&path).unwrap().settings;
        assert_eq!(settings.controllers["home"].username, odd);
        assert_eq!(settings.controllers.len(), 2);
        assert_eq!(settings.mqtt.unwrap().port, 1884);
        let read = |name: &str| fs::read_to_string(path.with_file_name(name)).unwrap();
        assert_eq!(read("barn.password"), "hunter2\n");
        assert_eq!(read("mqtt.password"), "broker's\n");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode(path.parent().unwrap()), 0o700);
            assert_eq!(mode(&path), 0o600);
            assert_eq!(mode(&path.with_file_name("home.password")), 0o600);
        }
    }

    #[test]
    fn what_fails_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        let names = || {
            let entries = fs::read_dir(folder.path()).unwrap();
            let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        // The name is taken, by what another setup has written meanwhile.
        write(&path, &entry("home", "admin"), None).unwrap();
        let before = (names(), fs::read_to_string(&path).unwrap());
        let error = write(&path, &entry("home", "admin"), None).unwrap_err();
        assert!(
            error.to_string().contains("duplicate key `home`"),
            "{error}"
        );
        assert_eq!((names(), fs::read_to_string(&path).unwrap()), before);
        // The second password file is there already.
        fs::write(folder.path().join("mqtt.password"), "other").unwrap();
        let mqtt = MqttEntry::parse("x", Some(("iox".to_owned(), Secret::from("y")))).unwrap();
        let before = (names(), fs::read_to_string(&path).unwrap());
        let error = write(&path, &entry("barn", "admin"), Some(&mqtt)).unwrap_err();
        assert!(error.to_string().contains("there already"), "{error}");
        assert_eq!((names(), fs::read_to_string(&path).unwrap()), before);
    }

    #[test]
    fn a_broker_is_a_host_and_a_port() {
        for (text, host, port) in [
            ("127.0.0.1", "127.0.0.1", 1883),
            ("broker.lan:1884", "broker.lan", 1884),
            ("[::1]:1884", "::1", 1884),
            ("fd00::1", "fd00::1", 1883),
        ] {
            let mqtt = MqttEntry::parse(text, None).unwrap();
            assert_eq!((&*mqtt.host, mqtt.port), (host, port));
        }
        for text in [":1883", "x:port", "mqtt://x", "x:99999"] {
            assert!(MqttEntry::parse(text, None).is_err(), "{text}");
        }
    }
}
