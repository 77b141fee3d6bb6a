//! Writes the files of `iox setup`: the configuration, and a file for each password.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use ioxdriver::Fingerprint;
use ioxproto::{Address, Profile, Secret};

use crate::arguments::Auth;
use crate::exit_error::ExitError;
use crate::file::Target;
use crate::service::config::{Config, Name};

/// A controller to add.
pub(crate) struct Entry {
    pub(crate) name: Name,
    pub(crate) url: Address,
    pub(crate) username: String,
    pub(crate) password: Secret,
    pub(crate) pin: Option<Fingerprint>,
    pub(crate) auth: Option<Auth>,
    pub(crate) profile: Option<Profile>,
}

/// A broker to add.
pub(crate) struct MqttEntry {
    host: String,
    port: u16,
    account: Option<(String, Secret)>,
}

impl MqttEntry {
    /// Parses `host` or `host:port`.
    pub(crate) fn parse(
        broker: &str,
        account: Option<(String, Secret)>,
    ) -> Result<Self, ExitError> {
        let (host, port) = match broker.rsplit_once(':') {
            // An IPv6 address contains colons.
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

/// Adds the entries to a configuration, which is created if it does not exist. Its text is kept.
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
    let mut secrets = vec![(
        folder.join(&secret),
        &entry.password,
        "the file exists: move it away, or choose another --name",
    )];
    if let Some(mqtt) = mqtt {
        text += &broker(mqtt);
        if let Some((_, password)) = &mqtt.account {
            secrets.push((
                folder.join("mqtt.password"),
                password,
                "the file exists: move it away",
            ));
        }
    }
    // Another process may have added conflicting entries since the start.
    Config::parse(path, &text).map_err(ExitError::usage)?;
    let mut files = PasswordFiles::default();
    for (path, password, if_exists) in &secrets {
        files
            .write(path, password, if_exists)
            .map_err(cannot(path))?;
    }
    let target = Target::new(path, "the configuration")?;
    target.replace(text.as_bytes()).map_err(cannot(path))?;
    files.keep();
    Ok(())
}

/// New password files. Deletes them when dropped, unless [`keep`](Self::keep) is called.
#[derive(Default)]
struct PasswordFiles(Vec<PathBuf>);

impl PasswordFiles {
    /// Writes a password atomically, to a file that only its owner can read. `if_exists` is the
    /// error if there is such a file.
    fn write(&mut self, path: &Path, password: &Secret, if_exists: &'static str) -> io::Result<()> {
        let folder = path.parent().ok_or(io::ErrorKind::NotFound)?;
        // The file is created with mode 600.
        let mut file = tempfile::Builder::new()
            .prefix(".iox-")
            .tempfile_in(folder)?;
        file.write_all(password.expose().as_bytes())?;
        file.write_all(b"\n")?;
        file.as_file().sync_all()?;
        // Never replace a file: it may be used by something else.
        file.persist_noclobber(path)
            .map_err(|error| match error.error.kind() {
                io::ErrorKind::AlreadyExists => {
                    io::Error::new(io::ErrorKind::AlreadyExists, if_exists)
                }
                _ => error.error,
            })?;
        self.0.push(path.to_owned());
        Ok(())
    }

    fn keep(mut self) {
        self.0.clear();
    }
}

impl Drop for PasswordFiles {
    fn drop(&mut self) {
        for path in &self.0 {
            // An error cannot be reported here.
            let _ = fs::remove_file(path);
        }
    }
}

/// Creates a folder that only its owner can access. An existing folder is not changed.
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

/// Quotes a string as in TOML.
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
    fn new_entries_are_read_back_and_existing_text_is_kept() {
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
    fn a_failure_leaves_no_files_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        let names = || {
            let entries = fs::read_dir(folder.path()).unwrap();
            let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        // Another setup has added the same name in the meantime.
        write(&path, &entry("home", "admin"), None).unwrap();
        let before = (names(), fs::read_to_string(&path).unwrap());
        let error = write(&path, &entry("home", "admin"), None).unwrap_err();
        assert!(
            error.to_string().contains("duplicate key `home`"),
            "{error}"
        );
        assert_eq!((names(), fs::read_to_string(&path).unwrap()), before);
        // The second password file already exists.
        fs::write(folder.path().join("mqtt.password"), "other").unwrap();
        let mqtt = MqttEntry::parse("x", Some(("iox".to_owned(), Secret::from("y")))).unwrap();
        let before = (names(), fs::read_to_string(&path).unwrap());
        let error = write(&path, &entry("barn", "admin"), Some(&mqtt)).unwrap_err();
        let error = error.to_string();
        assert!(error.ends_with("the file exists: move it away"), "{error}");
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
