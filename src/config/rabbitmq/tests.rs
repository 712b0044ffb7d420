//! Files as people bring them.

use super::*;

fn read(text: &str) -> Result<Settings, String> {
    let mut parser = Parser::default();
    parser.file(Path::new("rabbitmq.conf"), text).map_err(|error| error.to_string())?;
    parser.finish().map_err(|error| error.to_string())
}

fn parsed(text: &str) -> Vec<(String, Vec<String>)> {
    let settings = read(text).unwrap().settings;
    settings.into_iter().map(|setting| (setting.flag, setting.values)).collect()
}

fn owned(expected: &[(&str, &[&str])]) -> Vec<(String, Vec<String>)> {
    let values = |values: &[&str]| values.iter().map(ToString::to_string).collect();
    expected.iter().map(|(flag, all)| ((*flag).to_owned(), values(all))).collect()
}

#[test]
fn usual_keys_become_flags() {
    let text = "# a remark\nlisteners.tcp.default = 5673\nlisteners.tcp.2 = 127.0.0.1:5674\n\
                log.console.level = warning # behind\n";
    let expected = [("listen", &["0.0.0.0:5673", "127.0.0.1:5674"][..]), ("log", &["warning"])];
    assert_eq!(parsed(text), owned(&expected));
}

#[test]
fn what_restricts_is_a_flag() {
    for (text, flag, values) in [
        ("listeners.tcp = none", "listen", &["off"][..]),
        ("listeners.tcp.1 = 5672\nlisteners.tcp = none", "listen", &["off"]),
        ("listeners.tcp = none\nlisteners.tcp.1 = 5672", "listen", &["off"]),
        ("listeners.ssl = none\nlisteners.ssl.1 = 5671", "tls-listen", &[]),
        ("default_user = app", "default-user", &["app"]),
        ("default_pass = 'a#b = c' # d", "default-pass", &["a#b = c"]),
        ("default_vhost = prod", "default-vhost", &["prod"]),
        ("default_user_tags.monitoring = true", "default-user-tags", &["monitoring"]),
        ("default_permissions.write = ^a", "default-write", &["^a"]),
        ("auth_mechanisms.1 = EXTERNAL", "auth-mechanisms", &["external"]),
        ("auth_mechanisms.1 = PLAIN\nauth_mechanisms.2 = ANONYMOUS", "auth-mechanisms", &["plain"]),
        ("ssl_options.versions.1 = tlsv1.3", "tls-versions", &["1.3"]),
        (
            "ssl_options.versions.1 = tlsv1.2\nssl_options.versions.2 = tlsv1.1",
            "tls-versions",
            &["1.2"],
        ),
        ("ssl_options.password = x", "tls-key-password", &["x"]),
        ("ssl_cert_login_from = common_name", "tls-login-from", &["common_name"]),
        ("proxy_protocol = true", "proxy-from", &["0.0.0.0/0", "::/0"]),
        ("connection_max = 7", "connection-max", &["7"]),
        ("handshake_timeout = 5000", "handshake-timeout", &["5000ms"]),
        ("consumer_timeout = infinity", "consumer-timeout", &["0"]),
        ("channel_max = 128", "channel-max", &["128"]),
        ("loopback_users.guest = false", "loopback-users", &[""]),
        ("loopback_users = none", "loopback-users", &[""]),
        (
            "loopback_users.guest = true\nloopback_users.ann = true",
            "loopback-users",
            &["guest", "ann"],
        ),
    ] {
        assert_eq!(parsed(text), owned(&[(flag, values)]), "{text}");
    }
}

