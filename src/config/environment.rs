//! Variables of the environment: RabbitMQ's names for ours, and slips.

use std::env;

use clap::{ArgMatches, Command};

use super::line::{is_said, variable};
use super::setting::{Remark, Setting, nearest, suggestion};

/// RabbitMQ's variables and the flags that they stand for.
pub(super) const ALIASES: [(&str, &str); 5] = [
    ("RABBITMQ_DEFAULT_USER", "default-user"),
    ("RABBITMQ_DEFAULT_USER_FILE", "default-user-file"),
    ("RABBITMQ_DEFAULT_PASS", "default-pass"),
    ("RABBITMQ_DEFAULT_PASS_FILE", "default-pass-file"),
    ("RABBITMQ_DEFAULT_VHOST", "default-vhost"),
];

/// RabbitMQ's variables that would decide who may come in, and where.
const DECIDING: [&str; 4] =
    ["RABBITMQ_NODE_", "RABBITMQ_SSL_", "RABBITMQ_CONFIG_", "RABBITMQ_MANAGEMENT_"];

/// Variables that are no flags of the broker.
const OTHERS: [&str; 4] =
    ["LEVERET_PASSWORD", "LEVERET_MUTANT", "LEVERET_FULL", "LEVERET_DATA_DIR"];

/// The settings that RabbitMQ's variables make, unless a flag or a variable of ours says the same.
pub(super) fn aliases(command: &Command, matches: &ArgMatches) -> Vec<Setting> {
    let setting = |(name, flag): &(&str, &str)| {
        let value = env::var(name).ok()?;
        let arg = command.get_arguments().find(|arg| arg.get_long() == Some(flag))?;
        (!is_said(matches, arg)).then(|| Setting {
            key: format!("the variable {name}"),
            flag: (*flag).to_owned(),
            values: vec![value],
            path: Default::default(),
            line: 0,
        })
    };
    ALIASES.iter().filter_map(setting).collect()
}

/// What is to be said of variables that look like settings and are none.
pub(super) fn remarks(command: &Command) -> Vec<Remark> {
    let known: Vec<String> =
        command.get_arguments().filter_map(|arg| arg.get_long().map(variable)).collect();
    let names = env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    names.filter_map(|name| remark(&name, &known)).collect()
}

fn remark(name: &str, known: &[String]) -> Option<Remark> {
    if name.starts_with("LEVERET_") {
        if known.iter().any(|one| one == name) || OTHERS.contains(&name) {
            return None;
        }
        let nearest = nearest(name, known.iter().map(String::as_str));
        let text = suggestion(nearest.map(|(_, name)| name));
        return Some(Remark::Warning(format!("the variable {name} is not known{text}")));
    }
    if !name.starts_with("RABBITMQ_") || ALIASES.iter().any(|(alias, _)| *alias == name) {
        return None;
    }
    Some(if DECIDING.iter().any(|prefix| name.starts_with(prefix)) {
        Remark::Warning(format!("the variable {name} is not read: use LEVERET_LISTEN and so on"))
    } else {
        Remark::Info(format!("the variable {name} has no meaning here"))
    })
}

#[cfg(test)]
mod tests {
    use super::super::command;
    use super::*;

    #[test]
    fn a_mistyped_variable_is_a_warning_with_the_nearest_name() {
        let command = command();
        let known: Vec<String> =
            command.get_arguments().filter_map(|arg| arg.get_long().map(variable)).collect();
        let text = |name| remark(name, &known).map(|one| one.to_string());
        let slip = text("LEVERET_FSYC").unwrap();
        assert_eq!(slip, "the variable LEVERET_FSYC is not known; did you mean 'LEVERET_FSYNC'?");
        for name in ["LEVERET_FSYNC", "LEVERET_PASSWORD", "RABBITMQ_DEFAULT_USER", "PATH"] {
            assert_eq!(text(name), None, "{name}");
        }
        let ours = remark("RABBITMQ_NODE_IP_ADDRESS", &known).unwrap();
        assert_eq!(ours.level(), log::Level::Warn);
        let none = remark("RABBITMQ_ERLANG_COOKIE", &known).unwrap();
        assert_eq!(none.level(), log::Level::Info);
    }

    #[test]
    fn every_alias_is_of_a_flag() {
        for (name, flag) in ALIASES {
            assert!(command().get_arguments().any(|arg| arg.get_long() == Some(flag)), "{name}");
        }
    }
}
