//! The lapin stories: small programs that show uses of AMQP 0-9-1 from Rust, and check that the
//! broker does what the reader expects.
//!
//! ```text
//! AMQP_URL=amqp://guest:guest@127.0.0.1:5672/%2f stories hello     runs one
//! stories list                                                     names them
//! ```

mod confirms;
mod exchanges;
mod hello;
mod properties;
mod support;
mod work_queue;

use support::Outcome;

#[tokio::main]
async fn main() -> Outcome {
    let story = std::env::args().nth(1).ok_or("usage: stories list | STORY")?;
    match story.as_str() {
        "list" => println!("hello work_queue confirms exchanges properties errors"),
        "hello" => hello::run().await?,
        "work_queue" => work_queue::run(std::env::args().nth(2)).await?,
        "confirms" => confirms::run().await?,
        "exchanges" => exchanges::run().await?,
        "properties" => properties::run().await?,
        "errors" => hello::errors().await?,
        _ => return Err(format!("no story {story:?}").into()),
    }
    Ok(())
}
