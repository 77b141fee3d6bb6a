//! Fetches the password of a configured account: from the configuration itself, a file, a command,
//! the environment or a systemd credential.

use std::env::{self, VarError};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use ioxproto::Secret;
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::exit_error::ExitError;
use crate::password;
use crate::service::config::Config;
use crate::stderr::say;

/// The time limit for a command that prints the password.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// The limit for the output of a command, in bytes.
const MAX_OUTPUT: usize = 4 * 1024;

/// The environment variable with the folder of a service's systemd credentials.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// Where a password comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The configuration itself.
    Inline(Secret),
    /// The first line of a file.
    File(PathBuf),
    /// The first line that a program prints. Given as name and arguments, run without a shell.
    Command(Vec<String>),
    /// An environment variable.
    Variable(String),
    /// The name of a systemd credential.
    Credential(String),
}

impl Source {
    /// Fetches the password. Errors name its owner, `whose`, but never contain the password.
    pub(crate) async fn fetch(&self, config: &Config, whose: &str) -> Result<Secret, ExitError> {
        let error = |what: String| ExitError::usage(format!("the password of {whose}: {what}"));
        match self {
            Self::Inline(password) => Ok(password.clone()),
            Self::File(path) => from_file(config.resolve(path)).await,
            Self::Command(command) => {
                check_owner(config.path()).map_err(error)?;
                run(command).await.map_err(error)
            }
            Self::Variable(name) => match env::var(name) {
                Ok(password) if !password.is_empty() => Ok(Secret::from(password)),
                Ok(_) | Err(VarError::NotPresent) => Err(error(format!(
                    "the environment variable {name} is not set or is empty"
                ))),
                Err(VarError::NotUnicode(_)) => Err(error(format!(
                    "the environment variable {name} is not valid UTF-8"
                ))),
            },
            Self::Credential(name) => match env::var_os(CREDENTIALS) {
                Some(folder) => from_file(Path::new(&folder).join(name)).await,
                None => Err(error(format!(
                    "there is no systemd credential {name}: {CREDENTIALS} is not set. Pass it to the service with LoadCredential="
                ))),
            },
        }
    }
}

async fn from_file(path: PathBuf) -> Result<Secret, ExitError> {
    // A pipe may block.
    let read = tokio::task::spawn_blocking(move || password::from_file(&path));
    match read.await {
        Ok(password) => password,
        Err(error) => Err(ExitError::other(error.to_string())),
    }
}

/// Warns if other users can read a file that contains a secret.
pub(crate) fn warn_if_shared(what: &str, path: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let shared = std::fs::metadata(path)
            .is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o044 != 0);
        if shared {
            let shown = path.display();
            say(format_args!(
                "others can read the {what} {shown}: chmod 600 {shown}"
            ));
        }
    }
    #[cfg(not(unix))]
    let _ = (what, path);
}

/// Fails if another user can write the configuration, because that user could run any command.
fn check_owner(path: &Path) -> Result<(), String> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let shown = path.display();
        let about = std::fs::metadata(path).map_err(|error| format!("{shown}: {error}"))?;
        if about.mode() & 0o022 != 0 {
            return Err(format!(
                "password_command is not run, because others can write {shown}: chmod go-w {shown}"
            ));
        }
        let own = rustix::process::geteuid().as_raw();
        if about.uid() != own && about.uid() != 0 {
            return Err(format!(
                "password_command is not run, because {shown} belongs to another user"
            ));
        }
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

