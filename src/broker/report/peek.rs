//! A look into a queue that takes nothing out: no message moves, none counts as delivered.

use crate::message::Message;
use crate::store::Stored;

use crate::broker::Broker;

/// A message as it lies in its queue.
#[derive(Clone, Debug)]
pub struct PeekedMessage {
    /// Its octets, shared with the queue.
    pub message: Message,
    /// It may have been delivered before.
    pub redelivered: bool,
    /// When it was published, by the wall clock: milliseconds since the Unix epoch.
    pub published: u64,
}

impl Broker {
    /// The first ready messages of a queue. They are taken and put back to their places within
    /// the call, unchanged, so that nobody can tell that somebody looked.
    pub(super) fn peek(
        &mut self,
        vhost: &str,
        name: &str,
        count: usize,
    ) -> Option<Vec<PeekedMessage>> {
        let wall = self.clocks.wall;
        let vhost = self.vhosts.iter().find(|candidate| *candidate.name == *vhost)?;
        let id = *vhost.queues.get(name)?;
        let queue = self.queues.get_mut(&id)?;
        if queue.is_stream() {
            let stored = queue.read_first(count);
            let Ok(stored) = stored.map_err(|error| self.store_failed(Some(id), error)) else {
                return Some(Vec::new());
            };
            let peeked = |Stored { message, published, .. }: Stored| PeekedMessage {
                message,
                redelivered: false,
                published: wall.of(published),
            };
            return Some(stored.into_iter().map(peeked).collect());
        }
        let (mut taken, mut failed) = (Vec::new(), None);
        let mut messages = Vec::new();
        while messages.len() < count {
            match queue.take() {
                Ok(Some((item, message))) => {
                    let (redelivered, published) = (item.deliveries > 0, wall.of(item.published));
                    messages.push(PeekedMessage { message, redelivered, published });
                    taken.push(item);
                }
                Ok(None) => break,
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        for item in taken {
            queue.requeue(item);
        }
        if let Some(error) = failed {
            self.store_failed(Some(id), error);
        }
        Some(messages)
    }
}
