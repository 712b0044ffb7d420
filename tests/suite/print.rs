//! The outputs of the broker as the lines of a golden script.

use std::fmt::Write as _;

use leveret::broker::{Deliveries, Delivery, Output};
use leveret::ids::ConnectionId;
use leveret::message::Message;
use leveret::wire::Properties;

/// Adds the lines of one output.
pub(crate) fn print_output(out: &mut String, id: ConnectionId, output: &Output) {
    match output {
        Output::Pause => writeln!(out, "{id} paused"),
        Output::Resume => writeln!(out, "{id} resumed"),
        Output::Method(channel, method) => writeln!(out, "{id}.{channel} < {method}"),
        Output::Return { channel, message } => {
            writeln!(out, "{id}.{channel} < basic.return 312{}", content(message))
        }
        Output::GetOk { channel, delivery_tag, message_count, delivery } => writeln!(
            out,
            "{id}.{channel} < basic.get-ok delivery_tag={delivery_tag}{} \
             message_count={message_count}{}",
            redelivered(delivery),
            content(&delivery.message)
        ),
        Output::Deliver(Deliveries { channel, consumer_tag, first_tag, messages }) => {
            for (tag, delivery) in (first_tag.0..).zip(messages) {
                writeln!(
                    out,
                    "{id}.{channel} < basic.deliver consumer_tag=\"{consumer_tag}\" \
                     delivery_tag={tag}{}{}",
                    redelivered(delivery),
                    content(&delivery.message)
                )
                .unwrap();
            }
            Ok(())
        }
    }
    .unwrap();
}

fn redelivered(delivery: &Delivery) -> &'static str {
    if delivery.redelivered { " redelivered=true" } else { "" }
}

fn content(message: &Message) -> String {
    let mut text = format!(
        " exchange=\"{}\" routing_key=\"{}\"",
        message.exchange(),
        String::from_utf8_lossy(message.routing_key())
    );
    let properties = Properties::decode(message.properties()).expect("properties");
    let properties = properties.to_string();
    if !properties.is_empty() {
        write!(text, " properties={{{properties}}}").unwrap();
    }
    let body = message.body();
    if body.len() > 40 {
        write!(text, " body=*{}", body.len()).unwrap();
    } else {
        write!(text, " body=\"{}\"", String::from_utf8_lossy(body)).unwrap();
    }
    text
}
