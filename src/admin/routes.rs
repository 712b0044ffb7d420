//! The one table of routes: method, path, who may, and what answers.
//!
//! A path that is not here does not exist; a row cannot be written without a rule.

use serde_json::Value;

use crate::wire::ShortString;

use super::answer::{Answer, Refusal};
use super::api::{
    bindings, channels, connections, definitions, drops, exchanges, health, messages, moving, node,
    overview, parameters, permissions, policies, queues, users, vhosts,
};
use super::fields::{self, Fields};
use super::guard::{Caller, Rule};
use super::http::{Head, Peer};
use super::metrics;
use super::site::Site;

/// The longest body of most requests, in octets.
const BODY_MAX: usize = 256 * 1024;
/// The longest body of a request that carries a message or definitions, in octets.
const LARGE_BODY_MAX: usize = 16 * 1024 * 1024;

/// A row of the table.
pub(super) struct Route {
    /// GET (which is HEAD too), PUT, POST or DELETE.
    pub(super) method: &'static str,
    /// Segments; those with a colon are names that the handler gets.
    pub(super) path: &'static str,
    /// Who may.
    pub(super) rule: Rule,
    /// The longest body, in octets.
    pub(super) body_max: usize,
    /// Whether it looks at all there is of a kind: few may do so at a time.
    pub(super) lists: bool,
    /// What answers.
    pub(super) handler: Handler,
}

/// Answers a request that was let through.
pub(super) type Handler = fn(&Site, &Ask) -> Answer;

const fn get(path: &'static str, rule: Rule, handler: Handler) -> Route {
    Route { method: "GET", path, rule, body_max: BODY_MAX, lists: false, handler }
}

const fn put(path: &'static str, rule: Rule, handler: Handler) -> Route {
    Route { method: "PUT", path, rule, body_max: BODY_MAX, lists: false, handler }
}

const fn post(path: &'static str, rule: Rule, handler: Handler) -> Route {
    Route { method: "POST", path, rule, body_max: BODY_MAX, lists: false, handler }
}

const fn delete(path: &'static str, rule: Rule, handler: Handler) -> Route {
    Route { method: "DELETE", path, rule, body_max: BODY_MAX, lists: false, handler }
}

impl Route {
    const fn lists(self) -> Self {
        Self { lists: true, ..self }
    }

    const fn large(self) -> Self {
        Self { body_max: LARGE_BODY_MAX, ..self }
    }

    /// The names in a path, if it is one of this route's.
    pub(super) fn matches(&self, path: &[String]) -> Option<Vec<(&'static str, String)>> {
        let mut pattern = self.path.split('/').skip(1);
        let mut names = Vec::new();
        for segment in path {
            let expected = pattern.next()?;
            match expected.strip_prefix(':') {
                Some(name) => names.push((name, segment.clone())),
                None if expected == segment => {}
                None => return None,
            }
        }
        pattern.next().is_none().then_some(names)
    }
}

use Rule::{
    Administrator, Management, Monitoring, OwnOrAdministrator, OwnOrMonitoring, Policymaker,
};

