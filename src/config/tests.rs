//! Flags, environment and files together.

use std::fs;
use std::time::Duration;

use log::LevelFilter;

use super::*;
use crate::broker::FsyncPolicy;

fn read_as(name: &str, file: &str, flags: &[&str]) -> Result<(Config, Vec<String>), String> {
    let directory = tempfile::TempDir::new().unwrap();
    let path = directory.path().join(name);
    fs::write(&path, file).unwrap();
    let mut words = vec![OsString::from("--config"), path.into()];
    words.extend(flags.iter().map(OsString::from));
    let (config, remarks) = Config::read(&words).map_err(|error| error.to_string())?;
    let warnings = remarks.iter().filter(|one| one.level() == log::Level::Warn);
    Ok((config, warnings.map(ToString::to_string).collect()))
}

fn read(file: &str, flags: &[&str]) -> Result<(Config, Vec<String>), String> {
    read_as("leveret.toml", file, flags)
}

fn read_conf(file: &str) -> Result<(Config, Vec<String>), String> {
    read_as("rabbitmq.conf", file, &[])
}

#[test]
fn a_flag_wins_over_the_file_and_the_file_over_the_default() {
    let file = "fsync = 'never'\nlisten = ['127.0.0.1:1', '127.0.0.1:2']\nlog = 'warn'\n";
    let (config, _) = read(file, &["--log", "debug"]).unwrap();
    assert_eq!(config.fsync, FsyncPolicy::Never);
    assert_eq!(config.listen, ["127.0.0.1:1", "127.0.0.1:2"]);
    assert_eq!(config.log, LevelFilter::Debug);
    let (config, _) = read(file, &["--listen", "127.0.0.1:3"]).unwrap();
    assert_eq!(config.listen, ["127.0.0.1:3"]);
}

#[test]
fn a_value_is_refused_with_its_place() {
    let error = read("log = 'info'\nfsync = 'sometimes'", &[]).unwrap_err();
    assert!(error.contains("leveret.toml:2: fsync: "), "{error}");
    assert!(error.contains("'sometimes' is not an fsync policy"), "{error}");
    let error = read("[tls]\nkey = 'k'\nlisten = 'nowhere'", &[]).unwrap_err();
    assert!(error.contains("leveret.toml:3: tls.listen: "), "{error}");
    let error = read_conf("heartbeat = 5\nlog.console.level = loud\n").unwrap_err();
    assert!(error.contains("rabbitmq.conf:2: log.console.level: "), "{error}");
    assert!(!error.contains("--log"), "{error}");
    let error = read("", &["--log", "loud"]).unwrap_err();
    assert!(error.contains("'--log"), "{error}");
}

