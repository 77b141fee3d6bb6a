//! Finds and reads the configuration file.

mod mistake;
mod schema;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub(crate) use self::schema::{
    Bridge, Controller, HomeAssistant, Http, Name, NodeOverride, Seconds, Settings, TrustSetting,
};
use crate::exit_error::ExitError;
use crate::service::secret;
use crate::similar::nearest;
use crate::user_folder::user_folder;

/// The limit for the size of a configuration file, in case the path is a device or another file.
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
    /// The error has the file and line of the first mistake, and the most similar valid word.
    pub(crate) fn load(path: &Path) -> Result<Self, ExitError> {
        let shown = path.display();
        let text = read(path).map_err(|error| {
            let advice = match error.kind() {
                io::ErrorKind::NotFound => {
                    ": create one with iox setup, or give its path with --config"
                }
                _ => "",
            };
            ExitError::usage(format!(
                "cannot read the configuration {shown}: {error}{advice}"
            ))
        })?;
        let config = Self::parse(path, &text).map_err(ExitError::usage)?;
        if config.settings.has_inline_password() {
            secret::warn_if_shared("configuration with a password", path);
        }
        Ok(config)
    }

    /// Parses a configuration. The path is that of its file, which need not exist yet.
    pub(crate) fn parse(path: &Path, text: &str) -> Result<Self, String> {
        let settings =
            toml::from_str(text).map_err(|error| mistake::describe(path, text, &error))?;
        Ok(Self {
            path: path.to_owned(),
            settings,
        })
    }

    /// The path of the file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Resolves a path in the configuration. A relative path starts at the folder of the file.
    pub(crate) fn resolve(&self, path: &Path) -> PathBuf {
        match self.path.parent() {
            Some(folder) => folder.join(path),
            None => path.to_owned(),
        }
    }

    /// Returns the controller with this name.
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

    /// Reads the overrides file; empty if none is configured.
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
            .map_err(|error| ExitError::usage(mistake::describe(&path, &text, &error)))
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

/// Returns the path of the configuration file: the given one, or the one in the user's folder.
pub(crate) fn locate(named: Option<&Path>) -> Result<PathBuf, ExitError> {
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
