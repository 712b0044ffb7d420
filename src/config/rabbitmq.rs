//! RabbitMQ's configuration file: those of its keys that mean something here.
//!
//! The form is `key = value`, one a line, `#` before remarks. Keys that only concern what Leveret
//! does not have (clusters, plugins, the Erlang machine) are unknown like any other.

use std::path::Path;

use super::setting::{FileError, Setting};

/// How a value is to be understood.
#[derive(Clone, Copy)]
pub(super) enum Form {
    /// As it is.
    Same,
    /// `port` or `address:port`; a port alone is on all addresses.
    Address,
    /// `true` turns the flag on.
    Switch,
    /// The value is whether the key's last part is one of the flag's values.
    Member,
}

/// RabbitMQ's keys and the flags they stand for. A `$` is a name that may be anything.
pub(super) const KEYS: &[(&str, &str, Form)] = &[
    ("listeners.tcp.$", "listen", Form::Address),
    ("listeners.ssl.$", "tls-listen", Form::Address),
    ("ssl_options.certfile", "tls-certificate", Form::Same),
    ("ssl_options.keyfile", "tls-key", Form::Same),
    ("ssl_options.cacertfile", "tls-client-roots", Form::Same),
    ("ssl_options.fail_if_no_peer_cert", "tls-client-required", Form::Switch),
    ("management.ssl.certfile", "tls-certificate", Form::Same),
    ("management.ssl.keyfile", "tls-key", Form::Same),
    ("load_definitions", "definitions", Form::Same),
    ("definitions.local.path", "definitions", Form::Same),
    ("loopback_users.$", "loopback-users", Form::Member),
    ("loopback_users", "loopback-users", Form::Member),
    ("disk_free_limit.absolute", "disk-free-limit", Form::Same),
    ("vm_memory_high_watermark.relative", "memory-high-watermark", Form::Same),
    ("vm_memory_high_watermark.absolute", "memory-limit", Form::Same),
    ("log.console.level", "log", Form::Same),
    ("log.level", "log", Form::Same),
    ("log.console.formatter", "log-format", Form::Same),
    ("log.exchange", "log-exchange", Form::Switch),
];

/// Where RabbitMQ has an address in two keys, `.ip` and `.port`: the beginning of both, the flag,
/// and the port that is meant without one.
pub(super) const ENDPOINTS: &[(&str, &str, &str)] = &[
    ("management.tcp", "management", "15672"),
    ("management.ssl", "management-tls", "15671"),
    ("prometheus.tcp", "metrics", "15692"),
];

/// Reads RabbitMQ's form.
pub(super) fn parse(path: &Path, text: &str) -> Result<Vec<Setting>, FileError> {
    let mut settings: Vec<Setting> = Vec::new();
    let mut verifies = false;
    for (number, line) in text.lines().enumerate() {
        let line = line.split_once('#').map_or(line, |(before, _)| before).trim();
        if line.is_empty() {
            continue;
        }
        let Some((key, value)) = line.split_once('=') else {
            let reason = "'key = value' is expected".to_owned();
            return Err(FileError::Syntax { path: path.to_owned(), line: number + 1, reason });
        };
        let (key, value) = (key.trim(), value.trim());
        if key == "ssl_options.verify" {
            verifies = value == "verify_peer";
            continue;
        }
        let setting = endpoint(key, value, &settings).unwrap_or_else(|| setting(key, value));
        match settings.iter_mut().find(|other| other.flag == setting.flag) {
            Some(other) if setting.flag.ends_with("listen") => other.values.extend(setting.values),
            Some(other) if key.starts_with("management.ssl.") && setting.values != other.values => {
                let reason =
                    format!("'{key}' has to be that of ssl_options: there is one for both");
                return Err(FileError::Syntax { path: path.to_owned(), line: number + 1, reason });
            }
            Some(other) if setting.flag == "loopback-users" => other.values.extend(setting.values),
            Some(other) => *other = setting,
            None => settings.push(setting),
        }
    }
    if !verifies {
        // RabbitMQ asks nobody for a certificate then, whatever it has to check one with.
        settings.retain(|setting| !setting.flag.starts_with("tls-client-"));
    }
    Ok(settings)
}

