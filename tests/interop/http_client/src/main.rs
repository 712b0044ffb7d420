//! Everything that RabbitMQ's own Rust client asks of the HTTP API, once: it reads each answer into
//! a type, so a field that is missing or of another shape is an error.
//!
//! `http_client http://127.0.0.1:15672/api`

use rabbitmq_http_client::blocking_api::{Client, ClientBuilder};
use rabbitmq_http_client::commons::{
    ExchangeType, PolicyTarget, UserLimitTarget, VirtualHostLimitTarget,
};
use rabbitmq_http_client::requests::{
    EnforcedLimitParams, ExchangeParams, GlobalRuntimeParameterDefinition, Permissions,
    PolicyParams, QueueParams, RuntimeParameterDefinition, TopicPermissions, UserParams,
    VirtualHostParams,
};
use serde_json::{Map, Value, json};

type Client_ = Client<String, String, String>;
type Done = Result<(), Box<dyn std::error::Error>>;

/// From RabbitMQ's documentation: the hash of `test12`.
const HASH: &str = "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR";

fn main() -> Done {
    let url = std::env::args().nth(1).ok_or("the URL is missing")?;
    let client = login(&url, "guest", "guest");
    people(&client)?;
    rules(&client)?;
    messages(&login(&url, "ann", "test12"))?;
    looks(&client)?;
    definitions(&client)?;
    ends(&client)
}

