// Queues: all of them, and the form that adds one.

import { get, path, put } from "../api.js";
import { element, fill } from "../dom.js";
import { count, rate } from "../format.js";
import { check, form, input, rows, select } from "../parts/form.js";
import { listing } from "../parts/listing.js";
import { badge, folded, heading, queueLink } from "../parts/section.js";

export const queues = { title: "Queues", open };

/** Arguments of queues that are known, with their types. */
const ARGUMENTS = {
  "x-message-ttl": "number", "x-expires": "number", "x-max-length": "number", "x-max-length-bytes": "number",
  "x-overflow": "text", "x-dead-letter-exchange": "text", "x-dead-letter-routing-key": "text", "x-max-priority": "number",
  "x-single-active-consumer": "boolean", "x-delivery-limit": "number", "x-consumer-timeout": "number", "x-fsync": "text",
};

/** Short words for what an argument makes of a queue. */
const FEATURES = {
  "x-message-ttl": "ttl", "x-expires": "expires", "x-max-length": "max length", "x-max-length-bytes": "max octets",
  "x-dead-letter-exchange": "dead letters", "x-max-priority": "priorities", "x-single-active-consumer": "single active",
  "x-delivery-limit": "delivery limit",
};

/** What a queue is and has, as short words. */
export function features(row) {
  const known = Object.entries(FEATURES).filter(([name]) => row.arguments?.[name] !== undefined);
  return [
    row.durable && badge("durable"),
    row.exclusive && badge("exclusive", "", "Belongs to one connection"),
    row.auto_delete && badge("auto-delete", "", "Goes with its last consumer"),
    known.map(([name, word]) => badge(word, "", `${name}: ${row.arguments[name]}`)),
  ];
}

/** Whether a queue moves: someone at work, nothing to do, or messages that nobody takes. */
export function state(row) {
  if (row.state && row.state !== "running" && row.state !== "idle") return badge(row.state, "bad");
  if (row.messages_ready > 0 && row.consumers === 0) return badge("no consumer", "busy", "It has messages, and nobody takes them");
  if (row.consumers > 0) return badge("consumed", "good");
  return badge("idle");
}

function open(place, _, { vhost, refresh }) {
  const list = listing({
    name: "queues",
    caption: "Queues",
    url: () => (vhost ? path("queues", vhost) : path("queues")),
    key: (row) => `${row.vhost} ${row.name}`,
    empty: "There are none.",
    columns: [
      { title: "Name", sort: "name", cell: (row) => queueLink(row.vhost, row.name) },
      { title: "Vhost", sort: "vhost", minor: true, cell: (row) => row.vhost },
      { title: "Type", sort: "type", minor: true, cell: (row) => row.type },
      { title: "State", cell: state },
      { title: "Ready", sort: "messages_ready", number: true, cell: (row) => count(row.messages_ready) },
      { title: "Unacked", sort: "messages_unacknowledged", number: true, cell: (row) => count(row.messages_unacknowledged) },
      { title: "Total", sort: "messages", number: true, minor: true, cell: (row) => count(row.messages) },
      { title: "In", sort: "message_stats.publish_details.rate", number: true, minor: true, cell: (row) => rate(row.message_stats?.publish_details) },
      { title: "Out", sort: "message_stats.deliver_get_details.rate", number: true, minor: true, cell: (row) => rate(row.message_stats?.deliver_get_details) },
      { title: "Consumers", sort: "consumers", number: true, minor: true, cell: (row) => count(row.consumers) },
      { title: "Features", minor: true, cell: features },
      { title: "Policy", sort: "policy", minor: true, cell: (row) => row.policy },
    ],
  });
  const adding = folded("Add a queue");
  adding.ontoggle = () => adding.open && adding.children.length === 1 && addForm(vhost, refresh).then((node) => adding.append(node));
  fill(place, heading("Queues"), element("div", { class: "card" }, list.element), adding);
  return list.refresh;
}

async function addForm(vhost, refresh) {
  const vhosts = await get("/api/vhosts?columns=name");
  const queueArguments = rows("Arguments", ARGUMENTS);
  const submit = async ({ vhost, name, type, durable, auto_delete }) => {
    const kind = type === "" ? {} : { "x-queue-type": type };
    await put(path("queues", vhost, name), { durable, auto_delete, arguments: { ...kind, ...queueArguments.read() } });
    refresh();
  };
  return form(
    { action: "Add queue", submit, done: "The queue is there.", clear: true },
    select("Vhost", "vhost", vhost ? [vhost] : vhosts.map((row) => row.name)),
    input("Name", "name", { required: true }),
    select("Type", "type", [["", "as its vhost has it"], "classic", "quorum", "stream"]),
    check("Durable", "durable", { checked: true }),
    check("Auto-delete: goes with its last consumer", "auto_delete"),
    queueArguments.element,
  );
}
