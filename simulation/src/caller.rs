//! The token provider of a stream whose caller has the tokens. It answers at once, late or never,
//! with a new token, the previous one, an invalid one, or none.

use std::time::Duration;

use http::Request;
use ioxproto::{RequestId, Secret};

use crate::checker::PASSWORD;
use crate::site::{Site, pick};
use crate::world::World;

#[derive(Debug, Default)]
pub(crate) struct Caller {
    /// The last good token.
    token: Option<String>,
    questions: Vec<Question>,
}

#[derive(Debug)]
struct Question {
    id: RequestId,
    answer: Answer,
    due: Duration,
    /// The core has dropped the question, but the caller still answers.
    abandoned: bool,
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

impl Caller {
    /// Returns when it next answers a question that is abandoned, or one that is not.
    pub(crate) fn due(&self, abandoned: bool) -> Option<Duration> {
        let open = self
            .questions
            .iter()
            .filter(|question| question.answer != Answer::Silence);
        let open = open.filter(|question| question.abandoned == abandoned);
        open.map(|question| question.due).min()
    }

    pub(crate) fn forget_abandoned(&mut self) {
        self.questions.retain(|question| !question.abandoned);
    }
}

impl World {
    pub(crate) fn queue_question(&mut self, id: RequestId, rejected: bool) {
        let for_call = self.driver.core.has_calls();
        self.checker
            .asks(self.clock.client_ran(), rejected, for_call);
        let answer = match self.rng.u8(..10) {
            _ if self.healthy => Answer::Fresh,
            0..=4 => Answer::Fresh,
            5 | 6 => Answer::Same,
            7 => Answer::Nonsense,
            8 => Answer::Nothing,
            _ => Answer::Silence,
        };
        let most = *pick(&mut self.rng, &[5, 500, 500, 9_000, 30_000]);
        let most = if self.healthy { 500 } else { most };
        let due = self.clock.world() + Duration::from_millis(self.rng.u64(..most));
        self.log(|| format!("caller: asked by {id:?}, {answer:?} at {due:?}"));
        self.caller.questions.push(Question {
            id,
            answer,
            due,
            abandoned: false,
        });
    }

    /// Abandons the question with this id, if there is one.
    pub(crate) fn abandon_question(&mut self, id: RequestId) {
        let lingers = self.rng.f64() < self.network.lingering;
        let questions = &mut self.caller.questions;
        if let Some(index) = questions.iter().position(|question| question.id == id) {
            questions[index].abandoned = true;
            if !lingers {
                questions.swap_remove(index);
            }
            self.checker.question_abandoned();
        }
    }

    /// Gives an answer that is due. Returns whether there was one.
    pub(crate) fn caller_answers(&mut self) -> bool {
        let now = self.clock.world();
        let due = |question: &Question| question.answer != Answer::Silence && question.due <= now;
        let Some(index) = self.caller.questions.iter().position(due) else {
            return false;
        };
        let question = self.caller.questions.swap_remove(index);
        let token = match question.answer {
            Answer::Fresh => {
                let token = self.fresh_token();
                self.caller.token.clone_from(&token);
                token
            }
            Answer::Same => self.caller.token.clone(),
            Answer::Nonsense => Some("two words\r\nX: y".to_owned()),
            Answer::Nothing | Answer::Silence => None,
        };
        self.log(|| format!("caller: answers {question:?}"));
        self.entered();
        self.driver.wait = None;
        let secret = token.clone().map(Secret::new);
        self.driver
            .core
            .token(self.clock.client(), question.id, secret);
        if question.abandoned {
            self.totals.late_news += 1;
            self.check_no_effect(false);
        } else {
            self.checker.supplied(token);
            self.perform_actions();
        }
        true
    }

    /// Logs in at the controller directly, and returns the token.
    fn fresh_token(&mut self) -> Option<String> {
        if self.site != Site::Up {
            return None;
        }
        let body = format!(r#"{{"username":"user@example.test","password":"{PASSWORD}"}}"#);
        let request = Request::post("/api/login").body(body.into_bytes()).ok()?;
        let answer = self.controller.post(self.clock.controller(), &request);
        let answer = String::from_utf8_lossy(&answer.bytes).into_owned();
        let (_, rest) = answer.split_once(r#""accessToken":""#)?;
        rest.split_once('"').map(|(token, _)| token.to_owned())
    }
}
