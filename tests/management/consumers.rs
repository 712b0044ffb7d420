//! What consumers are reported to do.

use std::collections::BTreeMap;

use leveret::client::Client;
use leveret::ids::ChannelNumber;
use leveret::wire::{Field, Properties, ShortBytes, ShortString, Table, basic, queue};
use serde_json::{Value, json};

use super::Stage;

/// A client whose channels 1, 2 … are consumers "c1", "c2" … of one queue.
struct Consumers {
    client: Client,
    channels: Vec<ChannelNumber>,
}

impl Consumers {
    /// Declares the queue and has as many consumers as there are priorities.
    fn of(stage: &Stage, arguments: &[(&str, Field)], priorities: &[i32]) -> Self {
        let mut of = Self { client: stage.client(), channels: Vec::new() };
        let declare = queue::Declare {
            queue: ShortString::clipped("q"),
            durable: true,
            arguments: table(arguments),
            ..Default::default()
        };
        let channel = of.client.open_channel(100).unwrap();
        of.client.call(channel, declare).unwrap();
        for priority in priorities {
            of.come(*priority, false);
        }
        of
    }

    fn come(&mut self, priority: i32, exclusive: bool) {
        let number = u16::try_from(self.channels.len() + 1).unwrap();
        let channel = self.client.open_channel(number).unwrap();
        let consume = basic::Consume {
            queue: ShortString::clipped("q"),
            consumer_tag: ShortString::clipped(&format!("c{number}")),
            exclusive,
            arguments: table(&[("x-priority", Field::I32(priority))]),
            ..Default::default()
        };
        self.client.call(channel, consume).unwrap();
        self.channels.push(channel);
    }

    fn cancel(&mut self, number: usize) {
        let consumer_tag = ShortString::clipped(&format!("c{number}"));
        let cancel = basic::Cancel { consumer_tag, no_wait: false };
        self.client.call(self.channels[number - 1], cancel).unwrap();
    }
}

fn table(fields: &[(&str, Field)]) -> Table {
    fields.iter().map(|(name, value)| (ShortString::clipped(name), value.clone())).collect()
}

/// What each consumer of a list does, by its tag.
fn activities(list: &Value) -> BTreeMap<String, (String, bool)> {
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    let one = |it: &Value| {
        let active = it["active"].as_bool().unwrap();
        (word(&it["consumer_tag"]), (word(&it["activity_status"]), active))
    };
    list.as_array().unwrap().iter().map(one).collect()
}

