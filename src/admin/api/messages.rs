//! Messages: publish, get, peek, and where one would go.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::bindings;
use super::exchanges::existing;
use crate::admin::answer::{Answer, Refusal, ok};
use crate::admin::fields::Fields;
use crate::admin::routes::Ask;
use crate::admin::session::Session;
use crate::admin::site::Site;
use crate::admin::table;
use crate::broker::report::{Explanation, PEEK_MAX};
use crate::message::Message;
use crate::wire::{Properties, ShortBytes, basic};

/// The most messages of one get.
const GET_MAX: u64 = 1000;
/// Octets of payloads after which a get takes no further message.
const GET_OCTETS_MAX: usize = 32 * 1024 * 1024;

/// POST /api/exchanges/:vhost/:exchange/publish
pub(in super::super) fn publish(site: &Site, ask: &Ask) -> Answer {
    let (vhost, exchange) = (existing(site, ask)?, ask.name("exchange")?);
    let fields = ask.fields()?;
    let key = ShortBytes::new(fields.needed("routing_key")?.as_bytes());
    let key = key.map_err(|_| Refusal::bad_request("routing_key has more than 255 octets"))?;
    let encoding = fields.text("payload_encoding")?.unwrap_or("string");
    let payload = decode(fields.needed("payload")?, encoding)?;
    let properties = fields.any("properties").unwrap_or(&Value::Null);
    let properties = table::properties_from_json(properties)?;
    let mut octets = Vec::new();
    properties.encode(&mut octets);
    let persistent = properties.delivery_mode == Some(2);
    let message = Message::from_parts(&exchange, &key, &octets, &payload, persistent);
    let routed = Session::open(&site.door, &ask.caller, &vhost)?.publish(message)?;
    ok(&json!({ "routed": routed }))
}

fn decode(payload: &str, encoding: &str) -> Result<Vec<u8>, Refusal> {
    match encoding {
        "string" => Ok(payload.as_bytes().to_vec()),
        "base64" => {
            let decoded = BASE64_STANDARD.decode(payload);
            decoded.map_err(|_| Refusal::bad_request("payload is no base64"))
        }
        other => Err(Refusal::bad_request(format!("unknown payload_encoding: {other}"))),
    }
}

/// POST /api/queues/:vhost/:queue/get: messages are fetched, and by `ackmode` gone or back.
pub(in super::super) fn get(site: &Site, ask: &Ask) -> Answer {
    let (vhost, queue) = (ask.name("vhost")?, ask.name("queue")?);
    site.questions.queue(&vhost, &queue)?.ok_or_else(Refusal::not_found)?;
    let fields = ask.fields()?;
    let count = fields.natural("count")?.unwrap_or(1).min(GET_MAX);
    let shown = Shown::asked(&fields)?;
    let old = fields.flag("requeue", true)?;
    let mode = fields.text("ackmode")?;
    let settled: Settled = match mode {
        Some("ack_requeue_true" | "reject_requeue_true") => back,
        None if old => back,
        Some("ack_requeue_false") | None => gone,
        Some("reject_requeue_false") => rejected,
        Some(_) => return Err(Refusal::bad_request("unknown ackmode")),
    };
    let mut session = Session::open(&site.door, &ask.caller, &vhost)?;
    let (mut values, mut octets, mut last) = (Vec::new(), 0, 0);
    while (values.len() as u64) < count && octets < GET_OCTETS_MAX {
        let Some(fetched) = session.get(&queue, false)? else { break };
        octets += fetched.delivery.message.body().len();
        last = fetched.tag.0;
        let mut value = shown.message(&fetched.delivery.message, fetched.delivery.redelivered);
        value["message_count"] = json!(fetched.message_count);
        values.push(value);
    }
    if last > 0 {
        settled(&mut session, last)?;
    }
    ok(&Value::Array(values))
}

type Settled = fn(&mut Session, u64) -> Result<(), Refusal>;

fn back(session: &mut Session, delivery_tag: u64) -> Result<(), Refusal> {
    session.settle(basic::Nack { delivery_tag, multiple: true, requeue: true })
}

