//! A file that takes a picture of the house, as JSON.

use std::fs::{self, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use ioxproto::mirror::ControllerState;

use crate::trouble::Trouble;

/// Where a picture goes.
#[derive(Debug)]
pub(crate) struct PictureFile {
    path: PathBuf,
}

impl PictureFile {
    /// Makes sure of the folder, so that a misspelt name shows at the start and not at the end.
    pub(crate) fn new(path: &Path) -> Result<Self, Trouble> {
        let folder = folder(path);
        let shown = path.display();
        match fs::metadata(folder) {
            Ok(about) if about.is_dir() && !path.is_dir() => Ok(Self {
                path: path.to_owned(),
            }),
            Ok(about) if about.is_dir() => Err(Trouble::usage(format!(
                "cannot write the state to {shown}: it is a folder"
            ))),
            Ok(_) => Err(Trouble::usage(format!(
                "cannot write the state to {shown}: {} is no folder",
                folder.display()
            ))),
            Err(error) => Err(Trouble::usage(format!(
                "cannot write the state to {shown}: {}: {error}",
                folder.display()
            ))),
        }
    }

    /// Writes it: whole or not at all, where the file is an ordinary one.
    pub(crate) fn write(&self, state: &ControllerState) -> Result<(), Trouble> {
        self.try_write(state).map_err(|error| {
            Trouble::other(format!(
                "cannot write the state to {}: {error}",
                self.path.display()
            ))
        })
    }

    fn try_write(&self, state: &ControllerState) -> io::Result<()> {
        // A link stays one.
        let path = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        if fs::metadata(&path).is_ok_and(|about| !about.is_file()) {
            // A device or a pipe is not to be replaced.
            return json(state, OpenOptions::new().write(true).open(&path)?);
        }
        let mut builder = tempfile::Builder::new();
        builder.prefix(".iox-state-");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            // As any file is made, subject to the umask.
            builder.permissions(fs::Permissions::from_mode(0o666));
        }
        let file = builder.tempfile_in(folder(&path))?;
        json(state, file.as_file())?;
        file.as_file().sync_all()?;
        file.persist(&path)?;
        Ok(())
    }
}

fn json(state: &ControllerState, to: impl Write) -> io::Result<()> {
    let mut to = BufWriter::new(to);
    serde_json::to_writer_pretty(&mut to, state)?;
    to.write_all(b"\n")?;
    to.flush()
}

/// The folder that a file is in.
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

    #[test]
    fn a_picture_replaces_the_last_one_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        fs::write(&path, "old").unwrap();
        let file = PictureFile::new(&path).unwrap();
        file.write(&ControllerState::new()).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains("\"nodes\": {}"), "{text}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_that_is_not_there_shows_at_the_start() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().join("no/state"), folder.path().to_owned()] {
            assert_eq!(PictureFile::new(&path).unwrap_err().code, 2);
        }
    }
}
