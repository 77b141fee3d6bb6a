//! Sets the program's version. A build from the repository includes the commit.

use std::env;
use std::path::Path;
use std::process::Command;

fn main() {
    let version = env::var("CARGO_PKG_VERSION").unwrap_or_default();
    let commit = commit().map(|commit| format!(" ({commit})"));
    println!(
        "cargo:rustc-env=IOX_VERSION={version}{}",
        commit.unwrap_or_default()
    );
}

/// Returns the commit; `None` outside the repository, as in a package, or without git.
fn commit() -> Option<String> {
    println!("cargo:rerun-if-changed=build.rs");
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?;
    if !repository.join(".git").exists() {
        return None;
    }
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        let output = command.arg("-C").arg(repository).args(arguments).output();
        let output = output.ok().filter(|output| output.status.success())?;
        Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
    };
    // HEAD changes when another branch is checked out, its log with each commit.
    for place in ["HEAD", "logs/HEAD"] {
        if let Some(path) = git(&["rev-parse", "--git-path", place]) {
            println!("cargo:rerun-if-changed={}", repository.join(path).display());
        }
    }
    git(&["rev-parse", "--short=10", "HEAD"])
}
