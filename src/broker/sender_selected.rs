//! Sender-selected distribution: the headers `CC` and `BCC` name further routing keys (RabbitMQ).
//!
//! Both are arrays of strings. `BCC` is taken out before anybody sees the message.

use crate::message::Message;
use crate::wire::{Field, Properties, PropertiesView, ShortBytes, Table};

use super::exception::{Exception, precondition_failed};

/// The routing keys in a message's headers, and the message as it is to be routed.
///
/// # Errors
///
/// 406 when a header is no array. What in an array is no string is passed over, as by RabbitMQ.
pub(super) fn copies(message: Message) -> Result<(Message, Vec<ShortBytes>), Exception> {
    let Some(headers) =
        PropertiesView::parse(message.properties()).ok().and_then(|view| view.headers())
    else {
        return Ok((message, Vec::new()));
    };
    let mut copies = keys("CC", Table::find(headers, "CC"))?;
    let blind = Table::find(headers, "BCC");
    if blind.is_none() {
        return Ok((message, copies));
    }
    copies.append(&mut keys("BCC", blind)?);
    Ok((without_blind_copies(&message), copies))
}

fn keys(name: &str, header: Option<Field>) -> Result<Vec<ShortBytes>, Exception> {
    match header {
        None => Ok(Vec::new()),
        Some(Field::Array(items)) => Ok(items
            .into_iter()
            .filter_map(|item| match item {
                Field::LongString(key) => ShortBytes::new(&key).ok(),
                _ => None,
            })
            .collect()),
        Some(other) => Err(precondition_failed(format!(
            "invalid message: {{unacceptable_type_in_header,\"{name}\",{}}}",
            super::arguments::value::type_name(&other)
        ))),
    }
}

fn without_blind_copies(message: &Message) -> Message {
    let Ok(mut properties) = Properties::decode(message.properties()) else {
        return message.clone();
    };
    if let Some(headers) = &mut properties.headers {
        headers.remove("BCC");
    }
    with_properties(message, &properties)
}

/// The same message with other properties.
pub(super) fn with_properties(message: &Message, properties: &Properties) -> Message {
    let mut bytes = Vec::new();
    properties.encode(&mut bytes);
    let (exchange, key) = (message.exchange(), message.routing_key());
    Message::from_parts(exchange, key, &bytes, message.body(), message.persistent())
}
