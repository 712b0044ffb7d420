//! What RabbitMQ's keys mean here: one table.

use super::Form;

/// What becomes of a key.
#[derive(Clone, Copy, Debug)]
pub enum Meaning {
    /// It is this flag.
    Flag(&'static str, Form),
    /// It says something about clusters, plugins or the Erlang machine, or what is so anyway.
    Nothing,
    /// It asks for something that is not there: a warning with this advice.
    Lacking(&'static str),
    /// It restricts in a way that cannot be kept: the start is refused, with this advice.
    Restricting(&'static str),
}

use Form::{
    Address, Backend, ChannelMax, Count, FrameMax, Hashing, Mechanism, Member, Milliseconds,
    NoAddress, Proxy, Same, Switch, Verify, Version,
};
use Meaning::{Flag, Lacking, Nothing, Restricting};

/// Where messages about plugins send people.
const NO_PLUGIN: &str = "Leveret does not speak this protocol";
const LIMITS: &str =
    "Leveret has limits of vhosts and of users instead: set those, and take it out";
const CERTIFICATE: &str = "management asks clients for no certificate: bind it to an address that \
                           only the right ones reach, and take it out";

/// The keys in the order in which they are looked for. A `$` is any further text.
#[rustfmt::skip]
pub const KEYS: &[(&str, Meaning)] = &[
    ("listeners.tcp.$", Flag("listen", Address)),
    ("listeners.tcp", Flag("listen", NoAddress)),
    ("listeners.ssl.$", Flag("tls-listen", Address)),
    ("listeners.ssl", Flag("tls-listen", NoAddress)),
    ("proxy_protocol", Flag("proxy-from", Proxy)),
    // Who may come in.
    ("default_user", Flag("default-user", Same)),
    ("default_pass", Flag("default-pass", Same)),
    ("default_vhost", Flag("default-vhost", Same)),
    ("default_user_tags.$", Flag("default-user-tags", Member)),
    ("default_permissions.configure", Flag("default-configure", Same)),
    ("default_permissions.write", Flag("default-write", Same)),
    ("default_permissions.read", Flag("default-read", Same)),
    ("loopback_users.$", Flag("loopback-users", Member)),
    ("loopback_users", Flag("loopback-users", Member)),
    ("auth_mechanisms.$", Flag("auth-mechanisms", Mechanism)),
    ("auth_backends.$", Flag("", Backend)),
    ("password_hashing_module", Flag("password-hashing", Hashing)),
    ("default_users.$", Restricting("make users by definitions, and take it out")),
    ("default_policies.$", Lacking("make policies by definitions")),
    ("default_limits.$", Restricting(LIMITS)),
    ("credential_validator.$", Restricting("passwords are not judged here")),
    ("anonymous_login_$", Nothing),
    ("auth_$", Lacking("users are in the broker: make them by definitions")),
    // TLS.
    ("ssl_options.certfile", Flag("tls-certificate", Same)),
    ("ssl_options.keyfile", Flag("tls-key", Same)),
    ("ssl_options.password", Flag("tls-key-password", Same)),
    ("ssl_options.cacertfile", Flag("tls-client-roots", Same)),
    ("ssl_options.verify", Flag("", Verify)),
    ("ssl_options.fail_if_no_peer_cert", Flag("tls-client-required", Switch)),
    ("ssl_options.versions.$", Flag("tls-versions", Version)),
    ("ssl_options.crl_$", Restricting("revocation lists are not looked at")),
    ("ssl_options.ciphers.$", Restricting("the suites are those of TLS 1.2 and 1.3 that are safe: \
        take it out, and use ssl_options.versions")),
    ("ssl_options.depth", Nothing),
    ("ssl_options.honor_$", Nothing),
    ("ssl_options.client_renegotiation", Nothing),
    ("ssl_options.secure_renegotiate", Nothing),
    ("ssl_options.reuse_sessions", Nothing),
    ("ssl_options.dhfile", Nothing),
    ("ssl_options.bypass_pem_cache", Nothing),
    ("ssl_options.$", Restricting("it is not known what it restricts")),
    ("ssl_cert_login_from", Flag("tls-login-from", Same)),
    ("ssl_cert_login_san_type", Flag("tls-login-san-type", Same)),
    ("ssl_cert_login_san_index", Flag("tls-login-san-index", Same)),
    ("ssl_handshake_timeout", Nothing),
    // Management.
    ("management.ssl.certfile", Flag("tls-certificate", Same)),
    ("management.ssl.keyfile", Flag("tls-key", Same)),
    ("management.ssl.password", Flag("tls-key-password", Same)),
    ("management.ssl.cacertfile", Nothing),
    ("management.ssl.verify", Flag("", Form::NoVerify)),
    ("management.ssl.fail_if_no_peer_cert", Flag("", Form::MustBeFalse(CERTIFICATE))),
    ("management.ssl.versions.$", Flag("tls-versions", Version)),
    ("management.ssl.ciphers.$", Restricting("the suites are those of TLS 1.2 and 1.3 that are safe")),
    ("management.disable_basic_auth", Flag("", Form::MustBeFalse("passwords are the only way in"))),
    ("management.restrictions.$", Restricting("give users other tags instead")),
    ("management.oauth$", Lacking("users are in the broker")),
    ("management.listener.ssl", Flag("", Form::MustBeFalse("management with TLS is \
        management.ssl.port, management.ssl.certfile and management.ssl.keyfile"))),
    ("management.listener.ssl_opts.$", Restricting("management with TLS is management.ssl.port, \
        management.ssl.certfile and management.ssl.keyfile")),
    ("management.load_definitions", Flag("definitions", Same)),
    ("management.path_prefix", Lacking("let a proxy in front take the prefix away")),
    ("management.http_log_dir", Lacking("requests are not logged")),
    ("management.cors.$", Lacking("let a proxy in front answer for other origins")),
    ("management.$", Nothing),
    ("management_agent.$", Nothing),
    ("prometheus.ssl.$", Lacking("metrics are on management's address with TLS too: management.ssl.port")),
    ("prometheus.$", Nothing),
    // Limits.
    ("connection_max", Flag("connection-max", Count)),
    ("channel_max", Flag("channel-max", ChannelMax)),
    ("frame_max", Flag("frame-max", FrameMax)),
    ("heartbeat", Flag("heartbeat", Same)),
    ("handshake_timeout", Flag("handshake-timeout", Milliseconds)),
    ("max_message_size", Flag("max-message-size", Same)),
    ("consumer_timeout", Flag("consumer-timeout", Milliseconds)),
    ("channel_max_per_node", Restricting(LIMITS)),
    ("consumer_max_per_channel", Restricting("a channel has 10,000 at most")),
    ("vhost_max", Restricting(LIMITS)),
    ("disk_free_limit.absolute", Flag("disk-free-limit", Same)),
    ("disk_free_limit.relative", Flag("disk-free-limit-relative", Same)),
    ("vm_memory_high_watermark.relative", Flag("memory-high-watermark", Same)),
    ("vm_memory_high_watermark.absolute", Flag("memory-limit", Same)),
    ("total_memory_available_override_value", Lacking("set vm_memory_high_watermark.absolute")),
    ("vm_memory_$", Nothing),
    // What there is.
    ("load_definitions", Flag("definitions", Same)),
    ("definitions.local.path", Flag("definitions", Same)),
    ("definitions.import_backend", Flag("", Form::Local)),
    ("definitions.skip_if_unchanged", Nothing),
    ("definitions.$", Restricting("definitions come from a file or a directory: load_definitions")),
    ("default_queue_type", Flag("default-queue-type", Same)),
    ("cluster_name", Flag("cluster-name", Same)),
    // The log.
    ("log.console.level", Flag("log", Same)),
    ("log.file.level", Flag("log", Same)),
    ("log.default.level", Flag("log", Same)),
    ("log.level", Flag("log", Same)),
    ("log.console.formatter", Flag("log-format", Same)),
    ("log.exchange", Flag("log-exchange", Switch)),
    ("log.console$", Nothing),
    ("log.exchange.$", Nothing),
    ("log.file.$", Nothing),
    ("log.dir", Nothing),
    ("log.file", Lacking("the log is on standard error: let the service manager keep it")),
    ("log.$", Lacking("there is one log with one level, on standard error")),
    // Other protocols.
    ("mqtt.$", Lacking(NO_PLUGIN)),
    ("stomp.$", Lacking(NO_PLUGIN)),
    ("web_mqtt.$", Lacking(NO_PLUGIN)),
    ("web_stomp.$", Lacking(NO_PLUGIN)),
    ("stream.$", Lacking(NO_PLUGIN)),
    ("amqp1_0.$", Lacking(NO_PLUGIN)),
    // Clusters, plugins and the Erlang machine.
    ("background_gc_$", Nothing),
    ("classic_queue.$", Nothing),
    ("cluster_$", Nothing),
    ("collect_statistics$", Nothing),
    ("delegate_count", Nothing),
    ("deprecated_features.permit.$", Flag("", Form::Permit)),
    ("distribution.$", Nothing),
    ("erlang.$", Nothing),
    ("feature_flags.$", Nothing),
    ("hipe_compile", Nothing),
    ("lazy_queue_$", Nothing),
    ("link_max_per_session", Nothing),
    ("memory_monitor_interval", Nothing),
    ("mirroring_$", Nothing),
    ("mnesia_table_loading_$", Nothing),
    ("khepri$", Nothing),
    ("msg_store_$", Nothing),
    ("net_ticktime", Nothing),
    ("nodename", Nothing),
    ("num_acceptors.$", Nothing),
    ("queue_$", Nothing),
    ("quorum_$", Nothing),
    ("raft.$", Nothing),
    ("reverse_dns_lookups", Nothing),
    ("session_max_per_connection", Nothing),
    ("shovel.$", Nothing),
    ("socket_writer.$", Nothing),
    ("statistics$", Nothing),
    ("tcp_listen_options.$", Nothing),
    ("trace_vhosts", Nothing),
];

/// Where RabbitMQ has an address in two keys, `.ip` and `.port`: the beginning of both, the flag,
/// and the port that is meant without one.
pub const ENDPOINTS: &[(&str, &str, &str)] = &[
    ("management.tcp", "management", "15672"),
    ("management.ssl", "management-tls", "15671"),
    ("management.listener", "management", "15672"),
    ("prometheus.tcp", "metrics", "15692"),
];

/// What a key means; `None` is not known.
pub(super) fn meaning(key: &str) -> Option<Meaning> {
    let known = KEYS.iter().find(|(pattern, _)| match pattern.strip_suffix('$') {
        Some(prefix) => key.starts_with(prefix),
        None => key == *pattern,
    });
    known.map(|(_, meaning)| *meaning)
}
