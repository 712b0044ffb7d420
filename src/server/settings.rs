//! What the settings mean for the broker, its users and its connections.

use std::io;
use std::sync::Arc;

use crate::broker::arguments::QueueType;
use crate::broker::{Broker, BrokerOptions};
use crate::config::Config;
use crate::connection::{CLUSTER, ConnectionOptions, Identity, LoginRules, Logins, Tuning};
use crate::store::{RealDisk, Store, StoreOptions};
use crate::wire::Field;

use super::clock::{self, BrokerClock};
use super::limits::Limits;
use super::{ServerError, definitions, first_start, watchdog};

/// Opens the store and restores what is in it.
pub(super) fn open_broker(
    config: &Config,
    limits: &Limits,
    memory: u64,
) -> Result<(Broker, BrokerClock), ServerError> {
    let disk = RealDisk::new(&config.data_dir)
        .map_err(|error| ServerError::Directory { path: config.data_dir.clone(), error })?;
    let sizes = if config.tiny_files { StoreOptions::TINY } else { StoreOptions::default() };
    let sizes = sizes.for_disk(watchdog::disk_total(&config.data_dir));
    let sizes = sizes.for_files(limits.file_bytes_max);
    let store = StoreOptions { open_files_max: limits.files_max, ..sizes };
    let (store, recovery) = Store::examine(Arc::new(disk), store)?;
    let reading = clock::read();
    let (fsync, strict, seed) = (config.fsync, config.strict, reading.wall);
    // Others than guest are made when passwords can be hashed.
    let defaults = config.definitions.is_none() && config.first.is_usual();
    let mut options = BrokerOptions { fsync, strict, seed, defaults, ..BrokerOptions::default() };
    // On a small machine messages go to disk before they are the reason for an alarm.
    options.resident_bytes_max = options.resident_bytes_max.min(memory / 8);
    options.reading = Some(reading);
    options.log_exchange = config.log_exchange;
    options.message_bytes_max = config.limits.max_message_size;
    let timeout = config.limits.consumer_timeout;
    options.consumer_timeout = (!timeout.is_zero()).then_some(timeout);
    options.default_queue_type = QueueType::named(&config.default_queue_type).unwrap_or_default();
    options.transactions_bytes_max = options.transactions_bytes_max.min(memory / 4);
    let broker = Broker::open(store, recovery, options)?;
    let time = BrokerClock::new(broker.now(), reading);
    Ok((broker, time))
}

/// Imports definitions, or makes what a first start makes.
pub(super) fn populate(
    config: &Config,
    broker: &mut Broker,
    logins: &Logins,
) -> Result<(), ServerError> {
    if let Some(path) = &config.definitions {
        definitions::import(path, broker, logins)
            .map_err(|reason| ServerError::Definitions { path: path.clone(), reason })?;
        logins.replace(broker.users());
    }
    first_start::make(config, broker, logins)
}

/// What clients are told that this is. The name of the cluster comes with definitions too, unless
/// the settings have one.
pub(super) fn identity(config: &Config, broker: &Broker) -> Identity {
    let mut identity = config.identity();
    let imported = broker.access().global_parameters.get("cluster_name");
    if let Some(Field::LongString(name)) = imported
        && identity.cluster == CLUSTER
    {
        identity.cluster = String::from_utf8_lossy(name).into_owned();
    }
    identity
}

/// What connections are told.
pub(super) fn connection_options(
    config: &Config,
    logins: Arc<Logins>,
    memory: u64,
    identity: Identity,
) -> ConnectionOptions {
    let usual = ConnectionOptions::new(logins).with_memory(memory);
    let limits = &config.limits;
    let channel_max = if limits.channel_max == 0 { u16::MAX } else { limits.channel_max };
    ConnectionOptions {
        identity,
        mechanisms: config.auth_mechanisms.iter().map(|one| (*one).into()).collect(),
        tuning: Tuning {
            channel_max,
            frame_max: limits.frame_max,
            heartbeat_seconds: limits.heartbeat,
        },
        handshake_max: limits.handshake_timeout,
        body_octets_max: limits.max_message_size,
        kept_octets_max: usual.kept_octets_max.max(limits.max_message_size),
        ..usual
    }
}

/// The users that the broker has, for the threads of connections.
pub(super) fn logins(config: &Config, broker: &Broker) -> io::Result<Arc<Logins>> {
    let mut key = [0; 32];
    getrandom::fill(&mut key)?;
    let LoginRules { loopback_users, hashing } = login_rules(config);
    Ok(Arc::new(Logins::new(broker.users(), loopback_users, hashing, key)))
}

/// What the settings say of logins.
pub(super) fn login_rules(config: &Config) -> LoginRules {
    let loopback_users = config.loopback_users.iter().filter(|name| !name.is_empty());
    let hashing = config.password_hashing.into();
    LoginRules { loopback_users: loopback_users.cloned().collect(), hashing }
}
