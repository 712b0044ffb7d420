// The overview: what the broker does now, whether something is wrong, and its definitions.

import { get, getIfAny, query } from "../api.js";
import { element, fill } from "../dom.js";
import { count, duration, NONE, octets, rate } from "../format.js";
import { alarm } from "../parts/alarms.js";
import { chart, LENGTHS, RANGES, rangeChoice, RATES, samplesQuery } from "../parts/charts.js";
import { dropCounts } from "../parts/drops.js";
import { badge, facts, figures, heading, link, section, table } from "../parts/section.js";
import { definitions } from "./definitions.js";

export const overview = { title: "Overview", open };

function open(place, _, { refresh }) {
  let range = RANGES[0];
  const lengths = chart(LENGTHS);
  const rates = chart(RATES);
  const choice = rangeChoice((chosen) => {
    range = chosen;
    refresh();
  });
  const alarms = element("div");
  const totals = element("div");
  const broker = element("div", { class: "columns" });
  fill(
    place,
    heading("Overview"),
    alarms,
    totals,
    section("Messages", choice, element("div", { class: "charts" }, lengths.element, rates.element)),
    broker,
    definitions(),
  );
  return async (signal) => {
    const [about, nodes, drops] = await Promise.all([
      get("/api/overview" + query(samplesQuery(range)), signal),
      getIfAny("/api/nodes", signal),
      getIfAny("/api/drops", signal),
    ]);
    fill(alarms, await alarm(nodes, signal));
    fill(totals, totalsOf(about));
    lengths.show(about.queue_totals, range);
    rates.show(about.message_stats, range);
    fill(broker, (nodes ?? []).map(nodeSection), listenersSection(about), dropsSection(drops, about));
  };
}

function totalsOf(about) {
  const objects = about.object_totals ?? {};
  const queued = about.queue_totals ?? {};
  return figures([
    ["Ready", count(queued.messages_ready ?? 0)],
    ["Unacked", count(queued.messages_unacknowledged ?? 0)],
    ["Published", rate(about.message_stats?.publish_details ?? { rate: 0 })],
    ["Delivered", rate(about.message_stats?.deliver_get_details ?? { rate: 0 })],
    ["Connections", link(count(objects.connections), "connections")],
    ["Channels", link(count(objects.channels), "channels")],
    ["Consumers", link(count(objects.consumers), "consumers")],
    ["Exchanges", link(count(objects.exchanges), "exchanges")],
    ["Queues", link(count(objects.queues), "queues")],
  ]);
}

function nodeSection(node) {
  return element(
    "section",
    { class: "card", "data-key": node.name },
    element("h2", {}, node.name, " ", node.running === false ? badge("down", "bad") : badge("running", "good")),
    facts([
      ["Memory", gauge("Memory", node.mem_used, node.mem_limit, octets, node.mem_alarm)],
      ["File descriptors", gauge("File descriptors", node.fd_used, node.fd_total, count)],
      ["Connections", gauge("Sockets", node.sockets_used, node.sockets_total, count)],
      ["Free disk", [octets(node.disk_free), node.disk_free_limit > 0 && ` (at least ${octets(node.disk_free_limit)})`, node.disk_free_alarm && badge("low", "bad")]],
      ["Up for", duration(node.uptime)],
      ["Data in", node.db_dir && element("code", {}, node.db_dir)],
    ]),
  );
}

/** A number of at most another, as a bar too. */
function gauge(name, value, most, format, alarm) {
  if (typeof value !== "number") return NONE;
  if (typeof most !== "number" || most <= 0) return format(value);
  return [
    element("meter", { "aria-label": name, min: 0, max: most, high: most * 0.8, optimum: 0, value }, ""),
    `${format(value)} of ${format(most)}`,
    alarm && badge("high", "bad"),
  ];
}

function listenersSection(about) {
  const columns = [
    { title: "Protocol", cell: (row) => row.protocol },
    { title: "Address", cell: (row) => element("code", {}, row.ip_address) },
    { title: "Port", number: true, cell: (row) => row.port },
  ];
  return section(
    about.listeners ? "Listeners" : "Version",
    about.listeners && table("Listeners", columns, about.listeners, "There are none."),
    element("p", { class: "muted" }, about.leveret_version ? `Leveret ${about.leveret_version}, for clients RabbitMQ ${about.rabbitmq_version}` : `RabbitMQ ${about.rabbitmq_version}`),
  );
}

/** What was let go and why. RabbitMQ only tells of what was not routed. */
function dropsSection(drops, about) {
  const counts = drops ?? { unroutable: about.message_stats?.drop_unroutable ?? 0 };
  return section("Dropped messages", dropCounts(counts, "None since the broker started."));
}
