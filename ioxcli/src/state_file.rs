//! A file that takes the state of the house, as JSON: at the end, and now and then.

use ioxproto::mirror::ControllerState;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::file::Target;
use crate::trouble::Trouble;

/// Where the state goes. It is written on a thread of its own.
#[derive(Debug)]
pub(crate) struct StateFile {
    target: Target,
    writing: Option<JoinHandle<Result<(), Trouble>>>,
}

impl StateFile {
    pub(crate) fn new(target: Target) -> Self {
        Self {
            target,
            writing: None,
        }
    }

    /// Begins to write the state, unless an earlier one is still being written.
    pub(crate) fn write(&mut self, state: &ControllerState) {
        if self.writing.is_some() {
            return;
        }
        let target = self.target.clone();
        let json = json(state);
        self.writing = Some(spawn_blocking(move || {
            let written = json.and_then(|json| target.replace(&json).map_err(|e| e.to_string()));
            written.map_err(|why| {
                Trouble::other(format!(
                    "cannot write the state to {}: {why}",
                    target.path().display()
                ))
            })
        }));
    }

    /// Completes when what is being written is written; never if nothing is.
    pub(crate) async fn written(&mut self) -> Result<(), Trouble> {
        let Some(writing) = &mut self.writing else {
            return std::future::pending().await;
        };
        let written = writing.await;
        self.writing = None;
        written.unwrap_or_else(|error| Err(Trouble::other(error.to_string())))
    }

    /// Writes the last state.
    pub(crate) async fn finish(&mut self, state: &ControllerState) -> Result<(), Trouble> {
        if self.writing.is_some() {
            // An older state; the last one says whether the file can be written.
            let _ = self.written().await;
        }
        self.write(state);
        self.written().await
    }

    /// The last state was given up.
    pub(crate) fn cut_short(&self) -> Trouble {
        Trouble::other(format!(
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
