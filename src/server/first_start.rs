//! The user and the vhost of a first start where the settings name others than guest; and what is
//! to be said of passwords that everybody knows.

use std::collections::BTreeSet;
use std::net::{SocketAddr, ToSocketAddrs};

use log::{info, warn};

use crate::broker::access::{Change, NewPassword, VhostSettings};
use crate::broker::{Broker, Effects};
use crate::config::{Config, GUEST, OFF};
use crate::connection::Logins;
use crate::wire::ShortString;

use super::ServerError;

/// Makes what the settings name, if this is the first start of the data directory. With
/// definitions, what they say is made instead.
pub(super) fn make(
    config: &Config,
    broker: &mut Broker,
    logins: &Logins,
) -> Result<(), ServerError> {
    let first = &config.first;
    if first.is_usual() {
        return Ok(()); // the broker has made it, or had it
    }
    if config.definitions.is_some() {
        let user = first.default_user.escape_debug();
        warn!("the default user '{user}' is not made: users come from the definitions");
        return Ok(());
    }
    if broker.access().begun {
        return Ok(());
    }
    let refused = |reason: String| ServerError::FirstStart(reason);
    let name = |text: &str| {
        ShortString::new(text).map_err(|_| refused("a name is longer than 255 bytes".to_owned()))
    };
    let (user, vhost) = (name(&first.default_user)?, name(&first.default_vhost)?);
    let tags = first.default_user_tags.iter().filter(|tag| !tag.is_empty());
    let tags = tags.map(|tag| name(tag)).collect::<Result<_, _>>()?;
    let hash =
        logins.hash(first.default_pass.0.as_bytes()).map_err(|error| refused(error.to_string()))?;
    let description = "Default virtual host".to_owned();
    let changes = vec![
        Change::Begin,
        Change::PutVhost {
            name: vhost.clone(),
            settings: VhostSettings { description, ..VhostSettings::default() },
        },
        Change::PutUser { name: user.clone(), password: NewPassword::Hash(hash), tags },
        Change::SetPermissions {
            user,
            vhost,
            configure: first.default_configure.clone(),
            write: first.default_write.clone(),
            read: first.default_read.clone(),
        },
    ];
    broker.change(changes, &mut Effects::default()).map_err(|error| refused(error.to_string()))?;
    logins.replace(broker.users());
    Ok(())
}

/// Says whether somebody who knows the default password can log in from another machine.
pub(super) fn warn_of_default_password(config: &Config, amqp: &[SocketAddr], broker: &Broker) {
    if !amqp.iter().any(is_reached) && !management(config).iter().any(is_reached) {
        return;
    }
    let names = BTreeSet::from([GUEST, config.first.default_user.as_str()]);
    for name in names {
        let users = broker.users();
        let hash = users.get(name).and_then(|user| user.password.as_ref());
        if !hash.is_some_and(|hash| hash.verifies(GUEST.as_bytes())) {
            continue;
        }
        let shown = name.escape_debug();
        if config.loopback_users.iter().any(|one| one == name) {
            info!("user '{shown}' may log in from this machine only");
        } else {
            warn!(
                "user '{shown}' has the default password and may log in from other machines: \
                 give it another one, or name it in loopback_users"
            );
        }
    }
}

/// Where management is.
fn management(config: &Config) -> Vec<SocketAddr> {
    #[cfg(feature = "tls")]
    let addresses = [&config.management, &config.management_tls];
    #[cfg(not(feature = "tls"))]
    let addresses = [&config.management];
    let named = addresses.into_iter().filter(|address| *address != OFF);
    named.filter_map(|address| address.to_socket_addrs().ok()).flatten().collect()
}

/// Whether other machines can come to an address.
fn is_reached(address: &SocketAddr) -> bool {
    !address.ip().to_canonical().is_loopback()
}
