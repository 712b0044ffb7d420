//! Changes: what they do, what is refused, and that their records say the same.

use super::*;
use crate::wire::Table;

fn name(text: &str) -> ShortString {
    ShortString::clipped(text)
}

/// A state with the user `alice` and the vhost `/`.
fn access() -> Access {
    let mut access = Access::default();
    let settings = VhostSettings::default();
    access.apply(Change::PutVhost { name: name("/"), settings }).unwrap();
    let user = Change::PutUser { name: name("alice"), password: NewPassword::None, tags: vec![] };
    access.apply(user).unwrap();
    access
}

fn permissions(user: &str, vhost: &str, configure: &str) -> Change {
    Change::SetPermissions {
        user: name(user),
        vhost: name(vhost),
        configure: configure.to_owned(),
        write: String::new(),
        read: ".*".to_owned(),
    }
}

fn policy(kind: PolicyKind, pattern: &str, key: &str, value: Field) -> Change {
    Change::PutPolicy {
        kind,
        vhost: name("/"),
        name: name("p"),
        pattern: pattern.to_owned(),
        apply_to: ApplyTo::Queues,
        priority: -3,
        definition: [(name(key), value)].into_iter().collect(),
    }
}

#[test]
fn permissions_allow_what_their_patterns_find() {
    let mut access = access();
    assert!(!access.allows(&name("alice"), &name("/"), Operation::Configure, "q"));
    access.apply(permissions("alice", "/", "^q")).unwrap();
    for (operation, object, allowed) in [
        (Operation::Configure, "q1", true),
        (Operation::Configure, "aq", false),
        (Operation::Write, "q1", false),
        (Operation::Read, "anything", true),
    ] {
        assert_eq!(access.allows(&name("alice"), &name("/"), operation, object), allowed);
    }
    assert!(!access.allows(&name("bob"), &name("/"), Operation::Read, "q"));
}

#[test]
fn what_a_change_is_about_must_exist() {
    let mut access = access();
    for (change, text) in [
        (permissions("bob", "/", ""), "user 'bob' not found"),
        (permissions("alice", "x", ""), "vhost 'x' not found"),
        (Change::DeleteUser { name: name("bob") }, "user 'bob' not found"),
        (Change::DeleteVhost { name: name("x") }, "vhost 'x' not found"),
        (
            Change::DeletePolicy { kind: PolicyKind::User, vhost: name("/"), name: name("p") },
            "policy 'p' in vhost '/' not found",
        ),
    ] {
        assert_eq!(access.apply(change), Err(ChangeRefused::NotFound(text.to_owned())));
    }
}

#[test]
fn a_pattern_or_a_policy_that_cannot_be_is_refused_whole() {
    let mut access = access();
    for change in [
        permissions("alice", "/", "("),
        permissions("alice", "/", "(?<!x)y"),
        policy(PolicyKind::User, "(", "max-length", Field::I64(1)),
        policy(PolicyKind::User, "", "max-length", Field::I64(-1)),
        policy(PolicyKind::Operator, "", "dead-letter-exchange", Field::LongString(vec![b'x'])),
        Change::PutVhost { name: name(""), settings: VhostSettings::default() },
        Change::PutUser { name: name("a\nb"), password: NewPassword::None, tags: vec![] },
    ] {
        let refused = access.apply(change.clone());
        assert!(matches!(refused, Err(ChangeRefused::Invalid(_))), "{change:?}: {refused:?}");
    }
    assert!(access.permissions.is_empty() && access.policies.is_empty());
}

#[test]
fn a_deleted_user_leaves_no_permission_behind() {
    let mut access = access();
    access.apply(permissions("alice", "/", ".*")).unwrap();
    access.apply(Change::DeleteUser { name: name("alice") }).unwrap();
    access
        .apply(Change::PutUser { name: name("alice"), password: NewPassword::None, tags: vec![] })
        .unwrap();
    assert!(!access.allows(&name("alice"), &name("/"), Operation::Configure, "q"));
}

