//! THE table: every method of AMQP 0-9-1 with RabbitMQ's extensions, to be read next to the
//! specification. The number, the name, the struct, and its fields in their order; fields in
//! square brackets are reserved and skipped.

use std::fmt;
use std::str::FromStr;

use super::codec::{Argument, ArgumentReader, ArgumentWriter, Reader, WireError};
use super::define::methods;
use super::field::Table;
use super::reply_code::ReplyCode;
use super::short::{ShortBytes, ShortString};
use super::text::{self, Scanner, Text, TextError};
use super::{MethodId, MethodInfo};

methods! {
    /// Work with connections (section 1.4).
    10 Connection connection {
        /// The server begins: its version, what it is, how one can log in.
        10 "connection.start" Start [] { version_major: u8, version_minor: u8, server_properties: Table, mechanisms: Vec<u8>, locales: Vec<u8> } []
        /// The client says what it is and logs in.
        11 "connection.start-ok" StartOk [] { client_properties: Table, mechanism: ShortString, response: Vec<u8>, locale: ShortString } []
        /// The server's question in a login of several steps.
        20 "connection.secure" Secure [] { challenge: Vec<u8> } []
        /// The client's answer to it.
        21 "connection.secure-ok" SecureOk [] { response: Vec<u8> } []
        /// The limits that the server offers.
        30 "connection.tune" Tune [] { channel_max: u16, frame_max: u32, heartbeat: u16 } []
        /// The limits that the client takes.
        31 "connection.tune-ok" TuneOk [] { channel_max: u16, frame_max: u32, heartbeat: u16 } []
        /// The client asks for a vhost.
        40 "connection.open" Open [] { virtual_host: ShortString } [ShortString, bool]
        /// The connection is ready.
        41 "connection.open-ok" OpenOk [] {} [ShortString]
        /// The connection ends, and why.
        50 "connection.close" Close [] { reply_code: u16, reply_text: ShortString, class_id: u16, method_id: u16 } []
        /// It has ended.
        51 "connection.close-ok" CloseOk [] {} []
        /// Publishers are held back (RabbitMQ).
        60 "connection.blocked" Blocked [] { reason: ShortString } []
        /// They are not any more (RabbitMQ).
        61 "connection.unblocked" Unblocked [] {} []
        /// A new secret for a login that expires (RabbitMQ).
        70 "connection.update-secret" UpdateSecret [] { new_secret: Vec<u8>, reason: ShortString } []
        /// It is taken (RabbitMQ).
        71 "connection.update-secret-ok" UpdateSecretOk [] {} []
    }

    /// Work with channels (section 1.5).
    20 Channel channel {
        /// Opens a channel.
        10 "channel.open" Open [] {} [ShortString]
        /// It is open.
        11 "channel.open-ok" OpenOk [] {} [Vec<u8>]
        /// Deliveries pause or go on.
        20 "channel.flow" Flow [] { active: bool } []
        /// They do.
        21 "channel.flow-ok" FlowOk [] { active: bool } []
        /// The channel ends, and why.
        40 "channel.close" Close [] { reply_code: u16, reply_text: ShortString, class_id: u16, method_id: u16 } []
        /// It has ended.
        41 "channel.close-ok" CloseOk [] {} []
    }

    /// Access tickets, which nobody uses any more (AMQP 0-8).
    30 Access access {
        /// Asks for a ticket.
        10 "access.request" Request [] { realm: ShortString, exclusive: bool, passive: bool, active: bool, write: bool, read: bool } []
        /// Gives one.
        11 "access.request-ok" RequestOk [] { ticket: u16 } []
    }

    /// Work with exchanges (section 1.6).
    40 Exchange exchange {
        /// Creates an exchange, or checks that it exists.
        10 "exchange.declare" Declare [u16] { exchange: ShortString, kind: ShortString, passive: bool, durable: bool, auto_delete: bool, internal: bool, no_wait: bool, arguments: Table } []
        /// It exists.
        11 "exchange.declare-ok" DeclareOk [] {} []
        /// Deletes an exchange.
        20 "exchange.delete" Delete [u16] { exchange: ShortString, if_unused: bool, no_wait: bool } []
        /// It is gone.
        21 "exchange.delete-ok" DeleteOk [] {} []
        /// Binds an exchange to another one (RabbitMQ).
        30 "exchange.bind" Bind [u16] { destination: ShortString, source: ShortString, routing_key: ShortString, no_wait: bool, arguments: Table } []
        /// It is bound (RabbitMQ).
        31 "exchange.bind-ok" BindOk [] {} []
        /// Undoes that (RabbitMQ).
        40 "exchange.unbind" Unbind [u16] { destination: ShortString, source: ShortString, routing_key: ShortString, no_wait: bool, arguments: Table } []
        /// It is undone; the number is indeed 51 (RabbitMQ).
        51 "exchange.unbind-ok" UnbindOk [] {} []
    }

    /// Work with queues (section 1.7).
    50 Queue queue {
        /// Creates a queue, or checks that it exists.
        10 "queue.declare" Declare [u16] { queue: ShortString, passive: bool, durable: bool, exclusive: bool, auto_delete: bool, no_wait: bool, arguments: Table } []
        /// It exists; how much is in it.
        11 "queue.declare-ok" DeclareOk [] { queue: ShortString, message_count: u32, consumer_count: u32 } []
        /// Binds a queue to an exchange.
        20 "queue.bind" Bind [u16] { queue: ShortString, exchange: ShortString, routing_key: ShortString, no_wait: bool, arguments: Table } []
        /// It is bound.
        21 "queue.bind-ok" BindOk [] {} []
        /// Throws its ready messages away.
        30 "queue.purge" Purge [u16] { queue: ShortString, no_wait: bool } []
        /// So many.
        31 "queue.purge-ok" PurgeOk [] { message_count: u32 } []
        /// Deletes a queue.
        40 "queue.delete" Delete [u16] { queue: ShortString, if_unused: bool, if_empty: bool, no_wait: bool } []
        /// It is gone, with so many messages.
        41 "queue.delete-ok" DeleteOk [] { message_count: u32 } []
        /// Undoes a bind.
        50 "queue.unbind" Unbind [u16] { queue: ShortString, exchange: ShortString, routing_key: ShortString, arguments: Table } []
        /// It is undone.
        51 "queue.unbind-ok" UnbindOk [] {} []
    }

    /// Work with messages (section 1.8).
    60 Basic basic {
        /// How many deliveries may wait for an acknowledgement.
        10 "basic.qos" Qos [] { prefetch_size: u32, prefetch_count: u16, global: bool } []
        /// It is so.
        11 "basic.qos-ok" QosOk [] {} []
        /// Begins to consume from a queue.
        20 "basic.consume" Consume [u16] { queue: ShortString, consumer_tag: ShortString, no_local: bool, no_ack: bool, exclusive: bool, no_wait: bool, arguments: Table } []
        /// Under this tag.
        21 "basic.consume-ok" ConsumeOk [] { consumer_tag: ShortString } []
        /// Ends that; from the broker too, when the queue goes (RabbitMQ).
        30 "basic.cancel" Cancel [] { consumer_tag: ShortString, no_wait: bool } []
        /// It has ended.
        31 "basic.cancel-ok" CancelOk [] { consumer_tag: ShortString } []
        /// Publishes a message; its content follows.
        40 "basic.publish" Publish [u16] { exchange: ShortString, routing_key: ShortBytes, mandatory: bool, immediate: bool } []
        /// Gives a message back that reached nobody; its content follows.
        50 "basic.return" Return [] { reply_code: u16, reply_text: ShortString, exchange: ShortString, routing_key: ShortBytes } []
        /// A message for a consumer; its content follows.
        60 "basic.deliver" Deliver [] { consumer_tag: ShortString, delivery_tag: u64, redelivered: bool, exchange: ShortString, routing_key: ShortBytes } []
        /// Asks for one message.
        70 "basic.get" Get [u16] { queue: ShortString, no_ack: bool } []
        /// Here it is; its content follows.
        71 "basic.get-ok" GetOk [] { delivery_tag: u64, redelivered: bool, exchange: ShortString, routing_key: ShortBytes, message_count: u32 } []
        /// There is none.
        72 "basic.get-empty" GetEmpty [] {} [ShortString]
        /// A delivery is done with; from the broker, a publish is confirmed (RabbitMQ).
        80 "basic.ack" Ack [] { delivery_tag: u64, multiple: bool } []
        /// A delivery is refused.
        90 "basic.reject" Reject [] { delivery_tag: u64, requeue: bool } []
        /// All unacknowledged deliveries come again, without an answer.
        100 "basic.recover-async" RecoverAsync [] { requeue: bool } []
        /// All unacknowledged deliveries come again.
        110 "basic.recover" Recover [] { requeue: bool } []
        /// They do.
        111 "basic.recover-ok" RecoverOk [] {} []
        /// Deliveries are refused; from the broker, a publish is (RabbitMQ).
        120 "basic.nack" Nack [] { delivery_tag: u64, multiple: bool, requeue: bool } []
    }

    /// Publisher confirms (RabbitMQ).
    85 Confirm confirm {
        /// Publishes are confirmed from now on.
        10 "confirm.select" Select [] { no_wait: bool } []
        /// They are.
        11 "confirm.select-ok" SelectOk [] {} []
    }

    /// Work with transactions (section 1.9).
    90 Tx tx {
        /// Publishes and acknowledgements wait for a commit from now on.
        10 "tx.select" Select [] {} []
        /// They do.
        11 "tx.select-ok" SelectOk [] {} []
        /// They take effect.
        20 "tx.commit" Commit [] {} []
        /// They have.
        21 "tx.commit-ok" CommitOk [] {} []
        /// They never were.
        30 "tx.rollback" Rollback [] {} []
        /// So be it.
        31 "tx.rollback-ok" RollbackOk [] {} []
    }
}

