//! What the clients do, at random.

use leveret::broker::{Command, Publish};
use leveret::message::Message;
use leveret::wire::{Properties, ShortString, basic, exchange, queue, tx};

use super::client::{Client, Expected, Mode};
use super::extras;
use super::model::{DECLARED, EXCHANGES, FANOUT, KEYS, QUEUES, Sent, TRANSIENT, body};
use super::world::{CHANNEL, World};

/// One command of one client.
pub(crate) fn command(world: &mut World<'_>) {
    match world.random.below(100) {
        0..14 => return extras::command(world),
        14 => return extras::change(world),
        _ => {}
    }
    let place = world.random.index(world.clients.len());
    match world.random.below(100) {
        0..45 => publish(world, place),
        45..62 => settle(world, place),
        62..68 => get(world, place),
        68..74 => consume(world, place),
        74..77 => cancel(world, place),
        77..84 => declare_queue(world, place),
        84..86 => delete_queue(world, place),
        86..93 => bind(world, place),
        93..95 => declare_exchange(world, place),
        _ => end_transaction(world, place),
    }
}

/// A command that has to be the only one of its turn, so that it is known what is ready and what a
/// client has got. Returns whether there was one.
pub(crate) fn alone(world: &mut World<'_>) -> bool {
    let place = world.random.index(world.clients.len());
    if world.random.percent(25) {
        reconnect(world, place);
        return true;
    }
    purge(world)
}

fn purge(world: &mut World<'_>) -> bool {
    if world.clients.iter().any(Client::waits) {
        return false;
    }
    let (place, queue) = (world.random.index(world.clients.len()), world.random.index(5));
    let Some(instance) = world.model.instance(queue) else { return false };
    world.model.purge(instance, false);
    let turn = world.model.turn;
    let purge = queue::Purge { queue: name(queue), ..Default::default() };
    world.call(place, purge, Expected::Purged(turn, instance));
    true
}

fn name(queue: usize) -> ShortString {
    ShortString::clipped(QUEUES[queue])
}

fn publish(world: &mut World<'_>, place: usize) {
    let id = world.model.messages.len() as u64 + 1;
    let exchange = world.random.pick(&[0, 0, 0, 1, 2, 2, DECLARED]);
    // What a transaction publishes to an exchange that goes before the commit goes nowhere.
    let lasts = world.clients[place].mode != Mode::Transaction && *world.model.declared.now();
    if exchange == DECLARED && !lasts {
        return;
    }
    let key = if exchange == 0 { world.random.pick(&QUEUES) } else { world.random.pick(&KEYS) };
    let length = match world.random.below(200) {
        0 => world.random.below(100_000),
        1..20 => world.random.below(9_000),
        _ => world.random.below(300),
    } as usize;
    let persistent = world.random.percent(80);
    let properties =
        Properties { delivery_mode: Some(if persistent { 2 } else { 1 }), ..Default::default() };
    let mut octets = Vec::new();
    properties.encode(&mut octets);
    let name = EXCHANGES[exchange];
    let message = Message::from_parts(name, key.as_bytes(), &octets, &body(id, length), persistent);
    world.model.messages.insert(id, Sent { persistent, length, exchange, key: key.to_owned() });
    let client = &mut world.clients[place];
    match client.mode {
        Mode::Plain => world.model.route(id),
        Mode::Confirm => {
            client.unconfirmed.insert(client.next_tag, id);
            client.next_tag += 1;
            world.model.route(id);
        }
        Mode::Transaction => client.published.push(id),
    }
    let publish =
        Publish { mandatory: world.random.percent(10), immediate: false, repeats: false, message };
    world.apply(place, Command::Publish(CHANNEL, publish));
}

fn settle(world: &mut World<'_>, place: usize) {
    let tags: Vec<u64> = world.clients[place].unacked.keys().copied().collect();
    if tags.is_empty() {
        return;
    }
    let tag = world.random.pick(&tags);
    // What is on its way would be settled too.
    let multiple = world.random.percent(20) && !world.clients[place].waits_for_message();
    let requeue = world.random.percent(50);
    let ack = world.random.percent(70);
    let first = if multiple { 0 } else { tag };
    for tag in tags.into_iter().filter(|other| (first..=tag).contains(other)) {
        let client = &mut world.clients[place];
        let Some(held) = client.unacked.remove(&tag) else { continue };
        client.settled.push((tag, held, ack || !requeue));
    }
    if world.clients[place].mode != Mode::Transaction {
        settled(world, place);
    }
    match (ack, multiple) {
        (true, _) => world.send(place, basic::Ack { delivery_tag: tag, multiple }),
        (false, false) => world.send(place, basic::Reject { delivery_tag: tag, requeue }),
        (false, true) => world.send(place, basic::Nack { delivery_tag: tag, multiple, requeue }),
    }
}

/// What was settled takes effect.
fn settled(world: &mut World<'_>, place: usize) {
    let turn = world.model.turn;
    for (_, held, gone) in std::mem::take(&mut world.clients[place].settled) {
        if let Some(copy) = world.model.copies.get_mut(&held) {
            copy.held = false;
            if gone {
                copy.gone.get_or_insert(turn);
            }
        }
    }
}

