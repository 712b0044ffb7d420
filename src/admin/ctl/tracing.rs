//! The firehose of a vhost, on and off.

use serde_json::json;

use super::client::path;
use super::{Ctl, Failure};

pub(super) fn on(ctl: &Ctl, _: &[String], out: &mut Vec<u8>) -> Result<(), Failure> {
    trace(ctl, true, out)
}

pub(super) fn off(ctl: &Ctl, _: &[String], out: &mut Vec<u8>) -> Result<(), Failure> {
    trace(ctl, false, out)
}

fn trace(ctl: &Ctl, on: bool, out: &mut Vec<u8>) -> Result<(), Failure> {
    let (begins, done) = if on { ("Starting", "enabled") } else { ("Stopping", "disabled") };
    let vhost = &ctl.vhost;
    if ctl.talks() {
        out.extend_from_slice(format!("{begins} tracing for vhost \"{vhost}\" ...\n").as_bytes());
    }
    let path = path(&["vhosts", vhost]);
    // A change of a vhost that does not exist would make it.
    ctl.get(&path)?;
    ctl.request("PUT", &path, &[], Some(&json!({ "tracing": on })))?;
    if ctl.talks() {
        out.extend_from_slice(format!("Trace {done} for vhost {vhost}\n").as_bytes());
    }
    Ok(())
}
