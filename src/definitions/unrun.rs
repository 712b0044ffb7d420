//! What RabbitMQ's plugins run and Leveret does not: shovels and federation.
//!
//! A definition that nothing runs looks as if messages were moved. So it is refused where one thing
//! is made, in the words of a RabbitMQ without the plugin, and left out of a file that has other
//! things too.

use serde_json::{Map, Value};

/// The components of parameters that have a meaning here.
const COMPONENTS: [&str; 3] = ["policy", "operator_policy", "vhost-limits"];

/// The beginning of each key of a policy that asks for a link to another broker.
const LINKS: &str = "federation-upstream";

/// Refuses a component of parameters that nothing here understands.
///
/// # Errors
///
/// RabbitMQ's text.
pub fn check_component(component: &str) -> Result<(), String> {
    if COMPONENTS.contains(&component) {
        return Ok(());
    }
    Err(format!("Validation failed\n\ncomponent {component} not found\n"))
}

/// Whether a key of a policy asks for a link to another broker.
pub(super) fn is_link(key: &str) -> bool {
    key.starts_with(LINKS)
}

/// Refuses a policy's definition that asks for what nothing here runs.
///
/// # Errors
///
/// RabbitMQ's text.
pub fn check_policy(definition: &Map<String, Value>) -> Result<(), String> {
    let Some((key, value)) = definition.iter().find(|(key, _)| is_link(key)) else {
        return Ok(());
    };
    let value = match value {
        Value::String(text) => format!("<<\"{text}\">>"),
        other => other.to_string(),
    };
    Err(format!(
        "Validation failed\n\n[{{<<\"{key}\">>,{value}}}] are not recognised policy settings\n"
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_nothing_runs_is_refused_in_rabbitmqs_words() {
        assert_eq!(check_component("vhost-limits"), Ok(()));
        for component in ["shovel", "federation-upstream", "federation-upstream-set", "nope", ""] {
            let text = format!("Validation failed\n\ncomponent {component} not found\n");
            assert_eq!(check_component(component), Err(text));
        }
        let definition = |key: &str| json!({"max-length": 5, key: "up"}).as_object().cloned();
        assert_eq!(check_policy(&definition("message-ttl").unwrap_or_default()), Ok(()));
        for key in ["federation-upstream", "federation-upstream-set", "federation-upstream-pattern"]
        {
            let text = format!(
                "Validation failed\n\n[{{<<\"{key}\">>,<<\"up\">>}}] are not recognised policy \
                 settings\n"
            );
            assert_eq!(check_policy(&definition(key).unwrap_or_default()), Err(text));
        }
    }
}
