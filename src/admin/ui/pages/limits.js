// Limits of vhosts and of users.

import { get, path, put, remove } from "../api.js";
import { element, fill } from "../dom.js";
import { form, input, select } from "../parts/form.js";
import { listing } from "../parts/listing.js";
import { attempt, confirmed } from "../parts/notices.js";
import { folded, heading, pairs, section } from "../parts/section.js";

export const limits = { title: "Limits", open };

/** Of what there are limits: where they are, whose they are, and which. */
const KINDS = [
  { segment: "vhost-limits", owners: "vhosts", owner: "vhost", title: "Limits of vhosts", names: ["max-connections", "max-queues"] },
  { segment: "user-limits", owners: "users", owner: "user", title: "Limits of users", names: ["max-connections", "max-channels"] },
];

function open(place, _, { refresh }) {
  const parts = KINDS.map((kind) => ({ kind, list: listOf(kind, refresh), adding: addPart(kind, refresh) }));
  fill(place, heading("Limits"), parts.map(({ kind, list, adding }) => [section(kind.title, list.element), adding]));
  return (signal) => Promise.all(parts.map(({ list }) => list.refresh(signal)));
}

function listOf(kind, changed) {
  return listing({
    name: kind.segment,
    caption: kind.title,
    url: () => path(kind.segment),
    key: (row) => row[kind.owner],
    text: (row) => row[kind.owner],
    empty: "There are none.",
    whole: true,
    columns: [
      { title: kind.owner === "user" ? "User" : "Vhost", sort: kind.owner, cell: (row) => row[kind.owner] },
      { title: "Limits", cell: (row) => pairs(row.value) },
      { title: "", number: true, cell: (row) => Object.keys(row.value).map((name) => clearButton(kind, row, name, changed)) },
    ],
  });
}

function clearButton(kind, row, name, changed) {
  const clear = async () => {
    if (!(await confirmed(`Clear ${name} of “${row[kind.owner]}”?`, "There is no such limit then.", "Clear"))) return;
    if (await attempt(() => remove(path(kind.segment, row[kind.owner], name)), "The limit is gone.")) changed();
  };
  return element("button", { type: "button", class: "quiet danger", onclick: clear }, `Clear ${name}`);
}

function addPart(kind, changed) {
  const adding = folded(`Set a limit of a ${kind.owner}`);
  const add = async () => {
    const names = (await get(path(kind.owners) + "?columns=name")).map((row) => row.name);
    adding.append(addForm(kind, names, changed));
  };
  adding.ontoggle = () => adding.open && adding.children.length === 1 && attempt(add);
  return adding;
}

function addForm(kind, names, changed) {
  const submit = async (values) => {
    await put(path(kind.segment, values.owner, values.limit), { value: Number(values.value) });
    changed();
  };
  return form(
    { action: "Set limit", submit, done: "The limit is set." },
    select(kind.owner === "user" ? "User" : "Vhost", "owner", names),
    select("Limit", "limit", kind.names),
    input("At most", "value", { type: "number", value: 100, required: true }, "Less than 0 is no limit, 0 lets nobody in."),
  );
}
