//! Asking a cloud again, and waiting until something has happened, for action handlers.
//!
//! A request that reads may be repeated whatever came of it. One that changes something may be repeated blindly only when it certainly
//! did not arrive; otherwise the handler has to look at the resource first, and [`write()`] tells it so.

use crate::{ActionHost, Failure, Request, Response};

/// How often to repeat a request, and how long to wait before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries {
    /// Repetitions after the first try.
    pub count: u32,
    /// Milliseconds between two tries.
    pub interval_ms: u64,
}

/// What came of a request that changes something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// The service answered, whatever the status.
    Answered(Response),
    /// Nobody knows whether it arrived: look at the resource.
    InDoubt(Failure),
}

/// Sends a request that only reads. It is repeated when no answer came, and when the answer says that the service is busy or broken.
///
/// # Errors
/// The failure of the last try. An answer that is still 5xx after the last try is an answer.
pub fn read(host: &dyn ActionHost, request: &Request, retries: Retries) -> Result<Response, Failure> {
    let mut left = retries.count;
    loop {
        let outcome = host.send(request);
        let again = match &outcome {
            Ok(response) => matches!(response.status, 429 | 500 | 502 | 503 | 504),
            Err(failure) => matches!(failure.code.as_str(), "unreachable" | "timed-out" | "outcome-unknown"),
        };
        if !again || left == 0 {
            return outcome;
        }
        left -= 1;
        host.sleep_ms(retries.interval_ms)?;
    }
}

/// Sends a request that changes something. It is repeated only when it certainly was not carried out.
///
/// # Errors
/// `unreachable` after the last try, and every failure that says that the request was not sent.
pub fn write(host: &dyn ActionHost, request: &Request, retries: Retries) -> Result<Sent, Failure> {
    let mut left = retries.count;
    loop {
        let outcome = host.send(request);
        let again = match &outcome {
            Ok(response) => match response.status {
                // A proxy speaks for a service that may have done it nevertheless.
                502..=504 => {
                    let message = format!("the cloud answered {} to {request}", response.status);
                    return Ok(Sent::InDoubt(Failure::cloud("outcome-unknown", message).retryable()));
                }
                status => status == 429,
            },
            Err(failure) => match failure.code.as_str() {
                "timed-out" | "outcome-unknown" => return Ok(Sent::InDoubt(failure.clone())),
                code => code == "unreachable",
            },
        };
        if !again || left == 0 {
            return outcome.map(Sent::Answered);
        }
        left -= 1;
        host.sleep_ms(retries.interval_ms)?;
    }
}

/// Waiting in steps that grow, so that a fast cloud is noticed fast and a slow one is not asked too often.
#[derive(Debug, Clone)]
#[expect(clippy::struct_field_names, reason = "the postfix is their unit")]
pub struct Poll {
    next_ms: u64,
    interval_ms: u64,
    left_ms: u64,
}

impl Poll {
    /// The first wait, in milliseconds.
    const FIRST_MS: u64 = 100;

    /// Waits of 0.1 s that grow by half up to `interval_ms`, together at most `budget_ms`.
    pub fn new(interval_ms: u64, budget_ms: u64) -> Self {
        let interval_ms = interval_ms.max(1);
        Self { next_ms: Self::FIRST_MS.min(interval_ms), interval_ms, left_ms: budget_ms }
    }

    /// Waits once. `false`, at once, when the time is used up.
    ///
    /// # Errors
    /// Those of [`ActionHost::sleep_ms`].
    pub fn wait(&mut self, host: &dyn ActionHost) -> Result<bool, Failure> {
        if self.left_ms == 0 {
            return Ok(false);
        }
        let duration_ms = self.next_ms.min(self.left_ms);
        host.sleep_ms(duration_ms)?;
        self.left_ms -= duration_ms;
        self.next_ms = (self.next_ms + self.next_ms.div_ceil(2)).min(self.interval_ms);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{FakeCloud, answer};
    use serde_json::Value;

    const RETRIES: Retries = Retries { count: 2, interval_ms: 1000 };

    fn unreachable() -> Result<Response, Failure> {
        Err(Failure::cloud("unreachable", "nobody there").retryable())
    }

    fn in_doubt() -> Result<Response, Failure> {
        Err(Failure::cloud("outcome-unknown", "the connection broke"))
    }

    /// Answers with these, the last of them for ever, and counts.
    fn script(
        outcomes: Vec<Result<Response, Failure>>,
    ) -> FakeCloud<impl FnMut(&Request) -> Result<Response, Failure>> {
        let mut at = 0;
        FakeCloud::new(move |_| {
            at += 1;
            outcomes[(at - 1).min(outcomes.len() - 1)].clone()
        })
    }

    #[test]
    fn reading_is_repeated_until_an_answer_comes() {
        let cloud = script(vec![unreachable(), in_doubt(), answer(200, &Value::Null)]);
        let request = Request::new("compute", "GET", "/servers/1");
        assert_eq!(read(&cloud, &request, RETRIES).unwrap().status, 200);
        assert_eq!((cloud.sent.borrow().len(), cloud.slept_ms()), (3, 2000));
    }

    #[test]
    fn reading_ends_with_the_last_outcome() {
        let request = Request::new("compute", "GET", "/servers/1");
        let cloud = script(vec![unreachable()]);
        assert_eq!(read(&cloud, &request, RETRIES).unwrap_err().code, "unreachable");
        assert_eq!(cloud.sent.borrow().len(), 3);
        assert_eq!(read(&script(vec![answer(503, &Value::Null)]), &request, RETRIES).unwrap().status, 503);
        assert_eq!(read(&script(vec![answer(404, &Value::Null)]), &request, RETRIES).unwrap().status, 404);
    }

    #[test]
    fn writing_is_not_repeated_when_it_may_have_arrived() {
        let request = Request::new("compute", "POST", "/servers/1/action");
        for outcome in [in_doubt(), answer(504, &Value::Null)] {
            let cloud = script(vec![outcome]);
            assert!(matches!(write(&cloud, &request, RETRIES), Ok(Sent::InDoubt(_))));
            assert_eq!(cloud.sent.borrow().len(), 1);
        }
    }

    #[test]
    fn writing_is_repeated_when_it_certainly_did_not_arrive() {
        let request = Request::new("compute", "POST", "/servers/1/action");
        let cloud = script(vec![unreachable(), answer(429, &Value::Null), answer(202, &Value::Null)]);
        let Ok(Sent::Answered(response)) = write(&cloud, &request, RETRIES) else { panic!("no answer") };
        assert_eq!((response.status, cloud.sent.borrow().len()), (202, 3));
    }

    #[test]
    fn waiting_grows_and_ends() {
        let cloud = script(vec![unreachable()]);
        let mut poll = Poll::new(5000, 60_000);
        let mut waits = 0;
        while poll.wait(&cloud).unwrap() {
            waits += 1;
        }
        assert_eq!(cloud.slept_ms(), 60_000);
        assert!((15..25).contains(&waits), "{waits}");
    }
}
