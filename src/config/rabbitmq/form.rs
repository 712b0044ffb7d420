//! How the values of RabbitMQ's keys are to be understood.

use super::super::OFF;
use super::super::values::address;

/// The longest frame that can be offered, in bytes.
const FRAME_BYTES_MAX: u32 = 1 << 20;

/// How a value is to be understood.
#[derive(Clone, Copy, Debug)]
pub enum Form {
    /// As it is.
    Same,
    /// `port` or `address:port`; a port alone is on all IPv4 addresses.
    Address,
    /// `none`, where others have addresses.
    NoAddress,
    /// `true` turns the flag on.
    Switch,
    /// The value is whether the key's last part is one of the flag's values.
    Member,
    /// Every connection begins with a PROXY header, or none.
    Proxy,
    /// A mechanism to log in by.
    Mechanism,
    /// Where users are: in the broker.
    Backend,
    /// The module that hashes passwords.
    Hashing,
    /// Whether clients are asked for a certificate.
    Verify,
    /// That clients are not asked for one.
    NoVerify,
    /// `true` would restrict, in a way that there is not: the advice.
    MustBeFalse(&'static str),
    /// Whether what RabbitMQ calls deprecated may be used.
    Permit,
    /// A version of TLS.
    Version,
    /// A count, or `infinity`.
    Count,
    /// A count of channels.
    ChannelMax,
    /// Bytes of a frame; 0 is no limit.
    FrameMax,
    /// A time in milliseconds, or `infinity`.
    Milliseconds,
    /// That definitions come from a file.
    Local,
}

/// What a value says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// What is so anyway.
    Nothing,
    /// The flag has no value, whatever was said before.
    Clear,
    /// The flag has this value.
    One(String),
    /// The flag has these values.
    Several(Vec<String>),
    /// Whether certificates of clients are checked.
    Verify(bool),
    /// It asks for more than there is: a warning. Something else of the list has to be left.
    Dropped(String),
    /// It asks for something that is not there: a warning.
    Warned(String),
    /// The flag has a value beside the one that was asked for: a warning.
    Clamped(String, String),
}

impl Form {
    /// Reads a value.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn read(self, key: &str, value: &str) -> Result<Value, String> {
        let one = |text: &str| Ok(Value::One(text.to_owned()));
        let last = key.rsplit('.').next().unwrap_or(key);
        match self {
            Self::Same if value.is_empty() => Err("a value is missing".to_owned()),
            Self::Same => one(value),
            Self::Address => address(value).map(Value::One),
            Self::NoAddress if value != "none" => {
                Err(format!("'none' is expected, or an address with '{key}.1 = '"))
            }
            Self::NoAddress => one(OFF),
            Self::Switch => {
                Ok(if boolean(value)? { Value::One("true".into()) } else { Value::Clear })
            }
            // `loopback_users = none` and `loopback_users.guest = false` both leave nobody.
            Self::Member if key == "loopback_users" && value == "none" => one(""),
            Self::Member if key == "loopback_users" => Err("'none' is expected".to_owned()),
            Self::Member if boolean(value)? => one(last),
            Self::Member => one(""),
            Self::Proxy if boolean(value)? => {
                Ok(Value::Several(vec!["0.0.0.0/0".to_owned(), "::/0".to_owned()]))
            }
            Self::Proxy => Ok(Value::Clear),
            Self::Mechanism => mechanism(value),
            Self::Backend => backend(value),
            Self::Hashing => hashing(value),
            Self::Verify | Self::NoVerify => {
                let verifies = match value {
                    "verify_peer" => true,
                    "verify_none" => false,
                    _ => return Err("verify_peer or verify_none is expected".to_owned()),
                };
                match self {
                    Self::NoVerify if verifies => {
                        Err("management asks clients for no certificate".to_owned())
                    }
                    Self::NoVerify => Ok(Value::Nothing),
                    _ => Ok(Value::Verify(verifies)),
                }
            }
            Self::MustBeFalse(advice) if boolean(value)? => Err(advice.to_owned()),
            Self::MustBeFalse(_) => Ok(Value::Nothing),
            Self::Permit if boolean(value)? => Ok(Value::Nothing),
            Self::Permit => Ok(Value::Warned("it is permitted here, or see --strict".to_owned())),
            Self::Version => version(value),
            Self::Count if value == "infinity" => Ok(Value::Nothing),
            Self::Count | Self::ChannelMax | Self::FrameMax => count(self, value),
            Self::Milliseconds if ["infinity", "undefined", "false"].contains(&value) => one("0"),
            Self::Milliseconds => {
                value.parse::<u64>().map_err(|_| format!("'{value}' is no number"))?;
                Ok(Value::One(format!("{value}ms")))
            }
            Self::Local if ["local_filesystem", "local"].contains(&value) => Ok(Value::Nothing),
            Self::Local => Err("definitions come from a file or a directory".to_owned()),
        }
    }
}

fn boolean(value: &str) -> Result<bool, String> {
    match value {
        "true" | "on" => Ok(true),
        "false" | "off" => Ok(false),
        _ => Err(format!("'{value}' is neither true nor false")),
    }
}

fn mechanism(value: &str) -> Result<Value, String> {
    match value {
        "PLAIN" | "AMQPLAIN" | "EXTERNAL" => Ok(Value::One(value.to_ascii_lowercase())),
        "ANONYMOUS" | "RABBIT-CR-DEMO" | "OAUTHBEARER" => {
            Ok(Value::Dropped(format!("{value} is not offered")))
        }
        _ => Err(format!("'{value}' is no mechanism such as PLAIN or EXTERNAL")),
    }
}

fn backend(value: &str) -> Result<Value, String> {
    match value {
        "internal" | "rabbit_auth_backend_internal" => Ok(Value::Nothing),
        _ => Err(format!("'{value}' is not there: users are in the broker ('internal')")),
    }
}

fn hashing(value: &str) -> Result<Value, String> {
    match value.strip_prefix("rabbit_password_hashing_") {
        Some("sha256" | "sha512") => Ok(Value::One("rabbitmq".to_owned())),
        Some("pbkdf2_hmac_sha512") => Ok(Value::One("strong".to_owned())),
        _ => Err(format!("'{value}' is not known or too weak")),
    }
}

fn version(value: &str) -> Result<Value, String> {
    match value {
        "tlsv1.2" | "tlsv1.3" => Ok(Value::One(value.trim_start_matches("tlsv").to_owned())),
        "tlsv1" | "tlsv1.1" | "sslv3" => Ok(Value::Dropped(format!("{value} is too weak"))),
        _ => Err(format!("'{value}' is no version such as tlsv1.3")),
    }
}

fn count(form: Form, value: &str) -> Result<Value, String> {
    let number: u64 = value.parse().map_err(|_| format!("'{value}' is no number"))?;
    Ok(match form {
        Form::ChannelMax if number > u16::MAX.into() => Value::One("0".to_owned()),
        Form::FrameMax if number == 0 || number > FRAME_BYTES_MAX.into() => {
            Value::Clamped(FRAME_BYTES_MAX.to_string(), format!("{FRAME_BYTES_MAX} is the most"))
        }
        _ => Value::One(number.to_string()),
    })
}
