//! The site: from a request to its answer, through the table of routes and the guard.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::broker::access::Change;
use crate::config::Config;
use crate::connection::Identity;
use crate::ids::Timestamp;
use crate::server::{Closed, Door, Server};
use crate::wire::ShortString;

use super::answer::{Answer, Refusal};
use super::gate::Gate;
use super::guard::{Caller, Guard, Hosts, PAGE_HEADER};
use super::http::{Answers, Body, Head, Peer, Response};
use super::questions::Questions;
use super::rates::{Counters, INTERVAL_SECONDS, Key, Rates};
use super::routes::{Ask, ROUTES, Route};
use super::{api, metrics, shown, ui};

/// Above so many octets an answer is large.
const LARGE_OCTETS: usize = 1024 * 1024;

/// What handlers answer from.
#[derive(Debug)]
pub(super) struct Site {
    /// The way to the broker.
    pub(super) door: Door,
    /// What is read of the broker.
    pub(super) questions: Questions,
    /// What counters were.
    pub(super) rates: Rates,
    /// When this began.
    pub(super) started: Timestamp,
    /// Where AMQP clients connect.
    pub(super) amqp: Vec<SocketAddr>,
    /// Where management is.
    pub(super) management: Option<SocketAddr>,
    /// Where it is with TLS.
    pub(super) management_tls: Option<SocketAddr>,
    /// Where messages are kept, for people.
    pub(super) data_dir: String,
    /// What clients and tools are told that this is.
    pub(super) identity: Identity,
    /// How many listings are put together at a time.
    gate: Arc<Gate>,
    /// The names that this is reached by.
    pub(super) hosts: Hosts,
    /// Who may what.
    pub(super) guard: Guard,
}

impl Site {
    pub(super) fn new(
        server: &Server,
        config: &Config,
        (management, management_tls): (Option<SocketAddr>, Option<SocketAddr>),
    ) -> Self {
        let door = server.door();
        Self {
            questions: Questions(door.clone()),
            rates: Rates::default(),
            started: door.now(),
            amqp: server.addresses().to_vec(),
            management,
            management_tls,
            identity: server.identity(),
            data_dir: config.data_dir.display().to_string(),
            gate: Arc::default(),
            hosts: Hosts::new(&config.management_host, config.management_forwarded),
            guard: Guard::new(
                door.logins(),
                Some(Questions(door.clone())),
                management.or(management_tls).map_or(0, |address| address.port()),
            ),
            door,
        }
    }

    fn route(&self, peer: Peer, head: &Head, body: &mut Body<'_, '_>) -> Answer {
        let method = if head.method == "HEAD" { "GET" } else { &head.method };
        let found: Vec<(&Route, _)> =
            ROUTES.iter().filter_map(|it| Some((it, it.matches(&head.path)?))).collect();
        if found.is_empty() && method == "GET" {
            return ui::file(&head.path).ok_or_else(Refusal::not_found);
        }
        if found.is_empty() {
            return Err(Refusal::not_found());
        }
        if method == "OPTIONS" {
            return Ok(Response::empty(200).with("Allow", &methods(&found)));
        }
        let allowed = methods(&found);
        let Some((route, names)) = found.into_iter().find(|(it, _)| it.method == method) else {
            let refusal = Refusal::method_not_allowed().response();
            return Ok(refusal.with("Allow", &allowed));
        };
        let caller = self.guard.identify(peer, head, self.door.now())?;
        self.guard.admits(&caller, route.rule, &names)?;
        // A body is only read of who may send one.
        let body = body.read(route.body_max)?;
        let pass = if route.lists { Some(self.gate.enter()?) } else { None };
        let unabridged = caller.is_administrator();
        let answer = (route.handler)(self, &Ask { caller, peer, names, head: head.clone(), body });
        let response = answer.unwrap_or_else(|refusal| refusal.response());
        let response = if unabridged { response } else { shown::to_others(route.path, response) };
        // What takes much memory is sent before the next is made.
        let large = response.body.len() > LARGE_OCTETS;
        Ok(if large { response.holding(pass) } else { response })
    }

