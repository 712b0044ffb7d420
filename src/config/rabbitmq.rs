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
    ("load_definitions", "definitions", Form::Same),
    ("definitions.local.path", "definitions", Form::Same),
    ("loopback_users.$", "loopback-users", Form::Member),
    ("loopback_users", "loopback-users", Form::Member),
    ("disk_free_limit.absolute", "disk-free-limit", Form::Same),
    ("vm_memory_high_watermark.relative", "memory-high-watermark", Form::Same),
    ("log.console.level", "log", Form::Same),
    ("log.level", "log", Form::Same),
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
        let setting = setting(key, value);
        match settings.iter_mut().find(|other| other.flag == setting.flag) {
            Some(other) if setting.flag.ends_with("listen") => other.values.extend(setting.values),
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
