//! A file with the state as JSON, written at the end and on request.

use ioxproto::state::ControllerState;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::exit_error::ExitError;
use crate::file::Target;

/// The file for the state. It is written on a separate thread.
#[derive(Debug)]
pub(crate) struct StateFile {
    target: Target,
    /// The write in progress.
    writing: Option<JoinHandle<Result<(), ExitError>>>,
}

impl StateFile {
    pub(crate) fn new(target: Target) -> Self {
        Self {
            target,
            writing: None,
        }
    }

    /// Starts writing the state, unless an earlier one is still being written.
    pub(crate) fn write(&mut self, state: &ControllerState) {
        if self.writing.is_some() {
            return;
        }
        let target = self.target.clone();
        let json = json(state);
        self.writing = Some(spawn_blocking(move || {
            let written = json.and_then(|json| target.replace(&json).map_err(|e| e.to_string()));
            written.map_err(|why| {
                ExitError::other(format!(
                    "cannot write the state to {}: {why}",
                    target.path().display()
                ))
            })
        }));
    }

    /// Completes when the current write ends; never if there is none.
    pub(crate) async fn wait_for_write(&mut self) -> Result<(), ExitError> {
        let Some(writing) = &mut self.writing else {
            return std::future::pending().await;
        };
        let written = writing.await;
        self.writing = None;
        written.unwrap_or_else(|error| Err(ExitError::other(error.to_string())))
    }

    /// Writes the last state.
    pub(crate) async fn finish(&mut self, state: &ControllerState) -> Result<(), ExitError> {
        if self.writing.is_some() {
            // Ignore errors with an older state: writing the last one reports whether the file is
            // writable.
            let _ = self.wait_for_write().await;
        }
        self.write(state);
        self.wait_for_write().await
    }

    /// The error of abandoning the last state.
    pub(crate) fn cut_short(&self) -> ExitError {
        ExitError::other(format!(
            "the state could not be written to {} in time",
            self.target.path().display()
        ))
    }
}

fn json(state: &ControllerState) -> Result<Vec<u8>, String> {
    let json = serde_json::to_vec_pretty(state);
    let mut json = json.map_err(|error| error.to_string())?;
    json.push(b'\n');
    Ok(json)
}