#[test]
fn what_restricts_and_cannot_be_kept_is_refused_with_its_line() {
    for (text, reason) in [
        ("\nlisteners.tcp.default\n", "rabbitmq.conf:2: 'key = value' is expected"),
        ("listeners.tcp = 5672", "rabbitmq.conf:1: 'listeners.tcp': 'none' is expected"),
        ("listeners.tcp.default = 0.0.0.0", "has no port"),
        ("loopback_users.guest = flase", "'flase' is neither true nor false"),
        ("loopback_users = guest", "'none' is expected"),
        ("auth_backends.1 = ldap", "'ldap' is not there"),
        ("auth_backends.1.authn = http", "'http' is not there"),
        ("auth_mechanisms.1 = ANONYMOUS", "ANONYMOUS is not offered"),
        ("auth_mechanisms.1 = GSSAPI", "'GSSAPI' is no mechanism"),
        ("ssl_options.versions.1 = tlsv1.1", "tlsv1.1 is too weak"),
        ("ssl_options.versions.1 = 1.3", "no version"),
        ("ssl_options.verify = peer", "verify_peer or verify_none"),
        ("ssl_options.verify = verify_peer", "needs ssl_options.cacertfile"),
        ("ssl_options.fail_if_no_peer_cert = true", "needs ssl_options.verify = verify_peer"),
        ("ssl_options.crl_check = true", "cannot be kept"),
        ("ssl_options.ciphers.1 = X", "cannot be kept"),
        ("ssl_options.new_thing = 1", "cannot be kept"),
        ("management.ssl.verify = verify_peer", "asks clients for no certificate"),
        ("management.listener.ssl = true", "management with TLS is management.ssl.port"),
        ("vhost_max = 3", "cannot be kept"),
        ("default_user = $(NO_SUCH_VARIABLE)", "the variable 'NO_SUCH_VARIABLE' is not set"),
        ("default_pass = encrypted:abc", "encrypted values"),
        ("default_pass = 'abc", "a closing ' is missing"),
        ("default_user =", "a value is missing"),
        ("defualt_user = app", "did you mean 'default_user'?"),
        ("ssl_option.verify = verify_peer", "did you mean 'ssl_options.verify'?"),
        ("password_hashing_module = rabbit_password_hashing_md5", "too weak"),
    ] {
        let error = read(text).unwrap_err();
        assert!(error.contains(reason), "{text}: {error}");
    }
}

#[test]
fn roots_count_only_where_certificates_are_verified() {
    let text = "ssl_options.cacertfile = ca.pem\n";
    assert_eq!(parsed(text), []);
    let text = format!("{text}ssl_options.fail_if_no_peer_cert = true\n");
    let flags = parsed(&format!("{text}ssl_options.verify = verify_peer\n"));
    let flags: Vec<_> = flags.into_iter().map(|(flag, _)| flag).collect();
    assert_eq!(flags, ["tls-client-roots", "tls-client-required"]);
}

#[test]
fn addresses_in_two_keys_are_joined() {
    for (text, flag, address) in [
        ("management.tcp.port = 1\nmanagement.tcp.ip = 10.0.0.1", "management", "10.0.0.1:1"),
        ("management.tcp.ip = ::1\nmanagement.tcp.port = 1", "management", "[::1]:1"),
        ("management.ssl.port = 2", "management-tls", "0.0.0.0:2"),
        ("management.listener.port = 3", "management", "0.0.0.0:3"),
        ("prometheus.tcp.ip = 127.0.0.1", "metrics", "127.0.0.1:15692"),
    ] {
        assert_eq!(parsed(text), owned(&[(flag, &[address])]), "{text}");
    }
}

#[test]
fn management_shows_the_certificate_of_amqp() {
    let text = "management.ssl.certfile = a.pem\nssl_options.certfile = ";
    assert_eq!(parsed(&format!("{text}a.pem")).len(), 1);
    let error = read(&format!("{text}b.pem")).unwrap_err();
    assert!(error.starts_with("rabbitmq.conf:1: 'management.ssl.certfile' has"), "{error}");
}

#[test]
fn what_has_no_meaning_is_said_and_what_is_not_there_is_a_warning() {
    assert!(read("deprecated_features.permit.global_qos = true").unwrap().remarks.is_empty());
    assert_eq!(read("deprecated_features.permit.global_qos = false").unwrap().remarks.len(), 1);
    let text = "cluster_formation.peer_discovery_backend = dns\nmqtt.listeners.tcp.1 = 1883\n\
                log.file = /var/log/rabbit.log\nlog.file = false\nsomething_else = 1\n";
    let read = read(text).unwrap();
    let remarks: Vec<_> =
        read.remarks.iter().map(|one| (one.level().as_str(), one.to_string())).collect();
    let levels: Vec<_> = remarks.iter().map(|(level, _)| *level).collect();
    assert_eq!(levels, ["INFO", "WARN", "WARN", "WARN"], "{remarks:?}");
    assert!(remarks[0].1.starts_with("rabbitmq.conf:1: 'cluster_formation"), "{remarks:?}");
    assert!(remarks[3].1.contains("unknown key 'something_else'"), "{remarks:?}");
    assert_eq!(read.settings, []);
}

#[test]
fn the_console_says_what_is_logged_before_the_others_do() {
    let text = "log.console.level = error\nlog.file.level = debug\nlog.default.level = info\n";
    assert_eq!(parsed(text), owned(&[("log", &["error"])]));
    assert_eq!(parsed("log.default.level = none"), owned(&[("log", &["none"])]));
}
