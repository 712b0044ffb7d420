//! The signals that a broker takes, and those that would end it though nothing is wrong with it.

use std::io;

use log::info;
use signal_hook::consts::{
    SIGALRM, SIGHUP, SIGINT, SIGIO, SIGPROF, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGVTALRM, SIGXFSZ,
};
use signal_hook::iterator::Signals;

/// Signals without an effect.
const IGNORED: [i32; 8] = [SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGIO, SIGXFSZ];

/// Takes the signals of this process from now on.
///
/// # Errors
/// The operating system's.
pub(super) fn take() -> io::Result<Signals> {
    Signals::new([SIGHUP, SIGINT, SIGTERM].iter().chain(&IGNORED))
}

/// Waits until the broker is to stop; on SIGHUP calls `reload`.
pub(super) fn wait(signals: &mut Signals, mut reload: impl FnMut()) {
    for signal in signals.forever() {
        match signal {
            SIGHUP => reload(),
            // The write that is refused shows as a full disk.
            SIGXFSZ => {}
            SIGINT => return info!("stopping on SIGINT"),
            SIGTERM => return info!("stopping on SIGTERM"),
            other => info!("signal {other} has no effect"),
        }
    }
}
