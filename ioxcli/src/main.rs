//! The program `iox`.
//!
//! Standard output has only the requested output; everything else goes to standard error. The
//! decisions about the stream are made in `ioxproto`.

#![allow(
    rustdoc::bare_urls,
    rustdoc::broken_intra_doc_links,
    reason = "doc comments on arguments are the text of --help"
)]

mod any_stream;
mod arguments;
mod command;
mod connection;
mod decode;
mod demo;
mod exit_error;
mod fault;
mod file;
mod known_hosts;
mod logging;
mod names;
mod output;
mod password;
mod quiet;
mod record;
mod renderer;
mod selection;
mod service;
mod signals;
mod similar;
mod simulate;
mod state;
mod state_file;
mod stderr;
mod top;
mod trust;
mod user_folder;
mod watch;

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::Instant;

use clap::{CommandFactory as _, Parser as _};

use crate::arguments::{Arguments, Command};
use crate::exit_error::ExitError;
use crate::signals::Stop;
use crate::stderr::say;

fn main() -> ExitCode {
    let began = Instant::now();
    let arguments = Arguments::parse();
    let code = match run(arguments.command, began) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&error);
            ExitCode::from(error.code)
        }
    };
    stderr::finish();
    code
}

fn run(command: Command, began: Instant) -> Result<(), ExitError> {
    match command {
        Command::Demo(demo) if demo.top => run_full_screen(demo::top),
        Command::Demo(demo) if demo.web => {
            let verbose = demo.output.logging.verbose;
            run_logged(verbose, |stop| demo::web(demo.port, stop))
        }
        Command::Top(top) => run_full_screen(|stop| top::run(top, stop)),
        Command::Demo(demo) => {
            let verbose = demo.output.logging.verbose;
            run_logged(verbose, |stop| demo::run(demo, began, stop))
        }
        Command::Watch(watch) => {
            let verbose = watch.output.logging.verbose;
            run_logged(verbose, |stop| watch::run(watch, began, stop))
        }
        Command::Decode(decode) => decode::run(&decode),
        Command::Simulate(simulate) => {
            let verbose = simulate.logging.verbose;
            run_logged(verbose, |stop| simulate::run(simulate, stop))
        }
        Command::State(state) => {
            let verbose = state.logging.verbose;
            run_logged(verbose, |stop| state::run(state, stop))
        }
        Command::Trust(trust) => {
            let verbose = trust.logging.verbose;
            run_logged(verbose, |stop| trust::run(trust, stop))
        }
        Command::List(list) => {
            let verbose = list.logging.verbose;
            run_logged(verbose, |stop| command::list(list, stop))
        }
        Command::Setup(setup) => {
            let verbose = setup.logging.verbose;
            run_logged(verbose, |stop| service::setup::run(*setup, stop))
        }
        Command::Discover(discover) => {
            let verbose = discover.logging.verbose;
            run_logged(verbose, |stop| service::discover::run(discover, stop))
        }
        Command::Bridge(bridge) => {
            // A service logs status changes by default.
            let verbose = bridge.logging.verbose.saturating_add(1);
            run_logged(verbose, |stop| service::bridge::run(bridge, stop))
        }
        Command::Completions(completions) => {
            let mut command = Arguments::command();
            print(|out| {
                clap_complete::generate(completions.shell, &mut command, "iox", out);
                Ok(())
            })
        }
        Command::Man => print(|out| clap_mangen::Man::new(Arguments::command()).render(out)),
        command => {
            let verbose = command::verbosity(&command);
            run_logged(verbose, |stop| command::run(command, stop))
        }
    }
}

/// Writes text to standard output. A closed pipe is not an error.
fn print(make: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> Result<(), ExitError> {
    let mut text = Vec::new();
    let written = make(&mut text).and_then(|()| io::stdout().write_all(&text));
    match written {
        Err(error) if !output::is_closed_pipe(&error) => Err(ExitError::other(format!(
            "cannot write to standard output: {error}"
        ))),
        _ => Ok(()),
    }
}

/// Runs `work` with logs and signal handlers, until it ends or is asked to stop.
fn run_logged<W: Future<Output = Result<(), ExitError>>>(
    verbose: u8,
    work: impl FnOnce(Stop) -> W,
) -> Result<(), ExitError> {
    logging::start(verbose);
    run_until_stopped(work)
}

/// Runs full-screen `work`. Logs only if standard error is not the terminal, because they would
/// overwrite the screen.
fn run_full_screen<W: Future<Output = Result<(), ExitError>>>(
    work: impl FnOnce(Stop) -> W,
) -> Result<(), ExitError> {
    if !io::stderr().is_terminal() {
        logging::start(0);
    }
    run_until_stopped(work)
}

fn run_until_stopped<W: Future<Output = Result<(), ExitError>>>(
    work: impl FnOnce(Stop) -> W,
) -> Result<(), ExitError> {
    let cannot = |error| ExitError::other(format!("cannot start: {error}"));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(cannot)?;
    let result = runtime.block_on(async { work(Stop::on_signals().map_err(cannot)?).await });
    // A prompt or a name lookup may still block a thread.
    runtime.shutdown_background();
    result
}
