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
    questions: Vec<Question>,
    rng: Rng,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Question {
    pub(crate) id: RequestId,
    answer: Answer,
    due: Duration,
    /// The core has dropped the question, but it is still answered.
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
            questions: Vec::new(),
            rng: generator(seed, "provider"),
        }
    }

    /// Draws how and when to answer a question.
    pub(crate) fn ask(&mut self, now: Duration, id: RequestId, healthy: bool) -> Question {
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
        let question = Question {
            id,
            answer,
            due: now + Duration::from_millis(self.rng.u64(..most)),
            abandoned: false,
        };
        self.questions.push(question);
        question
    }

    /// Abandons the question with this id. Returns whether there was one.
    pub(crate) fn abandon(&mut self, id: RequestId, lingers: bool) -> bool {
        let mut questions = self.questions.iter();
        let Some(index) = questions.position(|question| question.id == id) else {
            return false;
        };
        self.questions[index].abandoned = true;
        if !lingers {
            self.questions.swap_remove(index);
        }
        true
    }

    pub(crate) fn forget_abandoned(&mut self) {
        self.questions.retain(|question| !question.abandoned);
    }

    /// Returns when it next answers a question that is abandoned, or one that is not.
    pub(crate) fn due(&self, abandoned: bool) -> Option<Duration> {
        let questions = self.questions.iter();
        let open = questions.filter(|question| question.abandoned == abandoned);
        open.filter_map(Question::answered_at).min()
    }

    /// Removes a question whose answer is due.
    pub(crate) fn take_due(&mut self, now: Duration) -> Option<Question> {
        let is_due = |question: &Question| question.answered_at().is_some_and(|at| at <= now);
        let index = self.questions.iter().position(is_due)?;
        Some(self.questions.swap_remove(index))
    }

    /// Returns the token in the answer to a question. To get a new token, it logs in.
    pub(crate) fn answer(
        &mut self,
        question: Question,
        log_in: impl FnOnce() -> Option<String>,
    ) -> Option<String> {
        match question.answer {
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

impl Question {
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

    /// Returns a provider that was asked in a healthy world, and the id of the question.
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
        let question = provider.take_due(NOW + HALF_SECOND);
        let question = question.expect("the question is answered");
        assert_eq!(question.id, id);
        let token = provider.answer(question, || Some("new".to_owned()));
        assert_eq!(token.as_deref(), Some("new"));
        assert_eq!(provider.due(false), None);
    }

    #[test]
    fn an_abandoned_question_is_answered_only_if_it_lingers() {
        for lingers in [true, false] {
            let (mut provider, id) = asked();
            assert!(provider.abandon(id, lingers));
            assert_eq!(provider.due(false), None);
            assert_eq!(provider.due(true).is_some(), lingers);
            let answered = provider.take_due(NOW + HALF_SECOND);
            assert_eq!(answered.is_some_and(|question| question.abandoned), lingers);
        }
    }
}