/// See the module. Of two rows that match, the first counts.
#[rustfmt::skip]
pub(super) const ROUTES: &[Route] = &[
    get("/api/overview", Management, overview::overview).lists(),
    get("/api/whoami", Management, overview::whoami),
    post("/api/session", Management, overview::begin_session),
    delete("/api/session", Management, overview::end_session),
    get("/api/version", Management, overview::version),
    get("/api/extensions", Management, overview::extensions),
    get("/api/cluster-name", Management, overview::cluster_name),
    get("/api/auth/hash_password/:password", Management, overview::hash_password),
    get("/api/feature-flags", Administrator, overview::nothing),
    get("/api/deprecated-features", Administrator, overview::nothing),
    get("/api/deprecated-features/used", Administrator, overview::nothing),
    get("/api/drops", Management, drops::drops).lists(),

    get("/api/nodes", Monitoring, node::list),
    get("/api/nodes/:node", Monitoring, node::show),
    post("/api/stop", Administrator, node::stop),

    get("/api/vhosts", Management, vhosts::list),
    get("/api/vhosts/:vhost", Management, vhosts::show),
    put("/api/vhosts/:vhost", Administrator, vhosts::put),
    delete("/api/vhosts/:vhost", Administrator, vhosts::delete),
    get("/api/vhosts/:vhost/permissions", Administrator, permissions::list_of_vhost),
    get("/api/vhosts/:vhost/topic-permissions", Administrator, permissions::topics_of_vhost),
    get("/api/vhosts/:vhost/connections", Management, connections::list_of_vhost).lists(),
    get("/api/vhosts/:vhost/channels", Management, channels::list_of_vhost).lists(),

    get("/api/definitions", Administrator, definitions::export).lists(),
    post("/api/definitions", Administrator, definitions::import).large(),
    get("/api/all-configuration", Administrator, definitions::export).lists(),
    post("/api/all-configuration", Administrator, definitions::import).large(),
    get("/api/definitions/:vhost", Administrator, definitions::export_of_vhost).lists(),
    post("/api/definitions/:vhost", Administrator, definitions::import_to_vhost).large(),

    get("/api/vhost-limits", Management, vhosts::list_limits),
    get("/api/vhost-limits/:vhost", Management, vhosts::show_limits),
    put("/api/vhost-limits/:vhost/:limit", Administrator, vhosts::put_limit),
    delete("/api/vhost-limits/:vhost/:limit", Administrator, vhosts::delete_limit),

    get("/api/users", Administrator, users::list),
    get("/api/users/without-permissions", Administrator, permissions::users_without),
    post("/api/users/bulk-delete", Administrator, users::bulk_delete),
    get("/api/users/:user", Administrator, users::show),
    put("/api/users/:user", Administrator, users::put),
    delete("/api/users/:user", Administrator, users::delete),
    get("/api/users/:user/permissions", Administrator, permissions::list_of_user),
    get("/api/users/:user/topic-permissions", Administrator, permissions::topics_of_user),
    post("/api/users/:user/authenticate", Administrator, users::authenticate),
    get("/api/user-limits", Management, users::list_limits),
    get("/api/user-limits/:user", OwnOrMonitoring, users::show_limits),
    put("/api/user-limits/:user/:limit", Administrator, users::put_limit),
    delete("/api/user-limits/:user/:limit", Administrator, users::delete_limit),

    get("/api/permissions", Administrator, permissions::list),
    get("/api/permissions/:vhost/:user", Administrator, permissions::show),
    put("/api/permissions/:vhost/:user", Administrator, permissions::put),
    delete("/api/permissions/:vhost/:user", Administrator, permissions::delete),
    get("/api/topic-permissions", Administrator, permissions::topics),
    get("/api/topic-permissions/:vhost/:user", Administrator, permissions::topics_of),
    put("/api/topic-permissions/:vhost/:user", Administrator, permissions::put_topics),
    delete("/api/topic-permissions/:vhost/:user", Administrator, permissions::delete_topics),
    delete("/api/topic-permissions/:vhost/:user/:exchange", Administrator, permissions::delete_topic),

    get("/api/policies", Management, policies::list),
    get("/api/policies/:vhost", Management, policies::list_of_vhost),
    get("/api/policies/:vhost/:name", Management, policies::show),
    put("/api/policies/:vhost/:name", Policymaker, policies::put),
    delete("/api/policies/:vhost/:name", Policymaker, policies::delete),
    get("/api/operator-policies", Management, policies::list_operator),
    get("/api/operator-policies/:vhost", Management, policies::list_operator_of_vhost),
    get("/api/operator-policies/:vhost/:name", Management, policies::show_operator),
    put("/api/operator-policies/:vhost/:name", Administrator, policies::put_operator),
    delete("/api/operator-policies/:vhost/:name", Administrator, policies::delete_operator),
    get("/api/parameters", Policymaker, parameters::list),
    get("/api/parameters/:component", Policymaker, parameters::list_of),
    get("/api/parameters/:component/:vhost", Policymaker, parameters::list_of_vhost),
    get("/api/parameters/:component/:vhost/:name", Policymaker, parameters::show),
    put("/api/parameters/:component/:vhost/:name", Policymaker, parameters::put),
    delete("/api/parameters/:component/:vhost/:name", Policymaker, parameters::delete),
    get("/api/global-parameters", Policymaker, parameters::list_global),
    get("/api/global-parameters/:name", Policymaker, parameters::show_global),
    put("/api/global-parameters/:name", Policymaker, parameters::put_global),
    delete("/api/global-parameters/:name", Policymaker, parameters::delete_global),

    get("/api/connections", Management, connections::list).lists(),
    get("/api/connections/username/:user", OwnOrMonitoring, connections::list_of_user).lists(),
    delete("/api/connections/username/:user", OwnOrAdministrator, connections::close_of_user),
    get("/api/connections/:connection", Management, connections::show).lists(),
    delete("/api/connections/:connection", Management, connections::close),
    get("/api/connections/:connection/channels", Management, connections::channels).lists(),

    get("/api/channels", Management, channels::list).lists(),
    get("/api/channels/:channel", Management, channels::show).lists(),
    get("/api/consumers", Management, channels::consumers).lists(),
    get("/api/consumers/:vhost", Management, channels::consumers_of_vhost).lists(),

    get("/api/exchanges", Management, exchanges::list).lists(),
    get("/api/exchanges/:vhost", Management, exchanges::list_of_vhost).lists(),
    get("/api/exchanges/:vhost/:exchange", Management, exchanges::show),
    put("/api/exchanges/:vhost/:exchange", Management, exchanges::declare),
    delete("/api/exchanges/:vhost/:exchange", Management, exchanges::delete),
    post("/api/exchanges/:vhost/:exchange/publish", Management, messages::publish).large(),
    post("/api/exchanges/:vhost/:exchange/explain", Management, messages::explain),
    get("/api/exchanges/:vhost/:exchange/drops", Management, drops::of_exchange),
    get("/api/exchanges/:vhost/:exchange/bindings/source", Management, bindings::from_exchange),
    get("/api/exchanges/:vhost/:exchange/bindings/destination", Management, bindings::to_exchange),

    get("/api/queues", Management, queues::list).lists(),
    get("/api/queues/detailed", Management, queues::list).lists(),
    get("/api/queues/:vhost", Management, queues::list_of_vhost).lists(),
    get("/api/queues/:vhost/:queue", Management, queues::show),
    put("/api/queues/:vhost/:queue", Management, queues::declare),
    delete("/api/queues/:vhost/:queue", Management, queues::delete),
    get("/api/queues/:vhost/:queue/bindings", Management, bindings::to_queue),
    delete("/api/queues/:vhost/:queue/contents", Management, queues::purge),
    post("/api/queues/:vhost/:queue/get", Management, messages::get),
    get("/api/queues/:vhost/:queue/peek", Management, messages::peek),
    get("/api/queues/:vhost/:queue/drops", Management, drops::of_queue),
    post("/api/queues/:vhost/:queue/move", Management, moving::move_ready),

    get("/api/bindings", Management, bindings::list).lists(),
    get("/api/bindings/:vhost", Management, bindings::list_of_vhost).lists(),
    get("/api/bindings/:vhost/e/:source/:kind/:destination", Management, bindings::between),
    post("/api/bindings/:vhost/e/:source/:kind/:destination", Management, bindings::bind),
    get("/api/bindings/:vhost/e/:source/:kind/:destination/:props", Management, bindings::show),
    delete("/api/bindings/:vhost/e/:source/:kind/:destination/:props", Management, bindings::unbind),

    get("/api/aliveness-test/:vhost", Management, health::aliveness),
    get("/api/healthchecks/node", Management, health::fine),
    get("/api/health/checks/alarms", Management, health::alarms),
    get("/api/health/checks/local-alarms", Management, health::alarms),
    get("/api/health/checks/certificate-expiration/:within/:unit", Management, health::fine),
    get("/api/health/checks/port-listener/:port", Management, health::port),
    get("/api/health/checks/protocol-listener/:protocol", Management, health::protocol),
    get("/api/health/checks/virtual-hosts", Management, health::virtual_hosts),
    get("/api/health/checks/node-is-quorum-critical", Management, health::fine),
    get("/api/health/checks/is-in-service", Management, health::fine),
    get("/api/health/checks/ready-to-serve-clients", Management, health::virtual_hosts),
    get("/api/health/checks/below-node-connection-limit", Management, health::connections),

    get("/metrics", Monitoring, metrics::aggregated),
    get("/metrics/per-object", Monitoring, metrics::per_object).lists(),
    get("/metrics/detailed", Monitoring, metrics::detailed).lists(),
];

