//! The processes `iox bridge --shard I/N`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::houses::House;

/// One process of several that share a configuration.
pub(crate) struct Bridge {
    share: usize,
    shares: usize,
    config: PathBuf,
    log: PathBuf,
    process: Option<Child>,
    started: Instant,
    /// Times that it was started.
    pub(crate) starts: u32,
    /// Resident memory, in KiB, a second apart, of the process that runs now.
    pub(crate) memory: Vec<u64>,
    /// Resident memory of the first process, in KiB, when everything was published.
    pub(crate) warm: u64,
}

/// A configuration that names all controllers, and the bridges that share them.
pub(crate) fn bridges(
    folder: &TempDir,
    houses: &[House],
    broker: u16,
    shares: usize,
) -> Vec<Bridge> {
    let controllers: String = houses
        .iter()
        .map(|house| {
            let (name, url) = (&house.name, house.server.url());
            format!(
                "[controllers.{name}]\nurl = \"{url}\"\nusername = \"admin\"\npassword_file = \"password\"\n"
            )
        })
        .collect();
    let config = format!(
        "{controllers}[mqtt]\nhost = \"127.0.0.1\"\nport = {broker}\n[http]\nenabled = false\n"
    );
    let path = folder.path().join("config.toml");
    fs::write(&path, config).unwrap();
    private(&folder.path().join("password"), "admin\n");
    (1..=shares)
        .map(|share| Bridge {
            share,
            shares,
            config: path.clone(),
            log: folder.path().join(format!("bridge-{share}.log")),
            process: None,
            started: Instant::now(),
            starts: 0,
            memory: Vec::new(),
            warm: 0,
        })
        .collect()
}

fn private(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;

    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

impl Bridge {
    pub(crate) fn start(&mut self) {
        let log = File::options()
            .create(true)
            .append(true)
            .open(&self.log)
            .unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_iox"));
        command.arg("bridge").arg("--config").arg(&self.config);
        if self.shares > 1 {
            command.args(["--shard", &format!("{}/{}", self.share, self.shares)]);
        }
        let child = command
            .env_remove("NOTIFY_SOCKET")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.process = Some(child);
        self.started = Instant::now();
        self.starts += 1;
        self.memory.clear();
    }

    /// Ends it at once, as a crash does.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    pub(crate) fn is_running(&self) -> bool {
        self.process.is_some()
    }

    pub(crate) fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// Fails if it has ended by itself; takes note of its memory.
    pub(crate) fn look(&mut self) {
        let Some(process) = &mut self.process else {
            return;
        };
        if let Some(status) = process.try_wait().unwrap() {
            panic!("{} ended ({status}):\n{}", self.name(), self.last_words());
        }
        self.memory.push(resident(process.id()));
    }

    /// Its name at the broker.
    pub(crate) fn name(&self) -> String {
        match self.shares {
            1 => "bridge".to_owned(),
            shares => format!("bridge-{}-of-{shares}", self.share),
        }
    }

    /// The end of its log.
    pub(crate) fn last_words(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(20).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The resident memory of a process, in KiB.
fn resident(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.unwrap().parse().unwrap()
}