#[test]
fn unknown_keys_are_warned_of_or_refused() {
    let file = "data_dri = '/d'\n[nothing]\nlike_it = 1\n";
    let (_, unknown) = read(file, &[]).unwrap();
    assert_eq!(unknown.len(), 2);
    assert!(unknown[0].ends_with("unknown key 'data_dri'; did you mean 'data_dir'?"));
    assert!(unknown[1].ends_with("unknown key 'nothing.like_it'"), "{}", unknown[1]);
    let error = read(file, &["--strict-config"]).unwrap_err();
    assert!(error.contains("unknown key 'data_dri'"), "{error}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let words = ["--config=/nowhere/leveret.toml".into()];
    let error = Config::read(&words).unwrap_err().to_string();
    assert!(error.starts_with("cannot read the configuration /nowhere/leveret.toml: "));
}

#[test]
fn files_in_rabbitmqs_classic_form_are_named_as_such() {
    for (name, text) in
        [("rabbitmq.config", ""), ("rabbitmq.toml", "[{rabbit, []}]."), ("a", "%% x")]
    {
        let error = read_as(name, text, &[]).unwrap_err();
        assert!(error.contains("Erlang terms are not read"), "{name}: {error}");
    }
}

#[test]
fn a_directory_of_files_is_read_in_the_order_of_their_names() {
    let directory = tempfile::TempDir::new().unwrap();
    for (name, text) in [
        ("20-more.conf", "\u{feff}heartbeat = 20\nloopback_users.ann = true\n"),
        ("10-first.conf", "heartbeat = 10\nloopback_users.guest = true\n"),
        ("notes.txt", "nothing"),
    ] {
        fs::write(directory.path().join(name), text).unwrap();
    }
    let words = [OsString::from("--config"), directory.path().into()];
    let (config, remarks) = Config::read(&words).unwrap();
    assert!(remarks.is_empty(), "{remarks:?}");
    assert_eq!(config.limits.heartbeat, 20);
    assert_eq!(config.loopback_users, ["guest", "ann"]);
}

#[test]
fn what_rabbitmq_calls_otherwise_is_a_flag_here() {
    let flags = KEYS.iter().filter_map(|(_, meaning)| match meaning {
        Meaning::Flag(flag, _) => Some(*flag),
        _ => None,
    });
    for flag in flags.chain(ENDPOINTS.iter().map(|(_, flag, _)| *flag)) {
        let known = command().get_arguments().any(|arg| arg.get_long() == Some(flag));
        assert!(known || flag.is_empty() || cfg!(not(feature = "tls")), "{flag}");
    }
}

#[test]
fn limits_are_of_the_memory_or_in_bytes() {
    let (config, _) = read("", &[]).unwrap();
    assert_eq!((config.memory_limit(1000), config.disk_limit(1000)), (600, 50_000_000));
    let file = "memory_limit = '2kB'\ndisk_free_limit_relative = 1.5\n";
    let (config, _) = read(file, &[]).unwrap();
    assert_eq!((config.memory_limit(1000), config.disk_limit(1000)), (2000, 1500));
}

#[test]
fn a_file_for_ones_own_user_leaves_no_guest() {
    let text = "default_vhost = prod\ndefault_user = app\ndefault_pass = s3cret\n\
                default_user_tags.administrator = true\nloopback_users.guest = false\n\
                listeners.tcp.default = 5672\nlog.console = true\nlog.console.level = warning\n";
    let (config, warnings) = read_conf(text).unwrap();
    assert_eq!(warnings, Vec::<String>::new());
    assert!(!config.first.is_usual());
    assert_eq!((&*config.first.default_user, &*config.first.default_vhost), ("app", "prod"));
    assert_eq!(config.first.default_pass, Secret("s3cret".to_owned()));
    assert_eq!(config.log, LevelFilter::Warn);
    assert!(!format!("{config:?}").contains("s3cret"));
}

#[cfg(feature = "tls")]
#[test]
fn a_file_for_tls_only_leaves_no_plain_address() {
    let text = "listeners.tcp = none\nlisteners.ssl.default = 5671\n\
                ssl_options.cacertfile = /certs/ca.pem\nssl_options.certfile = /certs/server.pem\n\
                ssl_options.keyfile = /certs/server.key\nssl_options.verify = verify_peer\n\
                ssl_options.fail_if_no_peer_cert = true\nssl_options.versions.1 = tlsv1.3\n\
                auth_mechanisms.1 = EXTERNAL\nssl_cert_login_from = common_name\n";
    let (config, warnings) = read_conf(text).unwrap();
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!(config.plain_addresses().count(), 0);
    assert_eq!(config.tls_listen, ["0.0.0.0:5671"]);
    assert!(config.tls_client_required);
    assert_eq!(config.tls.tls_versions, [TlsVersion::V1_3]);
    assert_eq!(config.auth_mechanisms, [AuthMechanism::External]);
    assert_eq!(config.tls.tls_login_from, LoginFrom::CommonName);
}

#[test]
fn a_file_with_units_and_limits_is_in_force() {
    let text = "disk_free_limit.absolute = 2Gi\nvm_memory_high_watermark.absolute = 512M\n\
                max_message_size = 134217728\nheartbeat = 30\nchannel_max = 128\n\
                frame_max = 131072\nconsumer_timeout = 3600000\ndefault_queue_type = quorum\n\
                cluster_name = edge\nmanagement.load_definitions = /etc/definitions.json\n\
                management.path_prefix = /mq\nmanagement.tcp.port = 15672\n";
    let (config, warnings) = read_conf(text).unwrap();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("rabbitmq.conf:11: 'management.path_prefix' is not there"));
    assert_eq!(config.disk_limit(0), 2 << 30);
    assert_eq!(config.memory_limit(0), 512 << 20);
    let limits = &config.limits;
    assert_eq!((limits.heartbeat, limits.channel_max, limits.frame_max), (30, 128, 131_072));
    assert_eq!(limits.max_message_size, 128 << 20);
    assert_eq!(limits.consumer_timeout, Duration::from_secs(3600));
    assert_eq!(config.default_queue_type, "quorum");
    assert_eq!(config.identity().cluster, "edge");
    assert_eq!(config.definitions.as_deref(), Some(Path::new("/etc/definitions.json")));
    assert_eq!(config.management, "0.0.0.0:15672");
}

#[test]
fn a_password_may_be_in_a_file_and_has_a_longest_length() {
    let directory = tempfile::TempDir::new().unwrap();
    let path = directory.path().join("password");
    fs::write(&path, "geheim\n").unwrap();
    let shown = path.to_str().unwrap();
    let (config, _) = read("", &["--default-pass-file", shown]).unwrap();
    assert_eq!(config.first.default_pass, Secret("geheim".to_owned()));
    let flags = ["--default-pass", "own"];
    let (config, _) = read(&format!("default_pass_file = '{shown}'"), &flags).unwrap();
    assert_eq!(config.first.default_pass, Secret("own".to_owned()));
    let error = read("", &["--default-pass-file", "/nowhere"]).unwrap_err();
    assert!(error.contains("/nowhere"), "{error}");
    let long = "x".repeat(NEW_PASSWORD_BYTES_MAX + 1);
    let error = read_conf(&format!("default_pass = {long}")).unwrap_err();
    assert!(error.contains("no client could log in with it") && !error.contains("xxx"), "{error}");
    assert!(read_conf(&format!("default_pass = {}", &long[1..])).is_ok());
    assert!(read("default_pass = ''", &[]).is_err());
}