/// A half of an address, joined with the other half if that is among the settings.
fn endpoint(key: &str, value: &str, settings: &[Setting]) -> Option<Setting> {
    let (start, part) = key.rsplit_once('.').filter(|(_, part)| ["ip", "port"].contains(part))?;
    let (_, flag, port) = ENDPOINTS.iter().find(|(known, ..)| *known == start)?;
    let said = settings.iter().find(|it| it.flag == *flag).and_then(|it| it.values.first());
    let (other_ip, other_port) =
        said.and_then(|address| address.rsplit_once(':')).unwrap_or(("0.0.0.0", port));
    let address = match part {
        "port" => format!("{other_ip}:{value}"),
        _ if value.contains(':') => format!("[{value}]:{other_port}"),
        _ => format!("{value}:{other_port}"),
    };
    Some(Setting { key: key.to_owned(), flag: (*flag).to_owned(), values: vec![address] })
}

fn setting(key: &str, value: &str) -> Setting {
    let known = KEYS.iter().find(|(pattern, ..)| match pattern.strip_suffix('$') {
        Some(prefix) => key.starts_with(prefix),
        None => key == *pattern,
    });
    let Some((_, flag, form)) = known else {
        return Setting { key: key.to_owned(), flag: key.to_owned(), values: Vec::new() };
    };
    let values = match form {
        Form::Same => vec![value.to_owned()],
        Form::Address if value.contains(':') => vec![value.to_owned()],
        Form::Address => vec![format!("0.0.0.0:{value}")],
        Form::Switch if value == "true" => vec![value.to_owned()],
        Form::Switch => Vec::new(),
        // `loopback_users = none` and `loopback_users.guest = false` both leave nobody.
        Form::Member if value == "true" => vec![key.rsplit('.').next().unwrap_or(key).to_owned()],
        Form::Member => vec![String::new()],
    };
    Setting { key: key.to_owned(), flag: (*flag).to_owned(), values }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Vec<(String, Vec<String>)> {
        let settings = parse(Path::new("rabbitmq.conf"), text).unwrap();
        settings.into_iter().map(|setting| (setting.flag, setting.values)).collect()
    }

    #[test]
    fn usual_keys_become_flags() {
        let text = "# a remark\nlisteners.tcp.default = 5673\nlisteners.tcp.2 = 127.0.0.1:5674\n\
                    log.console.level = warning # behind\n";
        let listen = vec!["0.0.0.0:5673".to_owned(), "127.0.0.1:5674".to_owned()];
        let expected =
            [("listen".to_owned(), listen), ("log".to_owned(), vec!["warning".to_owned()])];
        assert_eq!(parsed(text), expected);
    }

    #[test]
    fn roots_count_only_where_certificates_are_verified() {
        let text = "ssl_options.cacertfile = ca.pem\nssl_options.fail_if_no_peer_cert = true\n";
        assert_eq!(parsed(text), []);
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
            ("prometheus.tcp.ip = 127.0.0.1", "metrics", "127.0.0.1:15692"),
        ] {
            assert_eq!(parsed(text), [(flag.to_owned(), vec![address.to_owned()])], "{text}");
        }
    }

    #[test]
    fn management_shows_the_certificate_of_amqp() {
        let text = "ssl_options.certfile = a.pem\nmanagement.ssl.certfile = ";
        assert_eq!(parsed(&format!("{text}a.pem")).len(), 1);
        let error = parse(Path::new("rabbitmq.conf"), &format!("{text}b.pem")).unwrap_err();
        assert!(error.to_string().starts_with("rabbitmq.conf:2: 'management.ssl.certfile' has"));
    }

    #[test]
    fn users_of_this_machine_are_named_one_by_one_or_not_at_all() {
        for (text, expected) in [
            ("loopback_users.guest = false", vec![""]),
            ("loopback_users = none", vec![""]),
            ("loopback_users.guest = true\nloopback_users.ann = true", vec!["guest", "ann"]),
        ] {
            let expected = expected.into_iter().map(str::to_owned).collect();
            assert_eq!(parsed(text), [("loopback-users".to_owned(), expected)], "{text}");
        }
    }

    #[test]
    fn what_is_no_setting_is_refused_with_its_line() {
        let error = parse(Path::new("rabbitmq.conf"), "\nlisteners.tcp.default\n").unwrap_err();
        assert_eq!(error.to_string(), "rabbitmq.conf:2: 'key = value' is expected");
    }
}
