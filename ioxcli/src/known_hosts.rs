//! The certificates that the user trusts, in a file. Each line has host and port, then the
//! fingerprint.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use ioxdriver::Fingerprint;
use ioxproto::Address;

use crate::exit_error::ExitError;
use crate::user_folder::user_folder;

const HEAD: &str = "# Certificates of controllers that iox trusts: host:port sha256:HEX\n";

/// The entries of the file, in its order.
#[derive(Debug)]
pub(crate) struct KnownHosts {
    path: Option<PathBuf>,
    entries: Vec<(String, Fingerprint)>,
}

impl KnownHosts {
    /// Reads the user's file; empty if it does not exist.
    pub(crate) fn load() -> Result<Self, ExitError> {
        let Some(folder) = user_folder() else {
            return Ok(Self {
                path: None,
                entries: Vec::new(),
            });
        };
        Self::read(&folder.join("known_hosts"))
    }

    fn read(path: &Path) -> Result<Self, ExitError> {
        let shown = path.display();
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(ExitError::usage(format!("cannot read {shown}: {error}"))),
        };
        let mut entries = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let parsed = line
                .split_once(char::is_whitespace)
                .and_then(|(host, pin)| Some((host.to_ascii_lowercase(), pin.parse().ok()?)));
            entries.push(parsed.ok_or_else(|| {
                let number = index + 1;
                ExitError::usage(format!(
                    "line {number} of {shown} is not host:port and sha256:HEX: correct or delete it"
                ))
            })?);
        }
        Ok(Self {
            path: Some(path.to_owned()),
            entries,
        })
    }

    /// The path of the file.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The fingerprints that are trusted for a controller.
    pub(crate) fn pins(&self, address: &Address) -> Vec<Fingerprint> {
        let key = key(address);
        self.entries
            .iter()
            .filter(|(host, _)| *host == key)
            .map(|(_, pin)| *pin)
            .collect()
    }

    /// Host and port, and the fingerprint, of each trusted certificate.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &(String, Fingerprint)> {
        self.entries.iter()
    }

    /// Trusts this certificate of a controller, and none of its others.
    pub(crate) fn trust(&mut self, address: &Address, pin: Fingerprint) -> Result<(), ExitError> {
        self.replace(address, Some(pin)).map(|_| ())
    }

    /// Removes all certificates of a controller; `false` if there were none.
    pub(crate) fn forget(&mut self, address: &Address) -> Result<bool, ExitError> {
        if self.pins(address).is_empty() {
            return Ok(false);
        }
        self.replace(address, None)
    }

    /// Replaces the certificates of a controller; returns whether there were any. Keeps what other
    /// processes have added since the file was read.
    fn replace(&mut self, address: &Address, pin: Option<Fingerprint>) -> Result<bool, ExitError> {
        let Some(path) = self.path.clone() else {
            return Err(ExitError::other(
                "there is no folder to store it in: set HOME or XDG_CONFIG_HOME, or use --pin instead",
            ));
        };
        let cannot = |error: io::Error| {
            ExitError::other(format!("cannot write {}: {error}", path.display()))
        };
        let path = fs::canonicalize(&path).unwrap_or_else(|_| path.clone());
        let _lock = lock(&path).map_err(cannot)?;
        self.entries = Self::read(&path)?.entries;
        let key = key(address);
        let before = self.entries.len();
        self.entries.retain(|(host, _)| *host != key);
        let had = self.entries.len() < before;
        self.entries.extend(pin.map(|pin| (key, pin)));
        let mut text = HEAD.to_owned();
        for (host, pin) in &self.entries {
            text += &format!("{host} {pin}\n");
        }
        replace(&path, text.as_bytes()).map_err(cannot)?;
        Ok(had)
    }
}

/// Host and port; the port is always included.
fn key(address: &Address) -> String {
    let host = address.host().to_ascii_lowercase();
    let port = address.port();
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

/// How long to wait while another process writes the file, which takes some milliseconds.
const LOCK_LIMIT: Duration = Duration::from_secs(5);

/// Locks the file against other writers until the lock is dropped. The lock is on a second file,
/// because the file itself is replaced.
fn lock(path: &Path) -> io::Result<Option<File>> {
    let folder = path.parent().ok_or(io::ErrorKind::NotFound)?;
    fs::create_dir_all(folder)?;
    let lock_path = path.with_extension("lock");
    let mut options = OpenOptions::new();
    let file = options
        .create(true)
        .write(true)
        .truncate(false)
        .open(&lock_path)?;
    let began = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::WouldBlock) if began.elapsed() < LOCK_LIMIT => {
                thread::sleep(Duration::from_millis(10));
            }
            Err(TryLockError::WouldBlock) => {
                let busy = format!("another program has locked {}", lock_path.display());
                return Err(io::Error::new(io::ErrorKind::WouldBlock, busy));
            }
            // Some file systems have no locks.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
                return Ok(None);
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

/// Replaces the file atomically, readable only for its owner. A symbolic link to it is kept.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::NotFound)?;
    // It is created with mode 600.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pin(of: &str) -> Fingerprint {
        Fingerprint::of(of.as_bytes())
    }

    #[test]
    fn a_trusted_certificate_is_stored_and_replaces_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("iox").join("known_hosts");
        let eisy: Address = "https://EISY.local:8443/web".parse().unwrap();
        let other: Address = "https://[fd00::17]".parse().unwrap();
        let mut known = KnownHosts::read(&path).unwrap();
        assert_eq!(known.pins(&eisy), []);
        known.trust(&eisy, pin("old")).unwrap();
        known.trust(&other, pin("other")).unwrap();
        known.trust(&eisy, pin("new")).unwrap();
        let known = KnownHosts::read(&path).unwrap();
        assert_eq!(known.pins(&eisy), [pin("new")]);
        assert_eq!(known.pins(&other), [pin("other")]);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains("\neisy.local:8443 sha256:"), "{text}");
        assert!(text.contains("\n[fd00::17]:443 sha256:"), "{text}");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn concurrent_changes_are_all_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("iox").join("known_hosts");
        let address = |number: usize| -> Address { format!("https://h{number}").parse().unwrap() };
        let all_have_read = std::sync::Barrier::new(8);
        thread::scope(|scope| {
            for number in 0..8 {
                let (path, all_have_read) = (&path, &all_have_read);
                scope.spawn(move || {
                    let mut known = KnownHosts::read(path).unwrap();
                    all_have_read.wait();
                    known.trust(&address(number), pin("x")).unwrap();
                });
            }
        });
        let known = KnownHosts::read(&path).unwrap();
        let trusted = (0..8).filter(|number| known.pins(&address(*number)) == [pin("x")]);
        assert_eq!(trusted.count(), 8, "{known:?}");
    }

    #[test]
    fn several_pins_of_one_controller_are_read_and_comments_skipped() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = format!("# mine\n\nh:1 {}\nH:1   {}\n", pin("a"), pin("b"));
        fs::write(file.path(), text).unwrap();
        let known = KnownHosts::read(file.path()).unwrap();
        let address = "https://h:1".parse().unwrap();
        assert_eq!(known.pins(&address), [pin("a"), pin("b")]);
    }

    #[test]
    fn an_invalid_line_is_reported_with_its_number() {
        for line in ["h:1", "h:1 sha256:00", "h:1 x y"] {
            let file = tempfile::NamedTempFile::new().unwrap();
            fs::write(file.path(), format!("# c\n{line}\n")).unwrap();
            let error = KnownHosts::read(file.path()).unwrap_err();
            assert_eq!(error.code, 2);
            assert!(error.to_string().starts_with("line 2 of "), "{error}");
        }
    }
}
