//! Policies in force: which of them each queue and exchange has.
//!
//! When a policy of a vhost changes, every object of the vhost is looked at anew: a pattern search
//! and a pointer each. Objects with the same policies share what these come to.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::ids::{ExchangeId, QueueId};
use crate::wire::ShortString;

use super::Broker;
use super::access::{EffectivePolicy, ObjectKind, Policies, PolicyKind, merge, policy_for};

/// Merged policies by the names of policy and operator policy.
pub(super) type Merged = BTreeMap<(Option<ShortString>, Option<ShortString>), Arc<EffectivePolicy>>;

impl Broker {
    /// Gives every object of a vhost the policies that are now in force for it: recovery. Changes
    /// of policies do so in slices.
    pub(super) fn apply_policies(&mut self, vhost: usize) {
        let mut merged = Merged::new();
        let mut queues: Vec<_> = self.vhosts[vhost].queues.values().copied().collect();
        queues.sort_unstable();
        for id in queues {
            self.apply_policy_to_queue(vhost, id, &mut merged);
        }
        let exchanges: Vec<_> = self.vhosts[vhost].exchanges.values().copied().collect();
        for id in exchanges {
            self.apply_policy_to_exchange(vhost, id, &mut merged);
        }
    }

    /// Gives a queue of a vhost the policies that are now in force for it.
    pub(super) fn apply_policy_to_queue(&mut self, vhost: usize, id: QueueId, merged: &mut Merged) {
        let Some(queue) = self.queues.get(&id) else { return };
        let kind = ObjectKind::Queue(queue.declared.arguments.queue_type);
        let policy = self.policy_of(vhost, queue.name(), kind, merged);
        self.set_queue_policy(id, policy);
    }

    /// Gives an exchange of a vhost the policies that are now in force for it.
    pub(super) fn apply_policy_to_exchange(
        &mut self,
        vhost: usize,
        id: ExchangeId,
        merged: &mut Merged,
    ) {
        let Some(exchange) = self.exchanges.get(&id) else { return };
        let name = exchange.declared.name.clone();
        let policy = self.policy_of(vhost, &name, ObjectKind::Exchange, merged);
        if let Some(exchange) = self.exchanges.get_mut(&id) {
            exchange.policy = policy;
        }
    }

    /// Puts policies in force for a queue. What is beyond a new limit goes when the turn ends.
    pub(super) fn set_queue_policy(&mut self, id: QueueId, policy: Option<Arc<EffectivePolicy>>) {
        let Some(queue) = self.queues.get_mut(&id) else { return };
        queue.set_policy(policy);
        if !self.recovering {
            // Its limits and its timer may be others now.
            self.touch(id);
        }
    }

    /// The policies in force for an object of a vhost; `None` if there are none.
    pub(super) fn policy_for_new(
        &self,
        vhost: usize,
        name: &str,
        kind: ObjectKind,
    ) -> Option<Arc<EffectivePolicy>> {
        self.policy_of(vhost, name, kind, &mut Merged::new())
    }

    fn policy_of(
        &self,
        vhost: usize,
        name: &str,
        kind: ObjectKind,
        merged: &mut Merged,
    ) -> Option<Arc<EffectivePolicy>> {
        let vhost = &self.vhosts[vhost].name;
        // The default exchange is nobody's to set.
        if name.is_empty() {
            return None;
        }
        let find = |owner| {
            let policies: &Policies = self.access.policies_of(owner).get(vhost)?;
            policy_for(policies, name, kind)
        };
        let (policy, operator) = (find(PolicyKind::User), find(PolicyKind::Operator));
        if policy.is_none() && operator.is_none() {
            return None;
        }
        let names = (policy.map(|(name, _)| name.clone()), operator.map(|(name, _)| name.clone()));
        let shared = merged.entry(names).or_insert_with(|| Arc::new(merge(policy, operator)));
        Some(Arc::clone(shared))
    }
}
