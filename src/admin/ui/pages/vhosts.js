// Vhosts: all of them, and one with who may use it.

import { get, getIfAny, path, put, query, remove } from "../api.js";
import { element, fill } from "../dom.js";
import { count } from "../format.js";
import { chart, LENGTHS, RANGES, RATES, samplesQuery } from "../parts/charts.js";
import { form, input, select } from "../parts/form.js";
import { listing } from "../parts/listing.js";
import { confirmed } from "../parts/notices.js";
import { badge, facts, figures, folded, heading, link, quiet, section } from "../parts/section.js";
import { permissionsTable } from "./users.js";

export const vhosts = { title: "Vhosts", open: openList };
export const vhost = { open: openOne };

function openList(place, _, { refresh }) {
  const list = listing({
    name: "vhosts",
    caption: "Vhosts",
    url: () => path("vhosts"),
    key: (row) => row.name,
    empty: "There are none.",
    columns: [
      { title: "Name", sort: "name", cell: (row) => link(row.name, "vhosts", row.name) },
      { title: "Description", minor: true, cell: (row) => row.description },
      { title: "Ready", sort: "messages_ready", number: true, cell: (row) => count(row.messages_ready ?? 0) },
      { title: "Unacked", sort: "messages_unacknowledged", number: true, cell: (row) => count(row.messages_unacknowledged ?? 0) },
      { title: "Total", sort: "messages", number: true, cell: (row) => count(row.messages ?? 0) },
      { title: "Features", minor: true, cell: features },
    ],
  });
  const submit = async ({ name, description, tags, default_queue_type }) => {
    await put(path("vhosts", name), { description, tags, default_queue_type });
    refresh();
  };
  fill(
    place,
    heading("Vhosts"),
    element("div", { class: "card" }, list.element),
    folded(
      "Add a vhost",
      form(
        { action: "Add vhost", submit, done: "The vhost is there.", clear: true },
        input("Name", "name", { required: true }),
        input("Description", "description"),
        input("Tags", "tags", {}, "With commas between them."),
        select("Queues are by default", "default_queue_type", ["classic", "quorum", "stream"]),
      ),
    ),
  );
  return list.refresh;
}

function features(row) {
  return [row.tracing && badge("tracing", "busy"), row.protected_from_deletion && badge("protected"), (row.tags ?? []).map?.((tag) => badge(tag))];
}

function openOne(place, [name], { refresh }) {
  const url = path("vhosts", name);
  const about = element("div");
  const totals = element("div");
  const lengths = chart(LENGTHS);
  const rates = chart(RATES);
  const permissions = element("div");
  fill(
    place,
    heading(name, link("Vhosts", "vhosts")),
    totals,
    section("Messages", element("div", { class: "charts" }, lengths.element, rates.element)),
    about,
    section("Permissions", permissions),
    folded("Delete", deleteForm(name, url)),
  );
  return async (signal) => {
    const [row, may] = await Promise.all([get(url + query(samplesQuery(RANGES[0])), signal), getIfAny(`${url}/permissions`, signal)]);
    fill(totals, figures([["Ready", count(row.messages_ready ?? 0)], ["Unacked", count(row.messages_unacknowledged ?? 0)], ["Total", count(row.messages ?? 0)]]));
    lengths.show(row);
    rates.show(row.message_stats);
    fill(
      about,
      section(
        "Details",
        facts([["Description", row.description || undefined], ["Features", features(row)], ["Queues are by default", row.default_queue_type], ["Tracing", row.tracing ? "on" : "off"]]),
      ),
    );
    fill(permissions, may === null ? quiet("The broker does not tell you.") : permissionsTable(may, refresh));
  };
}

function deleteForm(name, url) {
  const submit = async () => {
    const consequence = "Its queues with all their messages, its exchanges and its permissions are gone for good, and its connections are closed.";
    if (!(await confirmed(`Delete the vhost “${name}”?`, consequence, "Delete"))) return false;
    await remove(url);
    location.hash = "#/vhosts";
    return true;
  };
  return form({ action: "Delete vhost", danger: true, submit, done: "The vhost is gone." });
}