/// A request that was let through.
pub(super) struct Ask {
    /// Who asks.
    pub(super) caller: Caller,
    /// From where.
    pub(super) peer: Peer,
    /// The names in the path.
    pub(super) names: Vec<(&'static str, String)>,
    /// The head.
    pub(super) head: Head,
    /// The body.
    pub(super) body: Vec<u8>,
}

impl Ask {
    /// A name in the path.
    pub(super) fn path(&self, name: &str) -> &str {
        let found = self.names.iter().find(|(key, _)| *key == name);
        found.map_or("", |(_, value)| value)
    }

    /// A name in the path as AMQP knows names. `amq.default` is the default exchange.
    ///
    /// # Errors
    ///
    /// 404 if it is too long for one.
    pub(super) fn name(&self, name: &str) -> Result<ShortString, Refusal> {
        let text = match self.path(name) {
            "amq.default" if matches!(name, "exchange" | "source") => "",
            text => text,
        };
        ShortString::new(text).map_err(|_| Refusal::not_found())
    }

    /// A value of the query.
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        let found = self.head.query.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Whether a value of the query says yes; it says no where it is not there.
    ///
    /// # Errors
    ///
    /// 400 `not_boolean` for anything but `true` and `false`: `?dry_run` is not to be taken for no.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Refusal> {
        self.query(name).map_or(Ok(false), |text| fields::boolean(&Value::from(text)))
    }