/// 503 for numbers that are no method's.
fn unknown_method(id: MethodId) -> WireError {
    let text = format!("unknown method {} of class {}", id.method, id.class);
    WireError::new(ReplyCode::CommandInvalid, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One line for every method that has arguments, with each of them set.
    const LINES: &[&str] = &[
        "connection.start-ok client_properties={a: {b: true}} mechanism=\"PLAIN\" response=\"\\x00g\\x00g\" locale=\"en_US\"",
        "connection.tune channel_max=2047 frame_max=131072 heartbeat=60",
        "connection.close reply_code=320 reply_text=\"bye\" class_id=10 method_id=40",
        "channel.flow active=true",
        "exchange.declare exchange=\"x\" kind=\"topic\" passive=true durable=true auto_delete=true internal=true no_wait=true arguments={alternate-exchange: \"ae\"}",
        "queue.declare queue=\"q\" durable=true auto_delete=true arguments={x: l(5), y: [1, \"two\", void], z: d(1.5)}",
        "basic.consume queue=\"q\" consumer_tag=\"t\" no_local=true exclusive=true arguments={x-priority: 10}",
        "basic.deliver consumer_tag=\"t\" delivery_tag=18446744073709551615 redelivered=true exchange=\"e\" routing_key=\"a.b\"",
        "basic.nack delivery_tag=3 multiple=true requeue=true",
        "tx.commit",
    ];

    #[test]
    fn a_method_reads_as_it_prints_and_decodes_as_it_encodes() {
        for line in LINES {
            let method: Method = line.parse().unwrap();
            assert_eq!(method.to_string(), *line);
            let mut bytes = Vec::new();
            method.encode(&mut bytes);
            assert_eq!(Method::decode(&bytes).unwrap(), method);
            for end in 0..bytes.len() {
                assert!(Method::decode(&bytes[..end]).is_err(), "{line} cut at {end}");
            }
            bytes.push(0);
            assert_eq!(Method::decode(&bytes).unwrap_err().code, ReplyCode::FrameError);
        }
    }

    #[test]
    fn bits_share_an_octet_in_the_order_of_the_specification() {
        let method: Method = "queue.declare queue=\"q\" durable=true no_wait=true".parse().unwrap();
        let mut bytes = Vec::new();
        method.encode(&mut bytes);
        assert_eq!(bytes, [0, 50, 0, 10, 0, 0, 1, b'q', 0b1_0010, 0, 0, 0, 0]);
    }

    #[test]
    fn an_unknown_method_is_refused_with_503() {
        let error = Method::decode(&[0, 50, 0, 99]).unwrap_err();
        assert_eq!(error.code, ReplyCode::CommandInvalid);
    }

    #[test]
    fn a_name_that_is_not_text_is_refused_with_501() {
        let error = Method::decode(&[0, 50, 0, 30, 0, 0, 1, 0xff, 0]).unwrap_err();
        assert_eq!(error.code, ReplyCode::FrameError);
    }
}
