//! Moving: the ready messages of a queue go to another.

use serde_json::json;

use crate::admin::answer::{Answer, Refusal, ok};
use crate::admin::routes::Ask;
use crate::admin::session::Session;
use crate::admin::site::Site;
use crate::wire::ShortString;

/// POST /api/queues/:vhost/:queue/move {"destination", "count"}: as many as `count`, or as are
/// ready now, go to the end of the queue `destination`, each by one step that a crash cannot split.
/// Fewer are moved if that queue gets full.
pub(in super::super) fn move_ready(site: &Site, ask: &Ask) -> Answer {
    let (vhost, from) = (ask.name("vhost")?, ask.name("queue")?);
    let row = site.questions.queue(&vhost, &from)?.ok_or_else(Refusal::not_found)?;
    let fields = ask.fields()?;
    let to = ShortString::new(fields.needed("destination")?)
        .map_err(|_| Refusal::bad_request("destination is too long"))?;
    let count = fields.natural("count")?.unwrap_or(u64::MAX);
    // Not those that come meanwhile: a publisher could be as fast as this.
    let most = count.min(row.ready);
    let mut session = Session::open(&site.door, &ask.caller, &vhost)?;
    let mut moved: u64 = 0;
    loop {
        let rest = u32::try_from(most - moved).unwrap_or(u32::MAX);
        let some = session.move_ready(&from, &to, rest)?;
        moved += u64::from(some);
        if some == 0 || moved >= most {
            return ok(&json!({ "moved": moved }));
        }
    }
}
