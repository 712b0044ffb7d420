// Connections: all of them, and one.

import { get, getIfAny, path, query, remove } from "../api.js";
import { element, fill } from "../dom.js";
import { count, moment, octets, octetsRate, value } from "../format.js";
import { alarm, isBlocked } from "../parts/alarms.js";
import { form, input } from "../parts/form.js";
import { listing } from "../parts/listing.js";
import { confirmed } from "../parts/notices.js";
import { badge, facts, heading, link, section, table } from "../parts/section.js";
import { COLUMNS } from "./channels.js";

export const connections = { title: "Connections", open: openList };
export const connection = { open: openOne };

/** A state, and how much it matters. */
function state(row) {
  if (row.state === "running") return badge("running", "good");
  return badge(row.state ?? "starting", isBlocked(row) ? "bad" : "busy");
}

function openList(place, _, { vhost }) {
  const list = listing({
    name: "connections",
    caption: "Connections",
    url: () => (vhost ? path("vhosts", vhost, "connections") : path("connections")),
    key: (row) => row.name,
    empty: "No client is connected.",
    columns: [
      { title: "Client", sort: "name", cell: (row) => [link(row.name, "connections", row.name), named(row)] },
      { title: "User", sort: "user", cell: (row) => row.user },
      { title: "Vhost", sort: "vhost", minor: true, cell: (row) => row.vhost },
      { title: "State", sort: "state", cell: state },
      { title: "Channels", sort: "channels", number: true, cell: (row) => count(row.channels) },
      { title: "TLS", minor: true, cell: (row) => (row.ssl ? "yes" : "no") },
      { title: "Received", sort: "recv_oct_details.rate", number: true, minor: true, cell: (row) => octetsRate(row.recv_oct_details) },
      { title: "Sent", sort: "send_oct_details.rate", number: true, minor: true, cell: (row) => octetsRate(row.send_oct_details) },
    ],
  });
  fill(place, heading("Connections"), element("div", { class: "card" }, list.element));
  return list.refresh;
}

/** What a client calls its connection, on a line of its own. */
function named(row) {
  const name = row.user_provided_name ?? row.client_properties?.connection_name;
  return name && element("small", { class: "muted line" }, name);
}

function openOne(place, [name]) {
  const why = element("div");
  const about = element("div");
  const channelsOf = element("div");
  const submit = async ({ reason }) => {
    if (!(await confirmed("Close this connection?", "Its client is told so. Most clients connect again by themselves.", "Close it"))) return false;
    await remove(path("connections", name) + query({ reason }));
    location.hash = "#/connections";
    return true;
  };
  fill(
    place,
    heading(name, link("Connections", "connections")),
    why,
    about,
    section("Channels", channelsOf),
    section("Close", form({ action: "Close connection", danger: true, submit, done: "The connection was closed." }, input("Reason, for the client", "reason", { maxlength: 200 }))),
  );
  return async (signal) => {
    const [row, channels] = await Promise.all([get(path("connections", name), signal), get(path("connections", name, "channels"), signal)]);
    fill(why, isBlocked(row) && (await alarm(await getIfAny("/api/nodes", signal), signal)));
    fill(about, aboutOne(row));
    fill(channelsOf, table("Channels of this connection", COLUMNS, channels, "It has none."));
  };
}

function aboutOne(row) {
  const { capabilities, ...properties } = row.client_properties ?? {};
  const pair = ([key, any]) => [key, value(any)];
  const able = Object.entries(capabilities ?? {}).filter(([, yes]) => yes === true);
  return element(
    "div",
    { class: "columns" },
    section(
      "Details",
      facts([
        ["State", state(row)],
        ["User", row.user],
        ["Vhost", row.vhost],
        ["Protocol", row.protocol],
        ["Authentication", row.auth_mechanism],
        ["TLS", row.ssl ? [row.ssl_protocol, row.ssl_cipher].filter(Boolean).join(", ") || "yes" : "no"],
        ["Certificate of the client", row.peer_cert_subject || undefined],
        ["Since", moment(row.connected_at)],
        ["Heartbeat", row.timeout > 0 ? `${row.timeout} s` : "none"],
        ["Largest frame", octets(row.frame_max)],
        ["Channels", `${count(row.channels)} of ${count(row.channel_max)}`],
        ["Received", `${octets(row.recv_oct)}, ${octetsRate(row.recv_oct_details)}`],
        ["Sent", `${octets(row.send_oct)}, ${octetsRate(row.send_oct_details)}`],
      ]),
    ),
    section("What the client says of itself", facts([...Object.entries(properties).map(pair), ["Capabilities", able.map(([key]) => badge(key.replaceAll("_", " ")))]])),
  );
}