    /// Makes changes for a caller who has been let through: all or none.
    pub(super) fn change(&self, changes: Vec<Change>) -> Result<(), Refusal> {
        Ok(self.door.change(changes)??)
    }

    /// The vhosts that a caller sees.
    pub(super) fn vhosts_of(&self, caller: &Caller) -> Result<Vec<ShortString>, Closed> {
        let names = self.questions.virtual_hosts()?.into_iter().map(|row| row.name);
        Ok(names.filter(|name| caller.sees(name)).collect())
    }

    /// Takes samples for as long as the broker runs.
    pub(super) fn sample(&self) {
        loop {
            match self.things() {
                Ok(things) => {
                    self.rates.sample((self.door.now(), self.door.wall()), things.into_iter())
                }
                Err(Closed) => return,
            }
            thread::sleep(Duration::from_secs(INTERVAL_SECONDS));
        }
    }

    fn things(&self) -> Result<Vec<(Key, Counters)>, Closed> {
        let overview = self.questions.overview()?;
        let mut things = vec![(Key::Overview, api::counters::of_overview(&overview))];
        if !self.rates.is_looked_at(self.door.now()) {
            return Ok(things);
        }
        for vhost in self.questions.virtual_hosts()? {
            self.questions.each_queue(&vhost.name, |row| {
                things.push((Key::Queue(row.id.0), api::counters::of_queue(&row)));
            })?;
            self.questions.each_exchange(&vhost.name, |row| {
                things.push((Key::Exchange(row.id.0), api::counters::of_exchange(&row)));
            })?;
        }
        self.questions.each_connection(|row| {
            things.push((Key::Connection(row.id.0), api::counters::of_connection(&row)));
        })?;
        self.questions.each_channel(|row| {
            let key = Key::Channel(row.connection.0, row.number.0);
            things.push((key, api::counters::of_channel(&row)));
        })?;
        Ok(things)
    }
}

impl Answers for Site {
    fn answer(&self, peer: Peer, head: &Head, body: &mut Body<'_, '_>) -> Response {
        // The owner's socket has no name.
        let own = if peer == Peer::Owner { Ok(()) } else { self.hosts.check(head) };
        let answer = own.and_then(|()| self.route(peer, head, body));
        let response = answer.unwrap_or_else(|refusal| refusal.response());
        // The page has a form of its own; a browser would show another.
        let asked_by_page = head.header(PAGE_HEADER).is_some();
        if asked_by_page { response.without("WWW-Authenticate") } else { response }
    }
}

/// What the port has that serves metrics and nothing else, and asks for no password.
#[derive(Debug)]
pub(super) struct MetricsSite(pub(super) Arc<Site>);

impl MetricsSite {
    fn objects(&self, query: Option<&[(String, String)]>) -> Answer {
        let pass = self.0.gate.enter()?;
        Ok(metrics::objects(&self.0, query)?.holding(pass))
    }
}

impl Answers for MetricsSite {
    fn answer(&self, _: Peer, head: &Head, _: &mut Body<'_, '_>) -> Response {
        let query = |name: &str| head.query.iter().any(|(key, _)| key == name);
        let path: Vec<_> = head.path.iter().map(String::as_str).collect();
        let answer = match (head.method.as_str(), path.as_slice()) {
            ("GET" | "HEAD", ["metrics"]) => metrics::aggregate(&self.0),
            ("GET" | "HEAD", ["metrics", "per-object"]) => self.objects(None),
            ("GET" | "HEAD", ["metrics", "detailed"]) if !query("family") => {
                metrics::aggregate(&self.0)
            }
            ("GET" | "HEAD", ["metrics", "detailed"]) => self.objects(Some(&head.query)),
            ("GET" | "HEAD", _) => Err(Refusal::not_found()),
            _ => Err(Refusal::method_not_allowed()),
        };
        answer.unwrap_or_else(|refusal| refusal.response())
    }
}

fn methods(routes: &[(&Route, Vec<(&'static str, String)>)]) -> String {
    let mut methods = vec!["OPTIONS"];
    for (route, _) in routes {
        if route.method == "GET" && !methods.contains(&"GET") {
            methods.push("HEAD");
        }
        if !methods.contains(&route.method) {
            methods.push(route.method);
        }
    }
    methods.join(", ")
}
