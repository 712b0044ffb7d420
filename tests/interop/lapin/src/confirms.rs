//! Waits for the broker's word: message by message, for a batch, and for what comes back.

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation, PublisherConfirm};

use crate::support::{Outcome, connect, private_queue};

pub async fn run() -> Outcome {
    let connection = connect().await?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let queue = private_queue(&channel).await?;

    for _ in 0..10 {
        assert_eq!(publish(&channel, &queue).await?.await?, Confirmation::Ack(None));
    }
    let mut batch = Vec::new();
    for _ in 0..500 {
        batch.push(publish(&channel, &queue).await?);
    }
    for confirm in batch {
        assert_eq!(confirm.await?, Confirmation::Ack(None));
    }

    // What goes nowhere comes back, and is confirmed all the same.
    let Confirmation::Ack(Some(returned)) = publish(&channel, "nowhere").await?.await? else {
        return Err("not returned".into());
    };
    assert_eq!((returned.reply_code, returned.reply_text.as_str()), (312, "NO_ROUTE"));
    refused(&channel).await
}

/// A full queue may refuse: such a message gets a nack.
async fn refused(channel: &Channel) -> Outcome {
    let mut limits = FieldTable::default();
    limits.insert("x-max-length".into(), AMQPValue::LongInt(1));
    limits.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
    let options = QueueDeclareOptions { exclusive: true, ..Default::default() };
    let full = channel.queue_declare("".into(), options, limits).await?;
    let full = full.name().as_str();
    assert_eq!(publish(channel, full).await?.await?, Confirmation::Ack(None));
    assert_eq!(publish(channel, full).await?.await?, Confirmation::Nack(None));
    Ok(())
}

async fn publish(channel: &Channel, queue: &str) -> Outcome<PublisherConfirm> {
    let options = BasicPublishOptions { mandatory: true, ..Default::default() };
    let persistent = BasicProperties::default().with_delivery_mode(2);
    Ok(channel.basic_publish("".into(), queue.into(), options, b"kept", persistent).await?)
}
