//! SIGHUP: the settings are read again, and hold whole or not at all.

use log::{error, info, warn};

use crate::config::Source;

use super::Server;

/// Reads the settings again. What can change does; of the rest, and of what is wrong, the log
/// tells.
pub(super) fn run(source: &mut Source, server: &Server) {
    let read = source.read_again().map_err(|error| error.to_string());
    let checked = read.and_then(|reading| {
        server.reload(&reading.config).map_err(|error| error.to_string())?;
        Ok(reading)
    });
    let reading = match checked {
        Ok(reading) => reading,
        Err(error) => return error!("the settings in use stay: {error}"),
    };
    for remark in &reading.remarks {
        log::log!(remark.level(), "{remark}");
    }
    let level = reading.config.log;
    let changes = source.accept(reading);
    // Told at the more talkative of the two levels.
    log::set_max_level(level.max(log::max_level()));
    info!("the settings are read again, with certificates if there are any");
    for change in changes {
        if change.at_once { info!("{change}") } else { warn!("{change}") }
    }
    log::set_max_level(level);
}