/// Runs a command and returns the first line of its output.
async fn run(command: &[String]) -> Result<Secret, String> {
    let [program, arguments @ ..] = command else {
        return Err("password_command is empty".to_owned());
    };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        // The command must not send notifications for the service.
        .env_remove("NOTIFY_SOCKET")
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("cannot run {program}: {error}"))?;
    let mut output = Zeroizing::new(Vec::with_capacity(MAX_OUTPUT + 1));
    let read = async {
        if let Some(stdout) = child.stdout.take() {
            let mut stdout = stdout.take(MAX_OUTPUT as u64 + 1);
            let read = stdout.read_to_end(&mut output).await;
            read.map_err(|error| format!("cannot read what {program} prints: {error}"))?;
        }
        if output.len() > MAX_OUTPUT {
            return Err(format!("{program} printed more than {MAX_OUTPUT} bytes"));
        }
        let status = child.wait().await;
        let status = status.map_err(|error| format!("{program}: {error}"))?;
        if !status.success() {
            return Err(format!("{program} failed ({status})"));
        }
        Ok(())
    };
    let done = timeout(TIME_LIMIT, read).await;
    done.map_err(|_| {
        let seconds = TIME_LIMIT.as_secs();
        format!("{program} was killed, because it did not finish within {seconds} s")
    })??;
    password::first_line(&output).map_err(|what| format!("what {program} prints {what}"))
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::*;

    fn config(mode: u32) -> (tempfile::TempDir, Config) {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        std::fs::write(&path, "").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let config = Config::load(&path).unwrap();
        (folder, config)
    }

    fn command(script: &str) -> Source {
        Source::Command(["sh", "-c", script].map(str::to_owned).to_vec())
    }

    async fn fetch(source: &Source) -> Result<Secret, String> {
        let (_folder, config) = config(0o600);
        let fetched = source.fetch(&config, "home").await;
        fetched.map_err(|trouble| trouble.to_string())
    }

    #[tokio::test]
    async fn the_first_line_of_a_command_is_the_password() {
        let password = fetch(&command("echo 'pa ss'; echo more")).await.unwrap();
        assert_eq!(password.expose(), "pa ss");
        // No shell expands the arguments.
        let literal = Source::Command(vec!["echo".to_owned(), "$HOME; ls".to_owned()]);
        assert_eq!(fetch(&literal).await.unwrap().expose(), "$HOME; ls");
    }

    #[tokio::test]
    async fn the_error_of_a_command_does_not_repeat_its_output() {
        for (script, word) in [
            ("yes hunter2", "more than 4096 bytes"),
            ("echo hunter2; exit 3", "exit status: 3"),
            ("true", "is empty"),
            (r"printf '\377hunter2\n'", "not valid UTF-8"),
        ] {
            let error = fetch(&command(script)).await.unwrap_err();
            assert!(error.contains(word), "{script}: {error}");
            assert!(
                error.contains("home") && !error.contains("hunter2"),
                "{error}"
            );
        }
        let missing = Source::Command(vec!["/no/such/program".to_owned()]);
        let error = fetch(&missing).await.unwrap_err();
        assert!(error.contains("cannot run /no/such/program"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_command_that_hangs_is_killed() {
        let error = fetch(&command("sleep 600")).await.unwrap_err();
        assert!(error.contains("within 10 s"), "{error}");
    }

    #[tokio::test]
    async fn a_command_is_not_run_if_others_can_write_the_file() {
        let ran = tempfile::tempdir().unwrap();
        let marker = ran.path().join("ran");
        let script = format!("touch {}; echo x", marker.display());
        for mode in [0o620, 0o602, 0o666] {
            let (_folder, config) = config(mode);
            let error = command(&script).fetch(&config, "home").await.unwrap_err();
            assert!(error.to_string().contains("others can write"), "{error}");
        }
        assert!(!marker.exists());
    }

    #[tokio::test]
    async fn missing_variables_and_credentials_are_reported() {
        let variable = Source::Variable("IOX_NO_SUCH_VARIABLE".to_owned());
        let error = fetch(&variable).await.unwrap_err();
        assert!(error.contains("IOX_NO_SUCH_VARIABLE"), "{error}");
        if env::var_os(CREDENTIALS).is_none() {
            let credential = Source::Credential("iox-home".to_owned());
            let error = fetch(&credential).await.unwrap_err();
            assert!(
                error.contains("iox-home") && error.contains("LoadCredential"),
                "{error}"
            );
        }
    }
}
