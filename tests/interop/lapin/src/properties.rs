//! Sends all 14 properties with a header of every type that lapin writes, and receives the same.

use lapin::BasicProperties;
use lapin::options::{BasicGetOptions, BasicPublishOptions};
use lapin::types::{AMQPValue, ByteArray, DecimalValue, FieldArray, FieldTable};

use crate::support::{Outcome, connect, private_queue};

pub async fn run() -> Outcome {
    let connection = connect().await?;
    let channel = connection.create_channel().await?;
    let queue = private_queue(&channel).await?;
    let sent = properties();
    let options = BasicPublishOptions::default();
    channel.basic_publish("".into(), queue.as_str().into(), options, b"", sent.clone()).await?;
    let get = BasicGetOptions { no_ack: true };
    let message = channel.basic_get(queue.as_str().into(), get).await?.ok_or("nothing there")?;
    assert_eq!(message.delivery.properties, sent);
    assert_eq!(message.delivery.data, b"");
    Ok(())
}

fn properties() -> BasicProperties {
    BasicProperties::default()
        .with_content_type("application/json".into())
        .with_content_encoding("gzip".into())
        .with_headers(headers())
        .with_delivery_mode(2)
        .with_priority(9)
        .with_correlation_id("correlation".into())
        .with_reply_to("reply to".into())
        .with_expiration("3600000".into())
        .with_message_id("message id".into())
        .with_timestamp(1_700_000_000)
        .with_type("type".into())
        .with_user_id("guest".into())
        .with_app_id("app id".into())
        .with_cluster_id("cluster id".into())
}

fn headers() -> FieldTable {
    let mut deep = FieldTable::default();
    deep.insert("deep".into(), AMQPValue::Boolean(false));
    let array = vec![AMQPValue::Void, AMQPValue::FieldTable(deep.clone())];
    let mut headers = FieldTable::default();
    for (name, value) in [
        ("boolean", AMQPValue::Boolean(true)),
        ("int8", AMQPValue::ShortShortInt(i8::MIN)),
        ("uint8", AMQPValue::ShortShortUInt(u8::MAX)),
        ("int16", AMQPValue::ShortInt(i16::MIN)),
        ("uint16", AMQPValue::ShortUInt(u16::MAX)),
        ("int32", AMQPValue::LongInt(i32::MIN)),
        ("uint32", AMQPValue::LongUInt(u32::MAX)),
        ("int64", AMQPValue::LongLongInt(i64::MIN)),
        ("float", AMQPValue::Float(1.5)),
        ("double", AMQPValue::Double(1e300)),
        ("decimal", AMQPValue::DecimalValue(DecimalValue { scale: 2, value: 12_345 })),
        ("text", AMQPValue::LongString("grüße".into())),
        ("bytes", AMQPValue::ByteArray(ByteArray::from(vec![0, 255, 206]))),
        ("timestamp", AMQPValue::Timestamp(1_600_000_000)),
        ("void", AMQPValue::Void),
        ("array", AMQPValue::FieldArray(FieldArray::from(array))),
        ("table", AMQPValue::FieldTable(deep)),
    ] {
        headers.insert(name.into(), value);
    }
    headers
}