impl Stage {
    /// Asks in each way what the consumers do, and has all ways agree.
    fn consumers_do(&self, expected: &[(&str, &str)]) {
        let expected: BTreeMap<_, _> = expected
            .iter()
            .map(|(tag, does)| ((*tag).to_owned(), ((*does).to_owned(), *does != "waiting")))
            .collect();
        for path in ["/api/consumers", "/api/consumers/%2F"] {
            assert_eq!(activities(&self.get(path)), expected, "{path}");
        }
        let queue = self.get("/api/queues/%2F/q");
        assert_eq!(activities(&queue["consumer_details"]), expected);
        let channels = self.get("/api/channels");
        let mut of_channels = BTreeMap::new();
        for channel in channels.as_array().unwrap() {
            let name = channel["name"].as_str().unwrap().replace(' ', "%20");
            let channel = self.get(&format!("/api/channels/{}", name.replace('>', "%3E")));
            of_channels.extend(activities(&channel["consumer_details"]));
        }
        assert_eq!(of_channels, expected);

        let active = expected.iter().find(|(_, (does, _))| does == "single_active");
        let tag = active.map_or(Value::Null, |(tag, _)| json!(tag));
        let pid = active.map_or(Value::Null, |(tag, _)| self.channel_of(tag));
        for queue in [&queue, &self.get("/api/queues")[0]] {
            assert_eq!(queue["single_active_consumer_tag"], tag);
            assert_eq!(queue["single_active_consumer_pid"], pid);
        }
        let columns = ["single_active_consumer_pid", "single_active_consumer_tag"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let listed = self.ctl_says(&["list_queues", columns[0], columns[1], "-s"]);
        assert_eq!(listed, format!("{}\t{}\n", text(&pid), text(&tag)));
        let listed = self
            .ctl_says(&["list_consumers", "consumer_tag", "activity_status", "active", "-s"])
            .lines()
            .map(|line| line.split('\t').map(str::to_owned).collect::<Vec<_>>())
            .map(|words| (words[0].clone(), (words[1].clone(), words[2] == "true")))
            .collect::<BTreeMap<_, _>>();
        assert_eq!(listed, expected);
    }

    /// The name of a consumer's channel.
    fn channel_of(&self, tag: &str) -> Value {
        let consumers = self.get("/api/consumers");
        let mut consumers = consumers.as_array().unwrap().iter();
        consumers.find(|it| it["consumer_tag"] == tag).unwrap()["channel_details"]["name"].clone()
    }
}

const SINGLE: (&str, Field) = ("x-single-active-consumer", Field::Boolean(true));

#[test]
fn a_single_active_consumer_is_reported_and_so_is_the_one_that_follows() {
    let stage = Stage::new();
    let mut of = Consumers::of(&stage, &[SINGLE], &[]);
    stage.consumers_do(&[]);
    for priority in [0, 0, 5] {
        of.come(priority, false);
    }
    stage.consumers_do(&[("c1", "single_active"), ("c2", "waiting"), ("c3", "waiting")]);
    of.cancel(2);
    stage.consumers_do(&[("c1", "single_active"), ("c3", "waiting")]);
    of.come(9, false);
    of.cancel(1);
    stage.consumers_do(&[("c4", "single_active"), ("c3", "waiting")]);
    of.cancel(4);
    stage.consumers_do(&[("c3", "single_active")]);
    of.cancel(3);
    stage.consumers_do(&[]);
}

#[test]
fn a_consumer_of_higher_priority_is_reported_when_it_takes_over() {
    let stage = Stage::new();
    let quorum = ("x-queue-type", Field::LongString(b"quorum".to_vec()));
    let mut of = Consumers::of(&stage, &[SINGLE, quorum], &[1]);
    stage.consumers_do(&[("c1", "single_active")]);
    of.come(2, false);
    stage.consumers_do(&[("c1", "waiting"), ("c2", "single_active")]);
    of.cancel(2);
    stage.consumers_do(&[("c1", "single_active")]);
    // With something to acknowledge it is active until it has done so.
    let channel = of.channels[0];
    let routing_key = ShortBytes::clipped(b"q");
    let publish = basic::Publish { routing_key, ..Default::default() };
    of.client.publish(channel, publish, &Properties::default(), b"x");
    of.come(2, false);
    stage.consumers_do(&[("c1", "single_active"), ("c3", "waiting")]);
    of.client.send(channel, basic::Ack { delivery_tag: 1, multiple: false });
    of.client.call(channel, basic::Qos::default()).unwrap();
    stage.consumers_do(&[("c1", "waiting"), ("c3", "single_active")]);
}

#[test]
fn consumers_that_share_a_queue_are_all_active() {
    let stage = Stage::new();
    let mut of = Consumers::of(&stage, &[], &[0, 3]);
    stage.consumers_do(&[("c1", "up"), ("c2", "up")]);
    of.cancel(1);
    of.cancel(2);
    of.come(0, true);
    stage.consumers_do(&[("c3", "up")]);
    let queue = stage.get("/api/queues/%2F/q");
    assert_eq!(queue["exclusive_consumer_tag"], "c3");
    assert_eq!(queue["exclusive_consumer_pid"], stage.channel_of("c3"));
    let listed = stage.ctl_says(&["list_queues", "exclusive_consumer_tag", "-s"]);
    assert_eq!(listed, "c3\n");
}
