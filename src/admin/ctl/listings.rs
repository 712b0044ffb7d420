//! The one table of listings: where their rows come from, and which columns they can have.

use serde_json::{Value, json};

/// A listing.
pub(super) struct Listing {
    /// The command.
    pub(super) name: &'static str,
    /// What people are told.
    pub(super) banner: &'static str,
    /// Where the rows are: the segments behind /api.
    pub(super) path: &'static [&'static str],
    /// Whether the vhost is the last segment.
    pub(super) of_vhost: bool,
    /// The columns if nobody asks for others.
    pub(super) default: &'static [&'static str],
    /// All columns.
    pub(super) columns: &'static [Column],
}

/// A column: its name, and what it is of a row.
pub(super) type Column = (&'static str, Source);

/// What a column is made of.
#[derive(Clone, Copy)]
pub(super) enum Source {
    /// The field of the same name.
    Same,
    /// A field of a field, with points between.
    At(&'static str),
    /// Always this.
    Word(&'static str),
    /// A field as JSON in a text.
    Json(&'static str),
    /// Words in brackets.
    Words(&'static str),
}

use Source::{At, Same, Word};

/// See the module.
#[rustfmt::skip]
pub(super) const LISTINGS: &[Listing] = &[
    Listing {
        name: "list_queues", banner: "Listing queues for vhost", path: &["queues"], of_vhost: true,
        default: &["name", "messages"],
        columns: &[
            ("name", Same), ("durable", Same), ("auto_delete", Same), ("arguments", Same),
            ("policy", Same), ("operator_policy", Same),
            ("effective_policy_definition", Same), ("pid", At("name")),
            ("owner_pid", At("owner_pid_details.name")), ("exclusive", Same),
            ("exclusive_consumer_pid", Same), ("exclusive_consumer_tag", Same),
            ("single_active_consumer_pid", Same), ("single_active_consumer_tag", Same),
            ("messages_ready", Same), ("messages_unacknowledged", Same), ("messages", Same), ("messages_ram", Same),
            ("messages_persistent", Same), ("message_bytes", Same),
            ("message_bytes_ready", Same), ("message_bytes_unacknowledged", Same),
            ("message_bytes_ram", Same), ("head_message_timestamp", Same),
            ("consumers", Same), ("consumer_utilisation", Same), ("consumer_capacity", Same),
            ("memory", Same), ("state", Same), ("type", Same), ("leader", At("node")),
            ("vhost", Same),
        ],
    },
    Listing {
        name: "list_exchanges", banner: "Listing exchanges for vhost", path: &["exchanges"], of_vhost: true,
        default: &["name", "type"],
        columns: &[
            ("name", Same), ("type", Same), ("durable", Same), ("auto_delete", Same),
            ("internal", Same), ("arguments", Same), ("policy", Same), ("vhost", Same),
        ],
    },
    Listing {
        name: "list_bindings", banner: "Listing bindings for vhost", path: &["bindings"], of_vhost: true,
        default: &["source_name", "source_kind", "destination_name", "destination_kind", "routing_key", "arguments"],
        columns: &[
            ("source_name", At("source")), ("source_kind", Word("exchange")),
            ("destination_name", At("destination")), ("destination_kind", At("destination_type")),
            ("routing_key", Same), ("arguments", Same), ("vhost", Same),
        ],
    },
    Listing {
        name: "list_connections", banner: "Listing connections", path: &["connections"], of_vhost: false,
        default: &["user", "peer_host", "peer_port", "state"],
        columns: &[
            ("pid", At("name")), ("name", Same), ("port", Same), ("host", Same),
            ("peer_port", Same), ("peer_host", Same), ("ssl", Same), ("ssl_protocol", Same),
            ("state", Same), ("channels", Same), ("protocol", Same), ("auth_mechanism", Same),
            ("user", Same), ("vhost", Same), ("timeout", Same), ("frame_max", Same),
            ("channel_max", Same), ("client_properties", Same), ("connected_at", Same),
            ("recv_oct", Same), ("recv_cnt", Same), ("send_oct", Same), ("send_cnt", Same),
            ("send_pend", Same), ("user_provided_name", Same),
        ],
    },
    Listing {
        name: "list_channels", banner: "Listing channels", path: &["channels"], of_vhost: false,
        default: &["pid", "user", "consumer_count", "messages_unacknowledged"],
        columns: &[
            ("pid", At("name")), ("name", Same), ("connection", At("connection_details.name")),
            ("number", Same), ("user", Same), ("vhost", Same), ("transactional", Same),
            ("confirm", Same), ("consumer_count", Same), ("messages_unacknowledged", Same),
            ("messages_uncommitted", Same), ("acks_uncommitted", Same),
            ("messages_unconfirmed", Same), ("prefetch_count", Same),
            ("global_prefetch_count", Same), ("state", Same),
        ],
    },
    Listing {
        name: "list_consumers", banner: "Listing consumers in vhost", path: &["consumers"], of_vhost: true,
        default: &["queue_name", "channel_pid", "consumer_tag", "ack_required", "prefetch_count", "active", "arguments"],
        columns: &[
            ("queue_name", At("queue.name")), ("channel_pid", At("channel_details.name")),
            ("consumer_tag", Same), ("ack_required", Same), ("exclusive", Same),
            ("prefetch_count", Same), ("active", Same), ("activity_status", Same),
            ("arguments", Same),
        ],
    },
    Listing {
        name: "list_vhosts", banner: "Listing vhosts", path: &["vhosts"], of_vhost: false,
        default: &["name"],
        columns: &[
            ("name", Same), ("description", Same), ("tags", Same), ("tracing", Same),
            ("cluster_state", Same), ("default_queue_type", Same), ("metadata", Same),
        ],
    },
];

/// The value of a column in a row, for people or for machines; nothing if the row has none.
pub(super) fn value(row: &Value, (name, source): &Column, machines: bool) -> Value {
    let path = match source {
        Word(word) => return json!(word),
        Same => name,
        At(path) | Source::Json(path) | Source::Words(path) => path,
    };
    let found = path.split('.').try_fold(row, |value, name| value.get(name));
    match (source, found) {
        (Source::Json(_), Some(found)) => json!(found.to_string()),
        (Source::Words(_), Some(Value::Array(words))) if !machines => {
            let words: Vec<_> = words.iter().filter_map(Value::as_str).collect();
            json!(format!("[{}]", words.join(", ")))
        }
        (_, found) => found.cloned().unwrap_or(Value::Null),
    }
}
