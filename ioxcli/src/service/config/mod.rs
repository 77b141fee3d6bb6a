//! The configuration file: where it is, and how it is read.

mod mistake;
mod schema;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub(crate) use self::mistake::nearest;
pub(crate) use self::schema::{
    Bridge, Controller, HomeAssistant, Http, Name, NodeOverride, Seconds, Settings, TrustSetting,
};
use crate::exit_error::ExitError;
use crate::service::secret;
use crate::user_folder::user_folder;

/// Nobody writes more by hand; a device or a wrong file may hold more.
const MAX_BYTES: u64 = 1024 * 1024;

/// A configuration that was read.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    path: PathBuf,
    pub(crate) settings: Settings,
}

impl Config {
    /// Reads a configuration file.
    ///
    /// Fails with file and line of the first mistake, and the nearest word that would be right.
    pub(crate) fn load(path: &Path) -> Result<Self, ExitError> {
        let shown = path.display();
        let text = read(path).map_err(|error| {
            let advice = match error.kind() {
                io::ErrorKind::NotFound => ": make one with iox setup, or name it with --config",
                _ => "",
            };
            ExitError::usage(format!(
                "cannot read the configuration {shown}: {error}{advice}"
            ))
        })?;
        let config = Self::parse(path, &text).map_err(ExitError::usage)?;
        if config.settings.holds_a_password() {
            secret::warn_if_shared("configuration with a password", path);
        }
        Ok(config)
    }

    /// Reads the text of a configuration that is, or will be, at this path.
    pub(crate) fn parse(path: &Path, text: &str) -> Result<Self, String> {
        let settings =
            toml::from_str(text).map_err(|error| mistake::sentence(path, text, &error))?;
        Ok(Self {
            path: path.to_owned(),
            settings,
        })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A path that the configuration names; a relative one is taken from the file's own folder.
    pub(crate) fn resolve(&self, path: &Path) -> PathBuf {
        match self.path.parent() {
            Some(folder) => folder.join(path),
            None => path.to_owned(),
        }
    }

    /// The controller of this name.
    pub(crate) fn controller(&self, name: &str) -> Result<(&Name, &Controller), ExitError> {
        let found = self
            .settings
            .controllers
            .iter()
            .find(|(known, _)| known.as_str() == name);
        found.ok_or_else(|| {
            let names = self.settings.controllers.keys().map(Name::as_str);
            let near = match nearest(name, names) {
                Some(near) => format!("; the nearest is {near}"),
                None => String::new(),
            };
            ExitError::usage(format!(
                "no controller is named {name} in {}{near}. The URL of a controller begins with https:// or http://",
                self.path.display()
            ))
        })
    }

    /// What the overrides file says of nodes; nothing if there is none.
    pub(crate) fn overrides(
        &self,
    ) -> Result<std::collections::BTreeMap<String, NodeOverride>, ExitError> {
        let Some(path) = &self.settings.homeassistant.overrides else {
            return Ok(std::collections::BTreeMap::new());
        };
        let path = self.resolve(path);
        let text = read(&path).map_err(|error| {
            ExitError::usage(format!(
                "cannot read the overrides {}: {error}",
                path.display()
            ))
        })?;
        toml::from_str(&text)
            .map_err(|error| ExitError::usage(mistake::sentence(&path, &text, &error)))
    }
}

fn read(path: &Path) -> io::Result<String> {
    use io::Read as _;

    let mut text = String::new();
    let file = fs::File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    file.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(io::Error::other("it is larger than 1 MiB"));
    }
    Ok(text)
}

/// The configuration file that was named, or the one in the user's folder.
pub(crate) fn place(named: Option<&Path>) -> Result<PathBuf, ExitError> {
    if let Some(path) = named {
        return Ok(path.to_owned());
    }
    let folder = user_folder().ok_or_else(|| {
        ExitError::usage(
            "there is no folder for configurations: set HOME, or name a file with --config",
        )
    })?;
    Ok(folder.join("config.toml"))
}

#[cfg(test)]
mod tests;
