//! Routes by fanout, by topic, and from exchange to exchange.

use lapin::options::{
    ExchangeBindOptions, ExchangeDeclareOptions, ExchangeDeleteOptions, QueueBindOptions,
};
use lapin::types::FieldTable;
use lapin::{Channel, ExchangeKind};

use crate::support::{Outcome, connect, private_queue, send, take_all, unique};

pub async fn run() -> Outcome {
    let connection = connect().await?;
    let channel = connection.create_channel().await?;
    let (logs, alarms) = (unique("logs"), unique("alarms"));
    declare(&channel, &logs, ExchangeKind::Topic).await?;
    declare(&channel, &alarms, ExchangeKind::Fanout).await?;
    let (options, none) = (ExchangeBindOptions::default(), FieldTable::default());
    channel
        .exchange_bind(
            alarms.as_str().into(),
            logs.as_str().into(),
            "*.error".into(),
            options,
            none,
        )
        .await?;

    let everything = bound(&channel, &logs, "#").await?;
    let (one, other) = (bound(&channel, &alarms, "").await?, bound(&channel, &alarms, "").await?);
    for key in ["disk.info", "disk.error", "error", "net.error"] {
        send(&channel, &logs, key, key).await?;
    }
    assert_eq!(take_all(&channel, &everything).await?.len(), 4);
    assert_eq!(take_all(&channel, &one).await?, ["disk.error", "net.error"]);
    assert_eq!(take_all(&channel, &other).await?, ["disk.error", "net.error"]);
    for exchange in [logs, alarms] {
        let options = ExchangeDeleteOptions::default();
        channel.exchange_delete(exchange.as_str().into(), options).await?;
    }
    Ok(())
}

async fn declare(channel: &Channel, exchange: &str, kind: ExchangeKind) -> Outcome {
    let options = ExchangeDeclareOptions::default();
    channel.exchange_declare(exchange.into(), kind, options, FieldTable::default()).await?;
    Ok(())
}

async fn bound(channel: &Channel, exchange: &str, key: &str) -> Outcome<String> {
    let queue = private_queue(channel).await?;
    let (options, none) = (QueueBindOptions::default(), FieldTable::default());
    let (name, exchange) = (queue.as_str().into(), exchange.into());
    channel.queue_bind(name, exchange, key.into(), options, none).await?;
    Ok(queue)
}
