//! An operator: makes and deletes a user, a vhost and a policy.

use leveret::broker::Broker;
use leveret::broker::access::Change;
use leveret::ids::SyncPoint;
use leveret::wire::{Field, Method, queue};

use super::super::model::History;
use super::super::world::World;

/// Whether the user and the vhost are there, and the policy's limit.
pub(crate) type State = (bool, bool, Option<u64>);

/// What the operator knows.
#[derive(Clone, Debug)]
pub(crate) struct Operator {
    user: History<bool>,
    vhost: History<bool>,
    policy: History<Option<u64>>,
    /// Changes that are not answered: how many states there were, and up to where it is written.
    waiting: Vec<([usize; 3], Option<SyncPoint>)>,
}

impl Default for Operator {
    fn default() -> Self {
        let (user, vhost, policy) = (History::new(false), History::new(false), History::new(None));
        Self { user, vhost, policy, waiting: Vec::new() }
    }
}

impl Operator {
    /// Compares; what is there is known from now on.
    pub(crate) fn check(&mut self, found: State, sure: u64) -> Result<(), String> {
        let told =
            (self.user.candidates(sure), self.vhost.candidates(sure), self.policy.candidates(sure));
        if !(told.0.contains(&found.0) && told.1.contains(&found.1) && told.2.contains(&found.2)) {
            return Err(format!("user, vhost and policy are {found:?}, of {told:?}"));
        }
        self.user.found(found.0);
        self.vhost.found(found.1);
        self.policy.found(found.2);
        self.waiting.clear();
        Ok(())
    }

    /// The turn has ended: changes whose promise holds are answered.
    pub(crate) fn end_turn(&mut self, broker: &Broker, durable: bool) {
        let written = broker.written();
        let (user, vhost, policy) = (&mut self.user, &mut self.vhost, &mut self.policy);
        self.waiting.retain_mut(|(counts, point)| {
            let kept = broker.keeps(*point.get_or_insert(written));
            if kept && durable {
                user.told(counts[0]);
                vhost.told(counts[1]);
                policy.told(counts[2]);
            }
            !kept
        });
    }
}

/// What a broker knows of it.
pub(crate) fn found(broker: &Broker) -> State {
    let access = broker.access();
    let name = |text| leveret::wire::ShortString::clipped(text);
    let policy = access.policies.get(&name("/")).and_then(|policies| policies.get(&name("p")));
    let limit = policy.and_then(|policy| match policy.definition.get("max-length") {
        Some(Field::I64(limit)) => u64::try_from(*limit).ok(),
        Some(Field::I32(limit)) => u64::try_from(*limit).ok(),
        _ => None,
    });
    (access.users.contains_key(&name("alice")), access.vhosts.contains_key(&name("v")), limit)
}

/// One change.
pub(crate) fn change(world: &mut World<'_>) {
    let turn = world.model.turn;
    let operator = &mut world.model.extras.operator;
    let text = match world.random.below(3) {
        0 => {
            let there = !*operator.user.now();
            operator.user.set(turn, there);
            if there {
                r#"{change: "put-user", name: "alice", password: ""}"#.to_owned()
            } else {
                r#"{change: "delete-user", name: "alice"}"#.to_owned()
            }
        }
        1 => {
            let there = !*operator.vhost.now();
            operator.vhost.set(turn, there);
            if there {
                r#"{change: "put-vhost", name: "v"}"#.to_owned()
            } else {
                r#"{change: "delete-vhost", name: "v"}"#.to_owned()
            }
        }
        _ => {
            let limit = Some(world.random.below(4)).filter(|limit| *limit > 0);
            let limit = if operator.policy.now().is_none() { limit.or(Some(1)) } else { limit };
            operator.policy.set(turn, limit);
            match limit {
                Some(limit) => format!(
                    r#"{{change: "put-policy", vhost: "/", name: "p", pattern: "^ruled$", apply-to: "queues", priority: 0, definition: {{max-length: {limit}}}}}"#
                ),
                None => r#"{change: "delete-policy", vhost: "/", name: "p"}"#.to_owned(),
            }
        }
    };
    let counts = [operator.user.count(), operator.vhost.count(), operator.policy.count()];
    operator.waiting.push((counts, None));
    let method = format!("queue.declare arguments={text}").parse::<Method>();
    let Ok(Method::Queue(queue::Method::Declare(declare))) = method else { panic!("{text}") };
    let change = Change::from_table(&declare.arguments).expect("a change");
    world.change(change);
}
