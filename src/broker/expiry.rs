//! Messages that leave their queue by themselves: their time is over, or the queue is too long.

use crate::ids::QueueId;

use super::Broker;
use super::dead_letter::Dead;
use super::deaths::Reason;

/// So many messages of a queue expire in a turn; the next turn goes on.
pub(super) const EXPIRED_PER_TURN: usize = 2048;

/// What a message costs that leaves.
const DROP_UNITS: u64 = 4;
/// So many messages leave a queue that is too long, however much the turn has done already.
const DROPPED_AT_LEAST: usize = 4;

impl Broker {
    /// Takes messages out of a queue whose time is over, as many as a turn may.
    pub(super) fn expire(&mut self, id: QueueId) {
        for count in 0..EXPIRED_PER_TURN {
            if self.morgue.is_full() || (count > 0 && !self.work.has_left()) {
                break;
            }
            let Some(queue) = self.queues.get_mut(&id) else { return };
            match queue.take_expired(self.now) {
                Ok(Some(item)) => {
                    self.work.pay(DROP_UNITS);
                    let (item, reason) = (Some(item), Reason::Expired);
                    self.die(Dead { queue: id, item, message: None, reason });
                }
                Ok(None) => return,
                Err(error) => {
                    return self.store_failed(Some(id), error);
                }
            }
        }
        if self.morgue.is_stalled() {
            self.alarms.look_again(id);
        } else {
            self.turn.later.push(id);
        }
    }

    /// Takes ready messages out of a queue until it is within its limits: the first, which is the
    /// oldest, or the oldest of the lowest priority. Waiting consumers come first. What a turn has no
    /// time for, after a policy with a limit, has the next ones.
    pub(super) fn drop_excess(&mut self, id: QueueId) {
        let over = self.queues.get(&id).is_some_and(|queue| queue.over_limit());
        if !over || self.gets_back(id) {
            return;
        }
        self.deliver(id);
        self.expire(id);
        for count in 0.. {
            // A publish drops more than it brings, so a queue comes within its limits in any case.
            let may = self.work.has_left() && !self.morgue.is_full();
            if !may && count >= DROPPED_AT_LEAST {
                return self.turn.later.push(id);
            }
            let Some(queue) = self.queues.get_mut(&id).filter(|queue| queue.over_limit()) else {
                return;
            };
            let taken = if queue.drops_lowest() { queue.take_lowest() } else { queue.take() };
            match taken {
                Ok(Some((item, message))) => {
                    self.work.pay(DROP_UNITS);
                    let (item, message) = (Some(item), Some(message));
                    self.die(Dead { queue: id, item, message, reason: Reason::MaxLength });
                }
                Ok(None) => return,
                Err(error) => {
                    return self.store_failed(Some(id), error);
                }
            }
        }
    }
}
