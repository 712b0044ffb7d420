//! Answers to requests, and refusals in RabbitMQ's form: `{"error": .., "reason": ..}`.

use serde_json::{Value, json};

use crate::broker::access::ChangeRefused;
use crate::connection::Busy;
use crate::definitions::DefinitionsError;
use crate::server::Closed;

use super::http::{HttpError, Response};

/// What a handler answers.
pub(super) type Answer = Result<Response, Refusal>;

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The status code.
    pub(super) status: u16,
    error: &'static str,
    reason: Value,
}

impl Refusal {
    /// 400: the request makes no sense, or AMQP refuses what it asks for.
    pub(super) fn bad_request(reason: impl Into<String>) -> Self {
        Self::because(Value::String(reason.into()))
    }

    /// 400 with a reason that is no text in RabbitMQ either.
    pub(super) fn because(reason: Value) -> Self {
        Self { status: 400, error: "bad_request", reason }
    }

    /// 404.
    pub(super) fn not_found() -> Self {
        Self { status: 404, error: "Object Not Found", reason: "Not Found".into() }
    }

    /// 401 for somebody who has not said who they are, or not rightly.
    pub(super) fn unknown(reason: &str) -> Self {
        Self { status: 401, error: "not_authorized", reason: reason.into() }
    }

    /// 401 for somebody who may not, in RabbitMQ's own spelling.
    pub(super) fn not_authorised(reason: impl Into<String>) -> Self {
        Self { status: 401, error: "not_authorised", reason: Value::String(reason.into()) }
    }

    /// 421: what was asked for is not asked for here.
    pub(super) fn misdirected(reason: String) -> Self {
        Self { status: 421, error: "bad_request", reason: Value::String(reason) }
    }

    /// 405 with the methods that there are.
    pub(super) fn method_not_allowed() -> Self {
        Self { status: 405, error: "Method Not Allowed", reason: "\"Method Not Allowed\"".into() }
    }

    /// 503: somebody else has to be done first.
    pub(super) fn busy(reason: &str) -> Self {
        Self { status: 503, error: "unavailable", reason: reason.into() }
    }

    /// 503: the broker stops, or is too busy.
    pub(super) fn unavailable() -> Self {
        Self { status: 503, error: "unavailable", reason: Closed.to_string().into() }
    }

    /// What is sent.
    pub(super) fn response(&self) -> Response {
        let value = json!({ "error": self.error, "reason": self.reason });
        let response = Response::json(self.status, &value);
        if self.status == 401 && self.error == "not_authorized" {
            return response.with("WWW-Authenticate", "Basic realm=\"Leveret Management\"");
        }
        response
    }
}

impl From<ChangeRefused> for Refusal {
    fn from(refused: ChangeRefused) -> Self {
        match refused {
            ChangeRefused::NotFound(_) => Self::not_found(),
            ChangeRefused::Invalid(reason) | ChangeRefused::TooMany(reason) => {
                Self::bad_request(reason)
            }
        }
    }
}

impl From<DefinitionsError> for Refusal {
    fn from(error: DefinitionsError) -> Self {
        Self::bad_request(error.to_string())
    }
}

impl From<Busy> for Refusal {
    fn from(_: Busy) -> Self {
        let reason = "too many logins are under way".to_owned();
        Self { status: 503, error: "unavailable", reason: reason.into() }
    }
}

impl From<Closed> for Refusal {
    fn from(_: Closed) -> Self {
        Self::unavailable()
    }
}

impl From<HttpError> for Refusal {
    fn from(error: HttpError) -> Self {
        Self { status: error.status, error: "bad_request", reason: error.reason.into() }
    }
}

/// 200 with a value.
pub(super) fn ok(value: &Value) -> Answer {
    Ok(Response::json(200, value))
}

/// 201 for something new, 204 for something that was there.
pub(super) fn created(new: bool) -> Answer {
    Ok(Response::empty(if new { 201 } else { 204 }))
}