fn get(world: &mut World<'_>, place: usize) {
    let queue = world.random.index(QUEUES.len());
    let Some(instance) = world.model.instance(queue) else { return };
    let get = basic::Get { queue: name(queue), no_ack: false };
    world.call(place, get, Expected::Got(instance));
}

fn consume(world: &mut World<'_>, place: usize) {
    let queue = world.random.index(QUEUES.len());
    let Some(instance) = world.model.instance(queue) else { return };
    let client = &mut world.clients[place];
    if client.consumers.len() >= 2 {
        return;
    }
    client.consumers_made += 1;
    let tag = format!("consumer {}", client.consumers_made);
    let no_ack = world.random.percent(15);
    world.clients[place].add_consumer(tag.clone(), instance, no_ack);
    let consumer_tag = ShortString::clipped(&tag);
    let consume = basic::Consume { queue: name(queue), consumer_tag, no_ack, ..Default::default() };
    world.call(place, consume, Expected::Nothing);
}

/// Ends the oldest consumer of a client. It stays known: deliveries may be under way.
fn cancel(world: &mut World<'_>, place: usize) {
    let Some(tag) = world.clients[place].consumers.keys().next().cloned() else { return };
    let consumer_tag = ShortString::clipped(&tag);
    world.call(place, basic::Cancel { consumer_tag, no_wait: false }, Expected::Nothing);
}

fn declare_queue(world: &mut World<'_>, place: usize) {
    let queue = world.random.index(QUEUES.len());
    world.model.declare_queue(queue);
    let count = world.model.queues[queue].count();
    let declare =
        queue::Declare { queue: name(queue), durable: queue != TRANSIENT, ..Default::default() };
    world.call(place, declare, Expected::Queue(count, queue));
}

fn delete_queue(world: &mut World<'_>, place: usize) {
    if world.clients.iter().any(Client::waits) {
        return;
    }
    let queue = world.random.index(QUEUES.len());
    world.model.delete_queue(queue);
    let count = world.model.queues[queue].count();
    let delete = queue::Delete { queue: name(queue), ..Default::default() };
    world.call(place, delete, Expected::Queue(count, queue));
}

fn declare_exchange(world: &mut World<'_>, place: usize) {
    let exchange = ShortString::clipped(EXCHANGES[DECLARED]);
    if world.random.percent(25) {
        world.model.set_declared(false);
        let count = world.model.declared.count();
        let delete = exchange::Delete { exchange, ..Default::default() };
        world.call(place, delete, Expected::Declared(count));
    } else {
        world.model.set_declared(true);
        let count = world.model.declared.count();
        let kind = ShortString::clipped("direct");
        let declare = exchange::Declare { exchange, kind, durable: true, ..Default::default() };
        world.call(place, declare, Expected::Declared(count));
    }
}

fn bind(world: &mut World<'_>, place: usize) {
    let (from, to) = (1 + world.random.index(3), world.random.index(5));
    // By which of its bindings a message came through a fanout exchange could not be seen.
    let key = if from == FANOUT { 0 } else { world.random.index(2) };
    let missing = from == DECLARED && !*world.model.declared.now();
    if missing || world.model.instance(to).is_none() {
        return;
    }
    let bound = world.random.percent(70);
    let binding = (from, to, key);
    world.model.bind(binding, bound);
    let expected = Expected::Binding(world.model.bindings[&binding].count(), binding);
    let (exchange, routing_key) =
        (ShortString::clipped(EXCHANGES[from]), ShortString::clipped(KEYS[key]));
    let queue = name(to);
    if bound {
        let bind = queue::Bind { queue, exchange, routing_key, ..Default::default() };
        world.call(place, bind, expected);
    } else {
        let unbind = queue::Unbind { queue, exchange, routing_key, ..Default::default() };
        world.call(place, unbind, expected);
    }
}

fn end_transaction(world: &mut World<'_>, place: usize) {
    if world.clients[place].mode != Mode::Transaction {
        return;
    }
    let published = std::mem::take(&mut world.clients[place].published);
    if world.random.percent(75) {
        published.iter().for_each(|id| world.model.route(*id));
        settled(world, place);
        world.call(place, tx::Commit::default(), Expected::Committed(published));
    } else {
        let client = &mut world.clients[place];
        for (tag, held, _) in std::mem::take(&mut client.settled) {
            client.unacked.insert(tag, held);
        }
        world.call(place, tx::Rollback::default(), Expected::Nothing);
    }
}

/// The socket closes; another client comes.
fn reconnect(world: &mut World<'_>, place: usize) {
    world.end_of(place);
    world.apply(place, Command::Gone);
    let mode = world.clients[place].mode;
    let mut client = world.clients.remove(place);
    let settled = std::mem::take(&mut client.settled).into_iter().map(|(_, held, _)| held);
    for held in client.unacked.into_values().chain(settled) {
        if let Some(copy) = world.model.copies.get_mut(&held) {
            copy.held = false;
        }
    }
    world.open_client(mode);
}
