//! The stop, from any state: a close frame and a logout, in parallel.

use http::Response;
use tracing::debug;
use zeroize::Zeroizing;

use super::timers::Timer;
use super::{Connection, Machine, State};
use crate::auth::Outcome;
use crate::{Action, ExchangeError, Now, Reason, Status, StatusChange};

impl Machine {
    pub(super) fn stop(&mut self, now: Now) {
        // Wait for a renewal that calls have started, as for the stream's own login: its answer may
        // open a session, which must be ended.
        let mut pending = None;
        if self.credentials.is_asking() {
            pending = self.calls.adopt_renewal().map(|(id, _)| id);
        } else {
            self.abandon_renewal();
        }
        let connection = match self.state {
            State::AtRest | State::Stopping { .. } => return,
            State::Waiting | State::ReadingNames => None,
            State::SigningIn { request } if self.credentials.is_asking() => {
                pending = Some(request);
                None
            }
            State::SigningIn { request } | State::Probing { request } => {
                self.actions.push_back(Action::Abandon { id: request });
                None
            }
            State::Connecting { id, .. } => {
                self.actions.push_back(Action::Abort { id });
                None
            }
            State::Draining(Connection { id, .. }) | State::Live(Connection { id, .. }) => {
                debug!("closing the connection on request");
                self.actions.push_back(Action::Close { id, code: 1000 });
                Some(id)
            }
        };
        let request = pending.or_else(|| {
            let logout = self.credentials.end_session(now.utc);
            logout.map(|exchange| self.request(exchange))
        });
        self.state = State::Stopping {
            connection,
            request,
        };
        self.timers.cancel_all();
        self.timers
            .at(Timer::Stop, now.monotonic + self.config.timing.stop);
        self.finish_stop(now);
    }

    /// Handles the answer to the logout, or to the login or refresh before it. Ignores a refused
    /// logout.
    pub(super) fn logout_answered(
        &mut self,
        now: Now,
        answer: Result<Response<Zeroizing<Vec<u8>>>, ExchangeError>,
    ) {
        let is_granted = self.credentials.is_asking()
            && answer.is_ok_and(|answer| {
                matches!(self.credentials.receive_answer(answer), Outcome::Granted)
            });
        let logout = if is_granted {
            self.credentials.logout()
        } else {
            None
        };
        let next = logout.map(|exchange| self.request(exchange));
        if let State::Stopping { request, .. } = &mut self.state {
            *request = next;
        }
        self.finish_stop(now);
    }

    /// Enters `AtRest` if the close and the logout are done.
    pub(super) fn finish_stop(&mut self, now: Now) {
        if matches!(
            self.state,
            State::Stopping {
                connection: None,
                request: None
            }
        ) {
            self.rest_after_stop(now);
        }
    }

    /// Ends a stop that has exceeded its time limit.
    pub(super) fn abort_stop(&mut self, now: Now) {
        let State::Stopping {
            connection,
            request,
        } = self.state
        else {
            return;
        };
        self.actions
            .extend(connection.map(|id| Action::Abort { id }));
        self.actions
            .extend(request.map(|id| Action::Abandon { id }));
        self.rest_after_stop(now);
    }

    fn rest_after_stop(&mut self, now: Now) {
        self.timers.cancel_all();
        self.credentials.forget();
        self.state = State::AtRest;
        let change = StatusChange {
            status: Status::Disconnected,
            reason: Some(Reason::StopRequested),
            retry_in: None,
        };
        self.set_status(now, change);
    }
}
