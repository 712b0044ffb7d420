// Policies and operator policies.

import { get, path, put, remove } from "../api.js";
import { element, fill } from "../dom.js";
import { form, input, rows, select } from "../parts/form.js";
import { listing } from "../parts/listing.js";
import { attempt, confirmed } from "../parts/notices.js";
import { folded, heading, pairs, section } from "../parts/section.js";

export const policies = { title: "Policies", open };

/** The two kinds: where they are, what they are called, and the settings they may have. */
const KINDS = [
  {
    segment: "policies",
    title: "Policies",
    one: "policy",
    settings: {
      "message-ttl": "number", expires: "number", "max-length": "number", "max-length-bytes": "number", overflow: "text",
      "dead-letter-exchange": "text", "dead-letter-routing-key": "text", "delivery-limit": "number",
      "alternate-exchange": "text", fsync: "text",
    },
  },
  {
    segment: "operator-policies",
    title: "Operator policies",
    one: "operator policy",
    settings: { "message-ttl": "number", expires: "number", "max-length": "number", "max-length-bytes": "number", overflow: "text", "delivery-limit": "number" },
  },
];

function open(place, _, { vhost, refresh }) {
  const parts = KINDS.map((kind) => ({ kind, list: listOf(kind, vhost, refresh), adding: addPart(kind, vhost, refresh) }));
  fill(
    place,
    heading("Policies"),
    parts.map(({ kind, list, adding }) => [section(kind.title, list.element), adding]),
  );
  return (signal) => Promise.all(parts.map(({ list }) => list.refresh(signal)));
}

function listOf(kind, vhost, changed) {
  return listing({
    name: kind.segment,
    caption: kind.title,
    url: () => (vhost ? path(kind.segment, vhost) : path(kind.segment)),
    key: (row) => `${row.vhost} ${row.name}`,
    empty: "There are none.",
    whole: true,
    columns: [
      { title: "Name", sort: "name", cell: (row) => row.name },
      { title: "Vhost", sort: "vhost", minor: true, cell: (row) => row.vhost },
      { title: "Pattern", cell: (row) => element("code", {}, row.pattern) },
      { title: "Applies to", minor: true, cell: (row) => row["apply-to"] },
      { title: "Settings", cell: (row) => pairs(row.definition) },
      { title: "Priority", sort: "priority", number: true, minor: true, cell: (row) => row.priority },
      { title: "", number: true, cell: (row) => element("button", { type: "button", class: "quiet danger", onclick: () => removeOne(kind, row, changed) }, "Delete") },
    ],
  });
}

async function removeOne(kind, row, changed) {
  const consequence = "Its settings are no more in force at once, for all that it applies to.";
  if (!(await confirmed(`Delete the ${kind.one} “${row.name}”?`, consequence, "Delete"))) return;
  if (await attempt(() => remove(path(kind.segment, row.vhost, row.name)), `The ${kind.one} is gone.`)) changed();
}

function addPart(kind, vhost, changed) {
  const adding = folded(`Add or change: ${kind.one}`);
  const add = async () => {
    const vhosts = vhost ? [vhost] : (await get("/api/vhosts?columns=name")).map((row) => row.name);
    adding.append(addForm(kind, vhosts, changed));
  };
  adding.ontoggle = () => adding.open && adding.children.length === 1 && attempt(add);
  return adding;
}

function addForm(kind, vhosts, changed) {
  const settings = rows("Settings", kind.settings);
  const submit = async (values) => {
    const { vhost, name, pattern } = values;
    await put(path(kind.segment, vhost, name), { pattern, "apply-to": values.applies, priority: Number(values.priority), definition: settings.read() });
    changed();
  };
  const applies = kind.segment === "policies" ? ["all", "queues", "exchanges"] : ["queues"];
  return form(
    { action: `Set ${kind.one}`, submit, done: "It is in force." },
    select("Vhost", "vhost", vhosts),
    input("Name", "name", { required: true }),
    input("Pattern", "pattern", { required: true }, "A regular expression that is searched in names: ^tasks finds all that begin with tasks."),
    select("Applies to", "applies", applies),
    input("Priority", "priority", { type: "number", value: 0 }, "Of several that match, the one with the highest is in force."),
    settings.element,
  );
}
