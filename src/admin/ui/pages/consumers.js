// Consumers, of all queues.

import { path } from "../api.js";
import { element, fill } from "../dom.js";
import { count } from "../format.js";
import { listing } from "../parts/listing.js";
import { badge, heading, link, pairs, queueLink } from "../parts/section.js";

export const consumers = { title: "Consumers", open };

/** Consumers, in a table. */
export const CONSUMER_COLUMNS = [
  { title: "Tag", sort: "consumer_tag", cell: (row) => element("code", {}, row.consumer_tag) },
  { title: "Queue", sort: "queue.name", cell: (row) => queueLink(row.queue.vhost, row.queue.name) },
  { title: "Channel", cell: (row) => row.channel_details?.name && link(row.channel_details.name, "channels", row.channel_details.name) },
  { title: "State", cell: active },
  { title: "Acknowledges", minor: true, cell: (row) => (row.ack_required ? "yes" : "no") },
  { title: "Exclusive", minor: true, cell: (row) => (row.exclusive ? "yes" : "no") },
  { title: "Prefetch", sort: "prefetch_count", number: true, minor: true, cell: (row) => (row.prefetch_count === 0 ? "no limit" : count(row.prefetch_count)) },
  { title: "Arguments", minor: true, cell: (row) => pairs(row.arguments) },
];

function active(row) {
  if (row.active === false) return badge("waits", "busy", "Another consumer of its queue is active");
  if (row.activity_status === "single_active") return badge("single active", "good", "The others of its queue wait");
  return badge("active", "good");
}

function open(place, _, { vhost }) {
  const list = listing({
    name: "consumers",
    caption: "Consumers",
    url: () => (vhost ? path("consumers", vhost) : path("consumers")),
    key: (row) => `${row.channel_details?.name} ${row.consumer_tag}`,
    empty: "Nobody consumes.",
    columns: CONSUMER_COLUMNS,
    whole: true,
    text: (row) => row.queue.name,
    search: "Filter by queue",
  });
  fill(place, heading("Consumers"), element("div", { class: "card" }, list.element));
  return list.refresh;
}
