//! The folder of this user's configuration.

use std::env;
use std::path::PathBuf;

/// Returns the folder `iox` in the user's configuration folder: `%APPDATA%` on Windows, else
/// `$XDG_CONFIG_HOME` or `~/.config`. `None` if the environment sets none of them.
pub(crate) fn user_folder() -> Option<PathBuf> {
    let absolute = |name| {
        env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let folder = if cfg!(windows) {
        absolute("APPDATA")
    } else {
        absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config")))
    };
    folder.map(|folder| folder.join("iox"))
}
