//! What an answer shows to others than administrators: no credentials of URIs.
//!
//! Operators and clients put URIs into parameters, policies, arguments and descriptions. An
//! administrator sees these as they are, because what is exported has to be of use; others see them
//! without names and passwords. Messages are their publishers' and readers' own and stay as they
//! are.

use serde_json::Value;

use crate::secrets::without_credentials;

use super::http::Response;

/// The keys below which texts are anything that an operator or a client has said.
const SAID: [&str; 9] = [
    "arguments",
    "client_properties",
    "definition",
    "description",
    "effective_policy_definition",
    "metadata",
    "reason",
    "user_provided_name",
    "value",
];

/// The last segments of the routes that answer with messages.
const MESSAGES: [&str; 2] = ["/get", "/peek"];

/// An answer of a route as others than administrators may see it.
pub(super) fn to_others(route: &str, mut response: Response) -> Response {
    let has_uri = response.body.windows(3).any(|octets| octets == b"://");
    if !has_uri || MESSAGES.iter().any(|last| route.ends_with(last)) {
        return response;
    }
    // What is no JSON has no such texts: metrics, files of the page.
    if let Ok(mut value) = serde_json::from_slice(&response.body) {
        cut(&mut value, false);
        response.body = value.to_string().into_bytes();
    }
    response
}

/// Cuts credentials out of texts, of all or of those below keys that say so. A value that was
/// parsed is at most as deep as the parser lets it be.
fn cut(value: &mut Value, said: bool) {
    match value {
        Value::String(text) if said => *text = without_credentials(text).into_owned(),
        Value::Array(items) => items.iter_mut().for_each(|item| cut(item, said)),
        Value::Object(entries) => {
            for (key, value) in entries {
                cut(value, said || SAID.contains(&key.as_str()));
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(route: &str, value: &Value) -> Value {
        let response = to_others(route, Response::json(200, value));
        serde_json::from_slice(&response.body).unwrap()
    }

    #[test]
    fn what_was_said_is_shown_without_credentials_and_names_as_they_are() {
        let uri =
            |text: &str| json!([{"name": "amqp://a:b@name", "arguments": {"x": [{"y": text}]}}]);
        let (before, after) = (uri("amqp://a:b@host"), uri("amqp://host"));
        assert_eq!(shown("/api/queues", &before), after);
        assert_eq!(shown("/api/queues/:vhost/:queue/get", &before), before);
        assert_eq!(shown("/api/queues", &json!({"value": 5})), json!({"value": 5}));
    }
}
