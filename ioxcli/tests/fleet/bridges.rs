//! The processes `iox bridge --shard I/N`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::houses::House;

/// One `iox bridge` process. All of them use the same configuration file.
pub(crate) struct Bridge {
    shard: usize,
    shards: usize,
    config: PathBuf,
    log: PathBuf,
    process: Option<Child>,
    started: Instant,
    /// How many times the process was started.
    pub(crate) starts: u32,
    /// The resident memory of the current process in KiB, one sample per second.
    pub(crate) memory: Vec<u64>,
    /// The resident memory of the first process in KiB, after everything was published.
    pub(crate) memory_after_publishing: u64,
}

/// Writes a configuration with all controllers, and creates the bridges, which are not yet started.
pub(crate) fn create_bridges(
    folder: &TempDir,
    houses: &[House],
    broker: u16,
    shards: usize,
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
    write_private(&folder.path().join("password"), "admin\n");
    (1..=shards)
        .map(|shard| Bridge {
            shard,
            shards,
            config: path.clone(),
            log: folder.path().join(format!("bridge-{shard}.log")),
            process: None,
            started: Instant::now(),
            starts: 0,
            memory: Vec::new(),
            memory_after_publishing: 0,
        })
        .collect()
}

fn write_private(path: &Path, text: &str) {
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
        if self.shards > 1 {
            command.args(["--shard", &format!("{}/{}", self.shard, self.shards)]);
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

    /// Kills the process, to simulate a crash.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Whether the process was started and not killed. Also true if it has ended by itself.
    pub(crate) fn has_process(&self) -> bool {
        self.process.is_some()
    }

    pub(crate) fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// Records the memory of the process. Panics if the process has ended by itself.
    pub(crate) fn sample(&mut self) {
        let Some(process) = &mut self.process else {
            return;
        };
        if let Some(status) = process.try_wait().unwrap() {
            panic!("{} ended ({status}):\n{}", self.name(), self.log_tail());
        }
        self.memory.push(resident(process.id()));
    }

    /// The name in the topic `iox/bridge/NAME`.
    pub(crate) fn name(&self) -> String {
        match self.shards {
            1 => "bridge".to_owned(),
            shards => format!("bridge-{}-of-{shards}", self.shard),
        }
    }

    /// The last 20 lines of the log.
    pub(crate) fn log_tail(&self) -> String {
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
