// Bindings: a table of some, and the form that adds one.

import { path, post, remove } from "../api.js";
import { element } from "../dom.js";
import { form, input, rows, select } from "./form.js";
import { attempt, confirmed } from "./notices.js";
import { exchangeLink, exchangeName, pairs, queueLink, table } from "./section.js";

const source = { title: "From", cell: (row) => exchangeLink(row.vhost, row.source) };
const destination = {
  title: "To",
  cell: (row) => [
    row.destination_type === "queue" ? queueLink(row.vhost, row.destination) : exchangeLink(row.vhost, row.destination),
    element("span", { class: "muted" }, ` (${row.destination_type})`),
  ],
};

/** Bindings, seen from one of their ends: `far` is "source" or "destination". */
export function bindingsTable(caption, found, far, changed) {
  const columns = [
    far === "source" ? source : destination,
    { title: "Routing key", cell: (row) => element("code", {}, row.routing_key) },
    { title: "Arguments", minor: true, cell: (row) => pairs(row.arguments) },
    { title: "", number: true, cell: (row) => row.source !== "" && element("button", { type: "button", class: "quiet danger", onclick: () => unbind(row, changed) }, "Unbind") },
  ];
  return table(caption, columns, found, "There are none.");
}

async function unbind(row, changed) {
  const consequence = `Messages with the key “${row.routing_key}” go from ${exchangeName(row.source)} to ${row.destination} no more, unless another binding sends them there.`;
  if (!(await confirmed("Remove this binding?", consequence, "Unbind"))) return;
  const url = path("bindings", row.vhost, "e", row.source, row.destination_type === "queue" ? "q" : "e", row.destination);
  // The key is already in the form that a path has.
  if (await attempt(() => remove(`${url}/${encodeURIComponent(row.properties_key)}`), "The binding is gone.")) changed();
}

/** The form that binds something to an exchange, or an exchange to something. */
export function bindForm({ vhost, source, destination, kind }, changed) {
  const bindingArguments = rows("Arguments", { "x-match": "text" });
  const submit = async (values) => {
    const to = kind ?? (values.kind === "queue" ? "q" : "e");
    const url = path("bindings", vhost, "e", source ?? values.source, to, destination ?? values.destination);
    await post(url, { routing_key: values.routing_key, arguments: bindingArguments.read() });
    changed();
  };
  return form(
    { action: "Bind", submit, done: "The binding is there.", clear: true, label: "Add a binding" },
    source === undefined && input("From exchange", "source", { required: true }),
    destination === undefined && select("To", "kind", ["queue", "exchange"]),
    destination === undefined && input("Name", "destination", { required: true }),
    input("Routing key", "routing_key"),
    bindingArguments.element,
  );
}