fn login(url: &str, user: &str, password: &str) -> Client_ {
    ClientBuilder::new()
        .with_endpoint(url.to_owned())
        .with_basic_auth_credentials(user.to_owned(), password.to_owned())
        .build()
        .expect("the client can be built")
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

fn people(client: &Client_) -> Done {
    let vhost = VirtualHostParams {
        name: "v",
        description: Some("of a test"),
        tags: Some(vec!["a", "b"]),
        default_queue_type: None,
        tracing: false,
    };
    client.create_vhost(&vhost)?;
    assert_eq!(client.get_vhost("v")?.description.as_deref(), Some("of a test"));
    assert_eq!(client.list_vhosts()?.len(), 2);
    client.create_user(&UserParams::new("ann", HASH, "management,policymaker"))?;
    client.create_user(&UserParams::new("bob", HASH, ""))?;
    assert_eq!(client.list_users_without_permissions()?.len(), 2);
    client.declare_permissions(&Permissions::full_access("ann", "v"))?;
    assert_eq!(client.get_permissions("v", "ann")?.configure, ".*");
    assert_eq!(client.list_permissions_of("ann")?.len(), 1);
    let topics =
        TopicPermissions { user: "ann", vhost: "v", exchange: "x", write: "^a", read: ".*" };
    client.declare_topic_permissions(&topics)?;
    assert_eq!(client.get_topic_permissions_of("v", "ann")?.exchange, "x");
    assert_eq!(client.list_topic_permissions()?.len(), 1);
    let limit = EnforcedLimitParams::new(VirtualHostLimitTarget::MaxQueues, 5);
    client.set_vhost_limit("v", limit)?;
    let limit = EnforcedLimitParams::new(UserLimitTarget::MaxChannels, 50);
    client.set_user_limit("ann", limit)?;
    assert_eq!(client.list_vhost_limits("v")?.len(), 1);
    assert_eq!(client.list_user_limits("ann")?.len(), 1);
    assert_eq!(client.list_all_user_limits()?.len(), 1);
    assert_eq!(client.current_user()?.name, "guest");
    client.delete_users(vec!["bob"])?;
    assert_eq!(client.list_users()?.len(), 2);
    Ok(())
}

fn rules(client: &Client_) -> Done {
    let mut policy = PolicyParams::new("v", "p", "^q", object(json!({"max-length": 10})));
    policy.apply_to = PolicyTarget::Queues;
    client.declare_policy(&policy)?;
    client.declare_operator_policy(&PolicyParams { name: "o", ..policy })?;
    assert_eq!(client.list_policies_in("v")?.len(), 1);
    assert_eq!(client.get_operator_policy("v", "o")?.priority, 0);
    assert_eq!(client.list_operator_policies()?.len(), 1);
    // Nothing runs shovels, so a definition of one is refused.
    let shovel = client.upsert_runtime_parameter(&RuntimeParameterDefinition {
        name: "s",
        vhost: "v",
        component: "shovel",
        value: object(json!({"src-uri": "amqp://"})),
    });
    assert!(shovel.is_err());
    assert!(client.list_runtime_parameters()?.is_empty());
    let value = object(json!({"k": "v"}));
    client.upsert_global_runtime_parameter(&GlobalRuntimeParameterDefinition {
        name: "cluster_tags",
        value,
    })?;
    assert_eq!(client.get_global_runtime_parameter("cluster_tags")?.name, "cluster_tags");
    client.clear_global_runtime_parameter("cluster_tags")?;
    Ok(())
}

/// As a user who is no administrator.
fn messages(client: &Client_) -> Done {
    client.declare_exchange("v", &ExchangeParams::durable("x", ExchangeType::Topic, None))?;
    client.declare_queue("v", &QueueParams::new_quorum_queue("q", None))?;
    client.bind_queue("v", "q", "x", Some("a.#"), None)?;
    let publish = |key| client.publish_message("v", "x", key, "hello", Map::new());
    assert!(publish("a.b")?.routed);
    assert!(publish("b").is_err(), "the topic permission refuses it");
    assert_eq!(client.get_messages("v", "q", 2, "ack_requeue_false")?[0].payload, "hello");
    assert_eq!(client.list_queue_bindings("v", "q")?.len(), 2);
    let queue = client.get_queue_info("v", "q")?;
    assert_eq!(queue.policy.as_deref(), Some("p"));
    assert!(client.list_users().is_err() && client.list_nodes().is_err());
    Ok(())
}

fn looks(client: &Client_) -> Done {
    client.overview()?;
    let nodes = client.list_nodes()?;
    client.get_node_info(&nodes[0].name)?;
    client.get_cluster_name()?;
    client.list_connections()?;
    client.list_channels()?;
    client.list_consumers()?;
    assert_eq!(client.list_queues()?.len(), 1);
    assert_eq!(client.list_quorum_queues_in("v")?.len(), 1);
    client.list_queues_with_details()?;
    client.list_exchanges()?;
    client.get_exchange_info("v", "x")?;
    client.list_bindings_in("v")?;
    client.list_feature_flags()?;
    client.list_all_deprecated_features()?;
    client.health_check_cluster_wide_alarms()?;
    client.health_check_local_alarms()?;
    client.health_check_if_node_is_quorum_critical()?;
    Ok(())
}

fn definitions(client: &Client_) -> Done {
    let all = client.export_cluster_wide_definitions_as_data()?;
    assert_eq!((all.users.len(), all.queues.len(), all.policies.len()), (2, 1, 1));
    let text = client.export_cluster_wide_definitions_as_string()?;
    let vhost = client.export_vhost_definitions_as_string("v")?;
    client.export_vhost_definitions_as_data("v")?;
    client.delete_vhost("v", false)?;
    client.import_definitions(serde_json::from_str(&text)?)?;
    assert_eq!(client.list_queues_in("v")?.len(), 1);
    client.import_vhost_definitions("/", serde_json::from_str(&vhost)?)?;
    assert_eq!(client.list_queues_in("/")?.len(), 1);
    Ok(())
}

fn ends(client: &Client_) -> Done {
    client.delete_policy("v", "p", false)?;
    client.delete_operator_policy("v", "o", false)?;
    client.clear_vhost_limit("v", VirtualHostLimitTarget::MaxQueues)?;
    client.clear_user_limit("ann", UserLimitTarget::MaxChannels)?;
    client.clear_permissions("v", "ann", false)?;
    client.delete_queue("v", "q", false)?;
    client.delete_exchange("v", "x", false)?;
    client.delete_user("ann", false)?;
    assert!(client.delete_user("ann", false).is_err());
    client.delete_user("ann", true)?;
    client.delete_vhost("v", false)?;
    assert_eq!(client.list_vhosts()?.len(), 1);
    Ok(())
}
