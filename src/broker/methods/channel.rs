//! Class channel: open, flow, close.

use crate::ids::ChannelNumber;
use crate::wire::{Method, ShortString, channel};

use super::super::Broker;
use super::super::call::Call;
use super::super::channel::{Channel, ChannelState};
use super::super::effect::{Effects, Output};
use super::super::exception::{Exception, channel_error, not_allowed};
use super::super::work::After;
use super::unexpected;

/// Handles a method of the class on an open channel.
pub(super) fn handle(
    broker: &mut Broker,
    call: &mut Call<'_>,
    method: channel::Method,
) -> Result<(), Exception> {
    match method {
        channel::Method::Open(_) => Err(channel_error("second 'channel.open' seen")),
        channel::Method::Flow(flow) => {
            if !flow.active {
                broker.pause_flow()?;
            }
            set_flow(broker, call, flow.active);
            Ok(())
        }
        channel::Method::FlowOk(_) => Ok(()),
        channel::Method::Close(_) => {
            close(broker, call);
            Ok(())
        }
        _ => Err(unexpected()),
    }
}

/// channel.open: the limit is on how many are open, not on their numbers.
pub(in super::super) fn open(
    broker: &mut Broker,
    place: usize,
    number: ChannelNumber,
    effects: &mut Effects,
) -> Result<(), Exception> {
    let connection = &mut broker.connections[place];
    let open = connection.channels.len();
    let limit = usize::from(connection.channel_max);
    if limit != 0 && open >= limit {
        return Err(not_allowed(format!(
            "number of channels opened ({open}) has reached the negotiated channel_max ({limit})"
        )));
    }
    let id = connection.id;
    broker.statistics.churn.channel_created += u64::from(!connection.facts.internal);
    let user = connection.user.clone();
    refuse_beyond_limit(broker, &user)?;
    let channel = broker.channels.insert(Channel::new(id, place, number));
    broker.connections[place].channels.insert(number, channel);
    broker.channel_event("channel.created", channel);
    effects.send(id, Output::Method(number, channel::OpenOk::default().into()));
    Ok(())
}

/// The user's limit on channels of all connections (max-channels).
fn refuse_beyond_limit(broker: &Broker, user: &ShortString) -> Result<(), Exception> {
    let Some(limit) = broker.access.users.get(user).and_then(|user| user.max_channels) else {
        return Ok(());
    };
    let own = broker.connections.iter().filter(|(_, connection)| connection.user == *user);
    let open: usize = own.map(|(_, connection)| connection.channels.len()).sum();
    if open as u64 >= limit {
        return Err(not_allowed(format!(
            "number of channels opened for user '{user}' has reached the maximum allowed user \
             limit of ({limit})"
        )));
    }
    Ok(())
}

/// channel.flow: RabbitMQ refuses `active=false`; here it pauses deliveries, as the specification
/// has it, unless the broker is strict.
fn set_flow(broker: &mut Broker, call: &mut Call<'_>, active: bool) {
    broker.channels[call.channel].flow = active;
    if active {
        broker.rouse_channel(call.channel);
    }
    broker.reply(call, channel::FlowOk { active });
    if active {
        broker.release_held_replies(call);
    }
}

/// channel.close from the client. Where replies wait for the disk, close-ok waits behind them.
fn close(broker: &mut Broker, call: &mut Call<'_>) {
    broker.flush_deliveries(call.effects);
    broker.release_channel_then(call.channel, After::CloseChannel, call.effects);
}

/// The answer to channel.close on a channel that the broker is closing itself.
pub(in super::super) fn while_closing(broker: &mut Broker, call: &mut Call<'_>, method: &Method) {
    let Channel { number, state, .. } = broker.channels[call.channel];
    if state == ChannelState::Finishing {
        return;
    }
    match method {
        // The closes have crossed: the client's is answered, its close-ok is still to come.
        Method::Channel(channel::Method::Close(_)) => {
            return broker.reply(call, channel::CloseOk::default());
        }
        Method::Channel(channel::Method::CloseOk(_)) => {}
        _ => return,
    }
    broker.connections[call.connection].channels.remove(&number);
    broker.remove_channel(call.channel);
}