    /// A number of the query that is not negative.
    ///
    /// # Errors
    ///
    /// 400 `not_integer` for anything else.
    pub(super) fn number(&self, name: &str, default: u64) -> Result<u64, Refusal> {
        let given = self.query(name).map(|text| (name.to_owned(), Value::from(text)));
        Ok(Fields::new(given.into_iter().collect()).natural(name)?.unwrap_or(default))
    }

    /// The fields of the body.
    ///
    /// # Errors
    ///
    /// As [`Self::json`].
    pub(super) fn fields(&self) -> Result<Fields, Refusal> {
        match self.json()? {
            Value::Object(fields) => Ok(Fields::new(fields)),
            _ => Ok(Fields::default()),
        }
    }

    /// The body as a JSON object; no body is an empty one.
    ///
    /// # Errors
    ///
    /// 400 for anything else.
    pub(super) fn json(&self) -> Result<Value, Refusal> {
        if self.body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Value::Object(Default::default()));
        }
        let value = serde_json::from_slice(&self.body);
        value.ok().filter(Value::is_object).ok_or_else(|| Refusal::bad_request("Not_JSON"))
    }

    /// A request by the owner with this query.
    #[cfg(test)]
    pub(super) fn probe(query: &str) -> Self {
        let head = Head::read(&format!("GET /?{query} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        let caller = super::guard::owner();
        Self { caller, peer: Peer::Owner, names: Vec::new(), head, body: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_route_is_there_once_and_can_be_reached() {
        let mut seen = BTreeSet::new();
        for route in ROUTES {
            assert!(seen.insert((route.method, route.path)), "{} is there twice", route.path);
            assert!(["GET", "PUT", "POST", "DELETE"].contains(&route.method));
            // No row is hidden by one before it.
            let path: Vec<_> = route.path.split('/').skip(1).map(str::to_owned).collect();
            let first =
                ROUTES.iter().find(|it| it.method == route.method && it.matches(&path).is_some());
            assert!(first.is_some_and(|first| first.path == route.path), "{}", route.path);
        }
    }

    #[test]
    fn names_in_a_path_may_be_anything() {
        let path = ["api", "queues", "/", "a/b"].map(str::to_owned);
        let names = ROUTES.iter().find_map(|route| route.matches(&path)).unwrap();
        assert_eq!(names, [("vhost", "/".to_owned()), ("queue", "a/b".to_owned())]);
    }
}
