//! What the stories share: a connection, queues, and a wait that ends.

use std::time::Duration;

use futures_lite::StreamExt;
use lapin::message::Delivery;
use lapin::options::{BasicGetOptions, BasicPublishOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, Consumer};

/// A story's end: nothing, or whatever went wrong.
pub type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Connects to the broker that `AMQP_URL` names.
pub async fn connect() -> Outcome<Connection> {
    let url = std::env::var("AMQP_URL")?;
    Ok(Connection::connect(&url, ConnectionProperties::default()).await?)
}

/// Declares an exclusive queue that the server names.
pub async fn private_queue(channel: &Channel) -> Outcome<String> {
    let options = QueueDeclareOptions { exclusive: true, ..Default::default() };
    let queue = channel.queue_declare("".into(), options, FieldTable::default()).await?;
    Ok(queue.name().to_string())
}

/// Publishes a text.
pub async fn send(channel: &Channel, exchange: &str, key: &str, text: &str) -> Outcome {
    let properties = BasicProperties::default();
    let options = BasicPublishOptions::default();
    channel
        .basic_publish(exchange.into(), key.into(), options, text.as_bytes(), properties)
        .await?;
    Ok(())
}

/// Drains a queue and gives the bodies in their order.
pub async fn take_all(channel: &Channel, queue: &str) -> Outcome<Vec<String>> {
    let mut bodies = Vec::new();
    let options = BasicGetOptions { no_ack: true };
    while let Some(message) = channel.basic_get(queue.into(), options.clone()).await? {
        bodies.push(String::from_utf8(message.delivery.data)?);
    }
    Ok(bodies)
}

/// The next delivery; a broker that stays silent for 10 s fails the story.
pub async fn receive(consumer: &mut Consumer) -> Outcome<Delivery> {
    let next = tokio::time::timeout(Duration::from_secs(10), consumer.next()).await?;
    Ok(next.ok_or("the consumer was cancelled")??)
}

/// Makes a name that no other run uses.
pub fn unique(name: &str) -> String {
    format!("rs.{name}.{}", std::process::id())
}
