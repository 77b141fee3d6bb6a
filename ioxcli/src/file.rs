//! Files that the program writes: resolves links, creates and replaces files.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use crate::exit_error::ExitError;

/// The limit for symbolic links in a chain; a longer chain counts as a loop.
const LINKS: usize = 40;

/// A file to write to. It may or may not exist.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    path: PathBuf,
    /// The path with all symbolic links followed, including those whose target does not exist.
    real: PathBuf,
}

impl Target {
    /// Resolves the path of a file, so that a misspelt folder is reported at the start and not at
    /// the end. `what` names the content for error messages.
    pub(crate) fn new(path: &Path, what: &str) -> Result<Self, ExitError> {
        let shown = path.display();
        let cannot =
            |why: String| ExitError::usage(format!("cannot write {what} to {shown}: {why}"));
        let real = follow(path).map_err(cannot)?;
        if real.is_dir() {
            return Err(cannot("it is a folder".to_owned()));
        }
        let path = path.to_owned();
        Ok(Self { path, real })
    }

    /// The path as given.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is or will be an ordinary file, not a pipe or device.
    pub(crate) fn is_ordinary(&self) -> bool {
        fs::metadata(&self.real).map_or(true, |about| about.is_file())
    }

    /// Whether both are the same file, even under different names.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        #[cfg(unix)]
        {
            use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
            if let (Ok(one), Ok(other)) = (fs::metadata(&self.real), fs::metadata(&other.real)) {
                // Writing twice to a device such as /dev/null does no harm.
                let device = one.file_type().is_char_device();
                return !device && (one.dev(), one.ino()) == (other.dev(), other.ino());
            }
        }
        self.real == other.real
    }

    /// Opens and truncates the file. Only the owner can access a new file; an existing one keeps
    /// its mode. If it is a pipe, waits for its reader.
    pub(crate) fn create(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(&self.real)
    }

    /// Opens the file for appending. Completes a truncated last line with a line feed.
    pub(crate) fn append(&self) -> io::Result<File> {
        if !self.is_ordinary() || !self.holds_something() {
            return self.create();
        }
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .open(&self.real)?;
        let mut last = [0];
        file.seek(io::SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
        Ok(file)
    }

    /// Whether it is an ordinary file that is not empty.
    pub(crate) fn holds_something(&self) -> bool {
        fs::metadata(&self.real).is_ok_and(|about| about.is_file() && about.len() > 0)
    }

    /// Replaces the content atomically, if the file is an ordinary one that can be replaced. A file
    /// that is a mount point, or whose folder accepts no new file, is written in place.
    pub(crate) fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        if self.is_ordinary() {
            match self.try_replace(bytes) {
                Err(error) if needs_place(&error) => {}
                result => return result,
            }
        }
        let mut file = self.create()?;
        file.write_all(bytes)?;
        if self.is_ordinary() {
            file.sync_all()?;
        }
        Ok(())
    }

    fn try_replace(&self, bytes: &[u8]) -> io::Result<()> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(".iox-");
        let mut file = builder.tempfile_in(folder(&self.real))?;
        if let Ok(about) = fs::metadata(&self.real) {
            keep(file.as_file(), &about, about.permissions())?;
        }
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(&self.real)?;
        Ok(())
    }
}

/// Copies the mode of the replaced file, and its owner if permitted.
fn keep(file: &File, about: &fs::Metadata, mode: Permissions) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt as _, fchown};
        // Only root may change the owner.
        let _ = fchown(file, Some(about.uid()), Some(about.gid()));
    }
    #[cfg(not(unix))]
    let _ = about;
    file.set_permissions(mode)
}

/// Whether the error means that a file cannot be replaced but may be writable.
fn needs_place(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ResourceBusy
            | io::ErrorKind::CrossesDevices
            | io::ErrorKind::PermissionDenied
            | io::ErrorKind::ReadOnlyFilesystem
    )
}

/// Follows links to their target. The target need not exist, but its folder must.
fn follow(path: &Path) -> Result<PathBuf, String> {
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        if let Ok(to) = fs::read_link(&path) {
            path = folder(&path).join(to);
            continue;
        }
        let Some(name) = path.file_name() else {
            return Err("it is a folder".to_owned());
        };
        let folder = folder(&path);
        return match fs::canonicalize(folder) {
            Ok(real) if real.is_dir() => Ok(real.join(name)),
            Ok(_) => Err(format!("{} is not a folder", folder.display())),
            Err(error) => Err(format!("{}: {error}", folder.display())),
        };
    }
    Err("its symbolic links form a loop".to_owned())
}

/// The folder of a file.
fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
        Some(folder) => folder,
        None => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(path: &Path) -> Target {
        Target::new(path, "the state").unwrap()
    }

    #[test]
    fn a_file_is_replaced_and_no_other_file_remains() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        fs::write(&path, "old").unwrap();
        target(&path).replace(b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_unusable_path_is_refused_at_the_start() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        for path in ["no/state", "", "..", "file/state"] {
            let error = Target::new(&folder.path().join(path), "the state").unwrap_err();
            assert_eq!(error.code, 2, "{path}: {error}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_new_file_is_private_and_an_existing_one_keeps_its_mode() {
        use std::os::unix::fs::PermissionsExt as _;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        let ways: [fn(&Target); 2] = [
            |target| target.replace(b"x").unwrap(),
            |target| drop(target.create().unwrap()),
        ];
        for way in ways {
            let _ = fs::remove_file(&path);
            way(&target(&path));
            assert_eq!(mode(), 0o600);
            for kept in [0o600, 0o640, 0o666, 0o400] {
                fs::set_permissions(&path, Permissions::from_mode(kept)).unwrap();
                if kept != 0o400 {
                    way(&target(&path));
                }
                assert_eq!(mode(), kept);
            }
        }
    }

    #[cfg(unix)]
    #[test]
    fn symbolic_links_are_kept_even_if_their_target_does_not_exist() {
        use std::os::unix::fs::symlink;

        let folder = tempfile::tempdir().unwrap();
        let (link, file) = (folder.path().join("link"), folder.path().join("file"));
        symlink("file", &link).unwrap();
        for content in [&b"first"[..], b"second"] {
            target(&link).replace(content).unwrap();
            assert_eq!(fs::read(&file).unwrap(), content);
            assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        }
        fs::remove_file(&file).unwrap();
        drop(target(&link).create().unwrap());
        assert!(file.is_file());
        symlink("circle", folder.path().join("circle")).unwrap();
        assert!(Target::new(&folder.path().join("circle"), "the state").is_err());
    }

    #[cfg(unix)]
    #[test]
    fn one_file_with_two_names_is_recognised() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| target(&folder.path().join(name));
        std::os::unix::fs::symlink("a", folder.path().join("link")).unwrap();
        assert!(at("a").is_same(&at("link")), "neither is there");
        fs::write(folder.path().join("a"), "").unwrap();
        fs::hard_link(folder.path().join("a"), folder.path().join("hard")).unwrap();
        assert!(at("a").is_same(&at("link")) && at("a").is_same(&at("hard")));
        assert!(!at("a").is_same(&at("b")));
        let null = target(Path::new("/dev/null"));
        assert!(!null.is_same(&null));
    }
}