fn rejected(session: &mut Session, delivery_tag: u64) -> Result<(), Refusal> {
    session.settle(basic::Nack { delivery_tag, multiple: true, requeue: false })
}

fn gone(session: &mut Session, delivery_tag: u64) -> Result<(), Refusal> {
    session.settle(basic::Ack { delivery_tag, multiple: true })
}

/// GET /api/queues/:vhost/:queue/peek?count=: a look that changes nothing, not even `redelivered`.
pub(in super::super) fn peek(site: &Site, ask: &Ask) -> Answer {
    let count = usize::try_from(ask.number("count", 1)?).unwrap_or(usize::MAX);
    let option = |name: &str| Some((name.to_owned(), json!(ask.query(name)?)));
    let options = ["encoding", "truncate"].into_iter().filter_map(option);
    let shown = Shown::asked(&Fields::new(options.collect()))?;
    let (vhost, queue) = (ask.name("vhost")?, ask.name("queue")?);
    site.questions.queue(&vhost, &queue)?.ok_or_else(Refusal::not_found)?;
    // A look needs the right to fetch.
    let user = &ask.caller.user;
    if !ask.caller.is_owner() && !site.questions.may_read(user, &vhost, &queue)? {
        return Err(Refusal::not_authorised(format!(
            "ACCESS_REFUSED - read access to queue '{queue}' in vhost '{vhost}' refused for user \
             '{user}'"
        )));
    }
    let found = site.questions.peek(vhost, queue, count.min(PEEK_MAX))?;
    let found = found.ok_or_else(Refusal::not_found)?;
    let values = found.iter().map(|peeked| {
        let mut value = shown.message(&peeked.message, peeked.redelivered);
        value["published_at"] = json!(peeked.published);
        value
    });
    ok(&values.collect())
}

/// How payloads are shown.
struct Shown {
    base64: bool,
    truncate: usize,
}

impl Shown {
    fn asked(fields: &Fields) -> Result<Self, Refusal> {
        let base64 = match fields.text("encoding")? {
            None | Some("auto") => false,
            Some("base64") => true,
            Some(other) => {
                return Err(Refusal::bad_request(format!("unsupported encoding: {other}")));
            }
        };
        let truncate = fields.natural("truncate")?.unwrap_or(u64::MAX);
        let truncate = usize::try_from(truncate).unwrap_or(usize::MAX);
        Ok(Self { base64, truncate })
    }

    fn message(&self, message: &Message, redelivered: bool) -> Value {
        let body = message.body();
        let shown = &body[..body.len().min(self.truncate)];
        let text = std::str::from_utf8(shown).ok().filter(|_| !self.base64);
        let (payload, encoding) = match text {
            Some(text) => (text.to_owned(), "string"),
            None => (BASE64_STANDARD.encode(shown), "base64"),
        };
        let properties = Properties::decode(message.properties()).unwrap_or_default();
        json!({
            "payload": payload,
            "payload_encoding": encoding,
            "payload_bytes": body.len(),
            "redelivered": redelivered,
            "exchange": message.exchange(),
            "routing_key": table::text(message.routing_key()),
            "properties": table::properties_to_json(&properties),
        })
    }
}

/// POST /api/exchanges/:vhost/:exchange/explain: where a message would go, and why.
pub(in super::super) fn explain(site: &Site, ask: &Ask) -> Answer {
    let (vhost, exchange) = (existing(site, ask)?, ask.name("exchange")?);
    let fields = ask.fields()?;
    let key = fields.text("routing_key")?.unwrap_or_default().as_bytes().to_vec();
    let headers = fields.table("headers")?;
    let found = site.questions.explain(vhost, exchange, key, headers)?;
    let Explanation { hops, queues } = found.ok_or_else(Refusal::not_found)?;
    let hops = hops.iter().map(|hop| {
        json!({
            "exchange": hop.exchange.as_str(),
            "type": hop.kind,
            "bindings": hop.bindings.iter().map(bindings::value).collect::<Value>(),
            "alternate_exchange": hop.alternate.as_deref(),
        })
    });
    let queues: Vec<_> = queues.iter().map(|name| name.as_str()).collect();
    ok(&json!({ "routed": !queues.is_empty(), "queues": queues, "hops": hops.collect::<Value>() }))
}
