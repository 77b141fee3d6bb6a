//! Runs the programs of the README, which are examples, against a simulated controller.

#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

use std::process::{Command, Output, Stdio};
use std::time::Duration;

use ioxsim::{Event, HouseOptions, Server, ServerOptions, Tls};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::time::timeout;

const PROGRAMS: [&str; 2] = ["watch", "watch_blocking"];

/// How long a test waits for something that must happen; much longer than a busy machine needs.
const LIMIT: Duration = Duration::from_secs(60);

/// The command for a program that `cargo test` has built with this test.
fn program(name: &str) -> Command {
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    path.set_file_name("examples");
    path.push(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(path.exists(), "not built: cargo build -p iox --examples");
    Command::new(path)
}

async fn server(tls: bool) -> Server {
    let mut options = ServerOptions::of(HouseOptions {
        rate_per_second: 0.0,
        ..HouseOptions::default()
    });
    options.tls = tls.then(|| Tls::self_signed().unwrap());
    Server::start(options).await.unwrap()
}

/// Runs a program that must fail, and returns its error output.
async fn failed(mut program: Command) -> String {
    let run = tokio::task::spawn_blocking(move || program.output());
    let Output { status, stderr, .. } = timeout(LIMIT, run).await.unwrap().unwrap().unwrap();
    let said = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(1), "{said}");
    said
}

#[tokio::test]
async fn events_and_statuses_are_printed() {
    let server = server(true).await;
    for name in PROGRAMS {
        let mut program = tokio::process::Command::from(program(name));
        program.env("IOX_PASSWORD", "admin").stdout(Stdio::piped());
        program
            .arg(server.url())
            .arg(server.fingerprint().unwrap())
            .kill_on_drop(true);
        let mut program = program.spawn().unwrap();
        let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
        for expected in ["stream_initializing", "stream_syncing", "connected"] {
            let line = timeout(LIMIT, lines.next_line()).await.unwrap();
            assert_eq!(line.unwrap().unwrap(), expected);
        }
        server
            .control()
            .emit(&Event::new("ST", "255").node("n1").shown("On"));
        let line = timeout(LIMIT, lines.next_line()).await.unwrap();
        assert_eq!(line.unwrap().unwrap(), "n1 ST = On");
        program.kill().await.unwrap();
    }
}

#[tokio::test]
async fn a_final_failure_ends_a_program_with_its_reason() {
    let (plain, tls) = (server(false).await, server(true).await);
    for name in PROGRAMS {
        let mut wrong_password = program(name);
        wrong_password.arg(plain.url()).env("IOX_PASSWORD", "wrong");
        let said = failed(wrong_password).await;
        assert!(
            said.contains("Error: the stream has given up: ") && said.contains("401"),
            "{said}"
        );
        let mut unknown = program(name);
        unknown.arg(tls.url()).env("IOX_PASSWORD", "admin");
        let said = failed(unknown).await;
        assert!(
            said.contains("Error: the stream has given up: ")
                && said.contains(&tls.fingerprint().unwrap()),
            "{said}"
        );
        let mut wrong_pin = program(name);
        let pin = format!("sha256:{}", "0a".repeat(32));
        wrong_pin
            .arg(tls.url())
            .arg(pin)
            .env("IOX_PASSWORD", "admin");
        let said = failed(wrong_pin).await;
        assert!(said.contains(&tls.fingerprint().unwrap()), "{said}");
    }
}

#[tokio::test]
async fn missing_and_invalid_arguments_are_reported() {
    for name in PROGRAMS {
        let mut nothing = program(name);
        nothing.env_remove("IOX_PASSWORD");
        assert!(failed(nothing).await.contains("usage: URL"));
        let mut no_password = program(name);
        no_password
            .arg("http://eisy.test")
            .env_remove("IOX_PASSWORD");
        assert!(
            failed(no_password)
                .await
                .contains("no password in IOX_PASSWORD")
        );
        for (arguments, said) in [
            (&["eisy.test"][..], "has no scheme"),
            (&["http://eisy.test", "sha256:00"], "not a fingerprint"),
        ] {
            let mut wrong = program(name);
            wrong.args(arguments).env("IOX_PASSWORD", "admin");
            let message = failed(wrong).await;
            assert!(
                message.contains("Error: ") && message.contains(said),
                "{message}"
            );
        }
    }
}