#[test]
fn a_password_and_limits_stay_when_tags_change() {
    let mut access = access();
    let hash = PasswordHash::new(Hashing::Sha256, [7; SALT_OCTETS], b"secret");
    for change in [
        Change::PutUser {
            name: name("alice"),
            password: NewPassword::Hash(hash.clone()),
            tags: vec![],
        },
        Change::SetUserLimit { user: name("alice"), limit: UserLimit::MaxChannels, value: Some(5) },
        Change::PutUser {
            name: name("alice"),
            password: NewPassword::Unchanged,
            tags: vec![name("monitoring")],
        },
    ] {
        access.apply(change).unwrap();
    }
    let alice = &access.users[&name("alice")];
    assert_eq!((&alice.password, alice.max_channels), (&Some(hash), Some(5)));
    assert!(alice.has(Tag::Monitoring) && !alice.has(Tag::Administrator));
}

#[test]
fn a_record_says_what_its_change_said() {
    let hash = PasswordHash::new(Hashing::Sha512, [7; SALT_OCTETS], b"secret");
    let nested = Field::Array(vec![Field::Table(Table::default()), Field::Void, Field::F64(0.5)]);
    for change in [
        Change::Begin,
        Change::PutUser {
            name: name("a"),
            password: NewPassword::Hash(hash),
            tags: vec![name("administrator"), name("x")],
        },
        Change::PutUser { name: name("a"), password: NewPassword::Unchanged, tags: vec![] },
        Change::PutUser { name: name("a"), password: NewPassword::None, tags: vec![] },
        Change::DeleteUser { name: name("a") },
        Change::PutVhost {
            name: name("v"),
            settings: VhostSettings {
                description: "what for".to_owned(),
                tags: vec![name("t")],
                default_queue_type: name("quorum"),
                ..VhostSettings::default()
            },
        },
        Change::DeleteVhost { name: name("v") },
        permissions("a", "v", "^x"),
        Change::ClearPermissions { user: name("a"), vhost: name("v") },
        Change::SetTopicPermissions {
            user: name("a"),
            vhost: name("v"),
            exchange: name("x"),
            write: "^{username}".to_owned(),
            read: String::new(),
        },
        Change::ClearTopicPermissions { user: name("a"), vhost: name("v"), exchange: None },
        Change::ClearTopicPermissions {
            user: name("a"),
            vhost: name("v"),
            exchange: Some(name("")),
        },
        Change::SetVhostLimit { vhost: name("v"), limit: VhostLimit::MaxQueues, value: Some(0) },
        Change::SetUserLimit { user: name("a"), limit: UserLimit::MaxConnections, value: None },
        policy(PolicyKind::User, "^a", "overflow", Field::LongString(b"drop-head".to_vec())),
        policy(PolicyKind::Operator, "", "max-length", Field::I64(9)),
        Change::DeletePolicy { kind: PolicyKind::Operator, vhost: name("v"), name: name("p") },
        Change::PutParameter {
            component: name("shovel"),
            vhost: name("v"),
            name: name("s"),
            value: nested,
        },
        Change::DeleteParameter { component: name("c"), vhost: name("v"), name: name("n") },
        Change::PutGlobalParameter { name: name("n"), value: Field::Boolean(true) },
        Change::DeleteGlobalParameter { name: name("n") },
    ] {
        let mut octets = Vec::new();
        change.to_table().unwrap().encode(&mut octets);
        let table = Table::decode(&octets[4..]).unwrap();
        assert_eq!(Change::from_table(&table).as_ref(), Ok(&change));
    }
}

#[test]
fn what_is_no_change_is_said_to_be_none() {
    for (table, what) in [
        (Table::default(), "its change"),
        (
            Change::Begin
                .to_table()
                .unwrap()
                .iter()
                .map(|(key, _)| (key.clone(), Field::LongString(b"invent".to_vec())))
                .collect(),
            "'invent'",
        ),
    ] {
        let error = Change::from_table(&table).unwrap_err();
        assert!(error.to_string().ends_with(what), "{error}");
    }
}
