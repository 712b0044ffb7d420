//! Shares tasks between workers; one is killed in the middle of its task, the other gets it again.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions,
    QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Consumer};

use crate::support::{Outcome, connect, receive, unique};

pub async fn run(queue: Option<String>) -> Outcome {
    let connection = connect().await?;
    let channel = connection.create_channel().await?;
    match queue {
        None => main(&channel).await,
        Some(queue) => worker(&channel, &queue).await,
    }
}

async fn main(channel: &Channel) -> Outcome {
    let queue = unique("tasks");
    let durable = QueueDeclareOptions { durable: true, ..Default::default() };
    channel.queue_declare(queue.as_str().into(), durable, FieldTable::default()).await?;
    for task in ["slow", "quick"] {
        let persistent = BasicProperties::default().with_delivery_mode(2);
        let (key, options) = (queue.as_str().into(), BasicPublishOptions::default());
        channel.basic_publish("".into(), key, options, task.as_bytes(), persistent).await?;
    }
    let program = std::env::current_exe()?;
    let mut victim =
        Command::new(program).args(["work_queue", &queue]).stdout(Stdio::piped()).spawn()?;
    let mut words = String::new();
    BufReader::new(victim.stdout.take().unwrap()).read_line(&mut words)?;
    assert_eq!(words, "began slow, redelivered=false\n");

    let mut tasks = one_at_a_time(channel, &queue).await?;
    let quick = receive(&mut tasks).await?;
    assert_eq!((quick.data.as_slice(), quick.redelivered), (&b"quick"[..], false));
    victim.kill()?; // SIGKILL: no goodbye from this client
    victim.wait()?;
    quick.ack(BasicAckOptions::default()).await?;
    let slow = receive(&mut tasks).await?;
    assert_eq!((slow.data.as_slice(), slow.redelivered), (&b"slow"[..], true));
    slow.ack(BasicAckOptions::default()).await?;
    channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default()).await?;
    Ok(())
}

/// Takes one task at a time and never finishes the first.
async fn worker(channel: &Channel, queue: &str) -> Outcome {
    let mut tasks = one_at_a_time(channel, queue).await?;
    let task = receive(&mut tasks).await?;
    println!("began {}, redelivered={}", String::from_utf8_lossy(&task.data), task.redelivered);
    std::future::pending().await
}

async fn one_at_a_time(channel: &Channel, queue: &str) -> Outcome<Consumer> {
    channel.basic_qos(1, BasicQosOptions::default()).await?;
    let options = BasicConsumeOptions::default();
    let arguments = FieldTable::default();
    Ok(channel.basic_consume(queue.into(), "worker".into(), options, arguments).await?)
}
