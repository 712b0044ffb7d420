//! Metrics in Prometheus' text format, under RabbitMQ's names, so that its dashboards work.
//!
//! ```text
//!   /metrics                     the broker as a whole: some two hundred lines, however much is in it
//!   /metrics/per-object          these, and each queue, exchange, connection and channel
//!   /metrics/detailed?family=..  only some families of objects, of some vhosts
//! ```

mod objects;
mod page;
mod vitals;
mod whole;

use super::answer::{Answer, Refusal};
use super::http::Response;
use super::routes::Ask;
use super::site::Site;
use objects::Wanted;
use page::Page;

/// What names of /metrics/detailed begin with.
const DETAILED: &str = "rabbitmq_detailed_";

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// GET /metrics
pub(super) fn aggregated(site: &Site, _: &Ask) -> Answer {
    aggregate(site)
}

/// GET /metrics/per-object
pub(super) fn per_object(site: &Site, _: &Ask) -> Answer {
    objects(site, None)
}

/// GET /metrics/detailed
pub(super) fn detailed(site: &Site, ask: &Ask) -> Answer {
    if ask.query("family").is_none() {
        return aggregate(site);
    }
    objects(site, Some(&ask.head.query))
}

/// The broker as a whole.
pub(super) fn aggregate(site: &Site) -> Answer {
    let mut page = Page::default();
    whole::write(site, whole::AGGREGATED, &mut page)?;
    Ok(Response::new(200, TEXT, page.into_bytes()))
}

/// Each object, or those that a query wants.
pub(super) fn objects(site: &Site, query: Option<&[(String, String)]>) -> Answer {
    let mut page = Page::default();
    match query {
        None => {
            whole::write(site, "per-object", &mut page)?;
            objects::write(site, "rabbitmq_", &Wanted::default(), &mut page)?;
        }
        Some(query) => {
            let wanted = Wanted::asked(query).ok_or_else(Refusal::not_found)?;
            whole::write_families(site, DETAILED, &wanted, &mut page)?;
            objects::write(site, DETAILED, &wanted, &mut page)?;
        }
    }
    Ok(Response::new(200, TEXT, page.into_bytes()))
}
