// Channels: all of them, and one.

import { get, path, query } from "../api.js";
import { element, fill } from "../dom.js";
import { count, rate } from "../format.js";
import { chart, RANGES, RATES, samplesQuery } from "../parts/charts.js";
import { listing } from "../parts/listing.js";
import { badge, facts, heading, link, section, table } from "../parts/section.js";
import { CONSUMER_COLUMNS } from "./consumers.js";

export const channels = { title: "Channels", open: openList };
export const channel = { open: openOne };

function mode(row) {
  return [row.confirm && badge("confirms", "", "The broker confirms what is published"), row.transactional && badge("transactions")];
}

/** Channels, in a table. */
export const COLUMNS = [
  { title: "Channel", sort: "name", cell: (row) => link(row.name, "channels", row.name) },
  { title: "User", sort: "user", minor: true, cell: (row) => row.user },
  { title: "Mode", minor: true, cell: mode },
  { title: "State", cell: (row) => badge(row.state ?? "starting", row.state === "running" ? "good" : "busy") },
  { title: "Consumers", sort: "consumer_count", number: true, minor: true, cell: (row) => count(row.consumer_count) },
  { title: "Prefetch", sort: "prefetch_count", number: true, minor: true, cell: (row) => prefetch(row.prefetch_count) },
  { title: "Unacknowledged", sort: "messages_unacknowledged", number: true, cell: (row) => count(row.messages_unacknowledged) },
  { title: "Unconfirmed", sort: "messages_unconfirmed", number: true, cell: (row) => count(row.messages_unconfirmed) },
  { title: "Published", sort: "message_stats.publish_details.rate", number: true, minor: true, cell: (row) => rate(row.message_stats?.publish_details) },
  { title: "Delivered", sort: "message_stats.deliver_get_details.rate", number: true, minor: true, cell: (row) => rate(row.message_stats?.deliver_get_details) },
];

/** A prefetch of 0 is none. */
function prefetch(number) {
  return number === 0 ? "no limit" : count(number);
}

function openList(place, _, { vhost }) {
  const list = listing({
    name: "channels",
    caption: "Channels",
    url: () => (vhost ? path("vhosts", vhost, "channels") : path("channels")),
    key: (row) => row.name,
    empty: "There are none.",
    columns: COLUMNS,
  });
  fill(place, heading("Channels"), element("div", { class: "card" }, list.element));
  return list.refresh;
}

function openOne(place, [name]) {
  const about = element("div");
  const rates = chart(RATES);
  const consumers = element("div");
  fill(place, heading(name, link("Channels", "channels")), about, section("Messages", rates.element), section("Consumers", consumers));
  return async (signal) => {
    const row = await get(path("channels", name) + query(samplesQuery(RANGES[0])), signal);
    fill(about, aboutOne(row));
    rates.show(row.message_stats);
    fill(consumers, table("Consumers of this channel", CONSUMER_COLUMNS, row.consumer_details ?? [], "It has none."));
  };
}

function aboutOne(row) {
  const connection = row.connection_details?.name;
  return section(
    "Details",
    facts([
      ["Connection", connection && link(connection, "connections", connection)],
      ["User", row.user],
      ["Vhost", row.vhost],
      ["State", row.state],
      ["Mode", row.confirm ? "confirms" : row.transactional ? "transactions" : "plain"],
      ["Prefetch of new consumers", prefetch(row.prefetch_count)],
      ["Prefetch of the channel", prefetch(row.global_prefetch_count)],
      ["Unacknowledged", count(row.messages_unacknowledged)],
      ["Unconfirmed", count(row.messages_unconfirmed)],
      ["In the transaction", row.transactional && `${count(row.messages_uncommitted)} messages, ${count(row.acks_uncommitted)} acknowledgements`],
    ]),
  );
}
