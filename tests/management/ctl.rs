//! `leveret ctl`: users, permissions, vhosts, policies, parameters, definitions.

use super::Stage;

#[test]
fn users_have_passwords_and_tags() {
    let stage = Stage::new();
    let says = |arguments: &[&str]| stage.ctl_says(arguments);
    assert!(says(&["add_user", "alice", "secret"]).starts_with("Adding user \"alice\" ...\nDone."));
    assert_eq!(
        says(&["set_user_tags", "alice", "monitoring", "own"]),
        "Setting tags for user \"alice\" to [monitoring, own] ...\n"
    );
    assert_eq!(
        says(&["list_users"]),
        "Listing users ...\nuser\ttags\nalice\t[monitoring, own]\nguest\t[administrator]\n"
    );
    assert_eq!(
        says(&["authenticate_user", "alice", "secret"]),
        "Authenticating user \"alice\" ...\nSuccess\n"
    );
    says(&["change_password", "alice", "new"]);
    assert_eq!(stage.ctl(&["authenticate_user", "alice", "secret"]).status.code(), Some(65));
    says(&["clear_password", "alice"]);
}

#[test]
fn permissions_are_set_and_listed() {
    let stage = Stage::new();
    let says = |arguments: &[&str]| stage.ctl_says(arguments);
    says(&["add_user", "alice", "secret"]);
    assert_eq!(
        says(&["set_permissions", "alice", "^a", ".*", ""]),
        "Setting permissions for user \"alice\" in vhost \"/\" ...\n"
    );
    assert_eq!(
        says(&["list_user_permissions", "alice"]),
        "Listing permissions for user \"alice\" ...\nvhost\tconfigure\twrite\tread\n/\t^a\t.*\t\n"
    );
    assert_eq!(says(&["list_permissions", "-s"]), "alice\t^a\t.*\t\nguest\t.*\t.*\t.*\n");
    says(&["set_topic_permissions", "alice", "amq.topic", "^a", ".*"]);
    assert_eq!(says(&["list_topic_permissions", "-s"]), "alice\tamq.topic\t^a\t.*\n");
    says(&["clear_topic_permissions", "alice", "amq.topic"]);
    assert_eq!(says(&["list_user_topic_permissions", "alice", "-s"]), "");
    says(&["clear_permissions", "alice"]);
}

#[test]
fn policies_parameters_and_limits() {
    let stage = Stage::new();
    let says = |arguments: &[&str]| stage.ctl_says(arguments);
    says(&["add_user", "alice", "secret"]);
    says(&["add_vhost", "v", "--description", "of a test", "--default-queue-type", "quorum"]);
    assert_eq!(
        says(&["list_vhosts", "name", "description", "-s"]),
        "/\tDefault virtual host\nv\tof a test\n"
    );
    says(&[
        "set_policy",
        "p",
        "^q",
        "{\"max-length\": 5}",
        "--priority",
        "-1",
        "--apply-to",
        "queues",
    ]);
    assert_eq!(
        says(&["list_policies", "-q"]),
        "vhost\tname\tpattern\tapply-to\tdefinition\tpriority\n\
         /\tp\t^q\tqueues\t{\"max-length\":5}\t-1\n"
    );
    says(&["set_operator_policy", "o", "", "{\"max-length\": 3}"]);
    assert!(says(&["list_operator_policies", "-s"]).starts_with("/\to\t\tall\t"));
    says(&["clear_policy", "p"]);
    says(&["clear_operator_policy", "o"]);
    let refused = stage.ctl(&["set_parameter", "shovel", "s", "{\"a\": 1}"]);
    assert_eq!(refused.status.code(), Some(65), "nothing runs a shovel");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("component shovel not found"));
    assert_eq!(says(&["list_parameters", "-s"]), "");
    says(&["set_global_parameter", "g", "5"]);
    assert_eq!(says(&["list_global_parameters", "-s"]), "g\t5\n");
    says(&["clear_global_parameter", "g"]);
    says(&["set_vhost_limits", "{\"max-queues\": 7, \"max-connections\": 8}"]);
    assert_eq!(says(&["list_vhost_limits", "-s"]), "/\t{\"max-connections\":8,\"max-queues\":7}\n");
    says(&["clear_vhost_limits"]);
    says(&["set_user_limits", "alice", "{\"max-channels\": 7}"]);
    assert_eq!(says(&["list_user_limits", "alice", "-s"]), "alice\t{\"max-channels\":7}\n");
    says(&["clear_user_limits", "alice", "all"]);
    assert_eq!(says(&["list_user_limits", "alice", "-s"]), "");
}

#[test]
fn definitions_go_to_a_file_and_back() {
    let stage = Stage::new();
    let says = |arguments: &[&str]| stage.ctl_says(arguments);
    says(&["add_user", "alice", "secret"]);
    says(&["add_vhost", "v"]);
    let file = stage.directory.path().join("definitions.json");
    let file = file.to_str().unwrap();
    says(&["export_definitions", file]);
    assert_eq!(says(&["import_definitions", file, "--dry-run"]), "");
    says(&["delete_vhost", "v"]);
    assert!(says(&["import_definitions", file, "--dry-run"]).starts_with("added\tvhosts\t"));
    says(&["import_definitions", file]);
    assert_eq!(says(&["list_vhosts", "-s"]), "/\nv\n");
    assert_eq!(says(&["hash_password", "x"]).len(), 49);
    assert_eq!(says(&["delete_user", "alice", "-q"]), "");
}

#[test]
fn what_goes_wrong_has_rabbitmqctls_exit_code() {
    let stage = Stage::new();
    let code = |arguments: &[&str]| {
        let output = stage.ctl(arguments);
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let no_user = (67, "Error: User \"alice\" does not exist\n".to_owned());
    assert_eq!(code(&["delete_user", "alice"]), no_user);
    assert_eq!(code(&["set_permissions", "alice", "", "", ""]), no_user);
    assert_eq!(code(&["set_user_tags", "alice"]), no_user);
    assert_eq!(code(&["add_user", "guest", "x"]).0, 70);
    let no_vhost = (65, "Error: Virtual host 'w' does not exist\n".to_owned());
    assert_eq!(code(&["list_permissions", "-p", "w"]), no_vhost);
    assert_eq!(code(&["set_policy", "-p", "w", "p", "", "{\"max-length\": 1}"]), no_vhost);
    assert_eq!(code(&["set_policy", "p", "", "{"]).0, 65);
    assert_eq!(code(&["set_policy", "p", ""]).0, 64);
}
