//! Sends a message to a queue by the default exchange and receives it.

use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicGetOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, ErrorKind};

use crate::support::{Outcome, connect, receive, unique};

pub async fn run() -> Outcome {
    let connection = connect().await?;
    let channel = connection.create_channel().await?;
    let name = unique("hello");
    let options = QueueDeclareOptions { auto_delete: true, ..Default::default() };
    channel.queue_declare(name.as_str().into(), options, FieldTable::default()).await?;

    let properties = BasicProperties::default().with_content_type("text/plain".into());
    channel
        .basic_publish("".into(), name.as_str().into(), Default::default(), b"Hello!", properties)
        .await?;

    let options = BasicConsumeOptions::default();
    let mut messages = channel
        .basic_consume(name.as_str().into(), "me".into(), options, FieldTable::default())
        .await?;
    let message = receive(&mut messages).await?;
    assert_eq!(message.data, b"Hello!");
    assert_eq!(message.properties.content_type().as_ref().unwrap().as_str(), "text/plain");
    assert!(!message.redelivered);
    message.ack(BasicAckOptions::default()).await?;
    connection.close(200, "goodbye".into()).await?;
    Ok(())
}

/// A soft error ends its channel; the connection and its other channels live on.
pub async fn errors() -> Outcome {
    let connection = connect().await?;
    let refused = connection.create_channel().await?;
    let get = BasicGetOptions::default();
    let error = refused.basic_get("nothing".into(), get).await.err().ok_or("not refused")?;
    let ErrorKind::ProtocolError(error) = error.kind() else { return Err(error.into()) };
    assert_eq!(error.get_id(), 404);
    assert_eq!(error.get_message().as_str(), "NOT_FOUND - no queue 'nothing' in vhost '/'");
    connection.create_channel().await?;
    Ok(())
}
