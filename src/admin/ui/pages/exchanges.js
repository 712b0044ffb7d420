// Exchanges: all of them, and the form that adds one.

import { get, path, put } from "../api.js";
import { element, fill } from "../dom.js";
import { rate } from "../format.js";
import { check, form, input, rows, select } from "../parts/form.js";
import { listing } from "../parts/listing.js";
import { badge, exchangeLink, folded, heading } from "../parts/section.js";

export const exchanges = { title: "Exchanges", open };

/** What an exchange is and has, as short words. */
export function features(row) {
  return [
    row.durable && badge("durable"),
    row.auto_delete && badge("auto-delete", "", "Goes with its last binding"),
    row.internal && badge("internal", "", "Only exchanges publish to it"),
    row.arguments?.["alternate-exchange"] && badge("alternate", "", `What it cannot route goes to ${row.arguments["alternate-exchange"]}`),
    Object.keys(row.arguments ?? {}).some((name) => name !== "alternate-exchange") && badge("arguments"),
  ];
}

function open(place, _, { vhost, refresh }) {
  const list = listing({
    name: "exchanges",
    caption: "Exchanges",
    url: () => (vhost ? path("exchanges", vhost) : path("exchanges")),
    key: (row) => `${row.vhost} ${row.name}`,
    empty: "There are none.",
    columns: [
      { title: "Name", sort: "name", cell: (row) => exchangeLink(row.vhost, row.name) },
      { title: "Vhost", sort: "vhost", minor: true, cell: (row) => row.vhost },
      { title: "Type", sort: "type", cell: (row) => row.type },
      { title: "Features", minor: true, cell: features },
      { title: "Policy", sort: "policy", minor: true, cell: (row) => row.policy },
      { title: "In", sort: "message_stats.publish_in_details.rate", number: true, cell: (row) => rate(row.message_stats?.publish_in_details) },
      { title: "Out", sort: "message_stats.publish_out_details.rate", number: true, cell: (row) => rate(row.message_stats?.publish_out_details) },
    ],
  });
  const adding = folded("Add an exchange");
  adding.ontoggle = () => adding.open && adding.children.length === 1 && addForm(vhost, refresh).then((node) => adding.append(node));
  fill(place, heading("Exchanges"), element("div", { class: "card" }, list.element), adding);
  return list.refresh;
}

async function addForm(vhost, refresh) {
  const [vhosts, about] = await Promise.all([get("/api/vhosts?columns=name"), get("/api/overview?columns=exchange_types")]);
  const types = about.exchange_types.map((type) => type.name);
  const exchangeArguments = rows("Arguments", { "alternate-exchange": "text", "x-delayed-type": "text", "x-message-deduplication": "boolean", "x-cache-size": "number", "hash-header": "text" });
  const submit = async (values) => {
    const { type, durable, auto_delete, internal } = values;
    await put(path("exchanges", values.vhost, values.name), { type, durable, auto_delete, internal, arguments: exchangeArguments.read() });
    refresh();
  };
  return form(
    { action: "Add exchange", submit, done: "The exchange is there.", clear: true },
    select("Vhost", "vhost", vhost ? [vhost] : vhosts.map((row) => row.name)),
    input("Name", "name", { required: true }),
    select("Type", "type", types),
    check("Durable", "durable", { checked: true }),
    check("Auto-delete: goes with its last binding", "auto_delete"),
    check("Internal: only exchanges publish to it", "internal"),
    exchangeArguments.element,
  );
}
