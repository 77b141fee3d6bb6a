//! The token provider of a stream whose caller has the tokens. It answers at once, late or never,
//! with a new token, the previous one, an invalid one, or none.

use std::time::Duration;

use fastrand::Rng;
use ioxproto::RequestId;

use crate::random::{generator, pick};

#[derive(Debug)]
pub(crate) struct Provider {
    /// The last good token.
    token: Option<String>,
    requests: Vec<TokenRequest>,
    rng: Rng,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct TokenRequest {
    pub(crate) id: RequestId,
    answer: Answer,
    due: Duration,
    /// The core has abandoned the request, but it is still answered.
    pub(crate) abandoned: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// A token of a new session, if the controller grants one.
    Fresh,
    /// The token that it gave before.
    Same,
    Nonsense,
    Nothing,
    /// It never answers.
    Silence,
}

impl Provider {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            token: None,
            requests: Vec::new(),
            rng: generator(seed, "provider"),
        }
    }

    /// Draws how and when to answer a token request.
    pub(crate) fn ask(&mut self, now: Duration, id: RequestId, healthy: bool) -> TokenRequest {
        let answer = match self.rng.u8(..10) {
            _ if healthy => Answer::Fresh,
            0..=4 => Answer::Fresh,
            5 | 6 => Answer::Same,
            7 => Answer::Nonsense,
            8 => Answer::Nothing,
            _ => Answer::Silence,
        };
        let most = *pick(&mut self.rng, &[5, 500, 500, 9_000, 30_000]);
        let most = if healthy { 500 } else { most };
        let request = TokenRequest {
            id,
            answer,
            due: now + Duration::from_millis(self.rng.u64(..most)),
            abandoned: false,
        };
        self.requests.push(request);
        request
    }

    /// Abandons the token request with this id. Returns whether there was one.
    pub(crate) fn abandon(&mut self, id: RequestId, lingers: bool) -> bool {
        let mut requests = self.requests.iter();
        let Some(index) = requests.position(|request| request.id == id) else {
            return false;
        };
        self.requests[index].abandoned = true;
        if !lingers {
            self.requests.swap_remove(index);
        }
        true
    }

    pub(crate) fn forget_abandoned(&mut self) {
        self.requests.retain(|request| !request.abandoned);
    }

    /// Returns when it next answers a request that is abandoned, or one that is not.
    pub(crate) fn due(&self, abandoned: bool) -> Option<Duration> {
        let requests = self.requests.iter();
        let open = requests.filter(|request| request.abandoned == abandoned);
        open.filter_map(TokenRequest::answered_at).min()
    }

    /// Removes a request whose answer is due.
    pub(crate) fn take_due(&mut self, now: Duration) -> Option<TokenRequest> {
        let is_due = |request: &TokenRequest| request.answered_at().is_some_and(|at| at <= now);
        let index = self.requests.iter().position(is_due)?;
        Some(self.requests.swap_remove(index))
    }

    /// Returns the token in the answer to a request. To get a new token, it logs in.
    pub(crate) fn answer(
        &mut self,
        request: TokenRequest,
        log_in: impl FnOnce() -> Option<String>,
    ) -> Option<String> {
        match request.answer {
            Answer::Fresh => {
                self.token = log_in();
                self.token.clone()
            }
            Answer::Same => self.token.clone(),
            Answer::Nonsense => Some("two words\r\nX: y".to_owned()),
            Answer::Nothing | Answer::Silence => None,
        }
    }
}

impl TokenRequest {
    fn answered_at(&self) -> Option<Duration> {
        (self.answer != Answer::Silence).then_some(self.due)
    }
}

#[cfg(test)]
mod tests {
    use ioxproto::Action;

    use super::*;
    use crate::clock::Clock;
    use crate::settings::{Access, Settings};

    const NOW: Duration = Duration::from_secs(100);
    const HALF_SECOND: Duration = Duration::from_millis(500);

    /// Returns a provider that was asked in a healthy world, and the id of the request.
    fn asked() -> (Provider, RequestId) {
        let settings = Settings {
            access: Access::OwnTokens,
            ..Settings::plain()
        };
        let mut core = settings.core();
        core.start(Clock::new().client());
        let mut actions = std::iter::from_fn(|| core.poll_action());
        let id = actions.find_map(|action| match action {
            Action::ProvideToken { id, .. } => Some(id),
            _ => None,
        });
        let id = id.expect("the core asks for a token at once");
        let mut provider = Provider::new(1);
        provider.ask(NOW, id, true);
        (provider, id)
    }

    #[test]
    fn a_healthy_world_gets_a_new_token_within_half_a_second() {
        let (mut provider, id) = asked();
        let request = provider.take_due(NOW + HALF_SECOND);
        let request = request.expect("the request is answered");
        assert_eq!(request.id, id);
        let token = provider.answer(request, || Some("new".to_owned()));
        assert_eq!(token.as_deref(), Some("new"));
        assert_eq!(provider.due(false), None);
    }

    #[test]
    fn an_abandoned_request_is_answered_only_if_it_lingers() {
        for lingers in [true, false] {
            let (mut provider, id) = asked();
            assert!(provider.abandon(id, lingers));
            assert_eq!(provider.due(false), None);
            assert_eq!(provider.due(true).is_some(), lingers);
            let answered = provider.take_due(NOW + HALF_SECOND);
            assert_eq!(answered.is_some_and(|request| request.abandoned), lingers);
        }
    }
}
