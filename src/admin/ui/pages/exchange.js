// One exchange: its rates, its bindings, publishing, and where a message would go.

import { get, getIfAny, offers, path, post, query, remove } from "../api.js";
import { element, fill } from "../dom.js";
import { bindForm, bindingsTable } from "../parts/bindings.js";
import { chart, EXCHANGE_RATES, RANGES, samplesQuery } from "../parts/charts.js";
import { drops } from "../parts/drops.js";
import { form, input, rows } from "../parts/form.js";
import { publishForm } from "../parts/messages.js";
import { confirmed } from "../parts/notices.js";
import { exchangeLink, exchangeName, facts, folded, heading, link, pairs, queueLink, quiet, section } from "../parts/section.js";
import { features } from "./exchanges.js";

export const exchange = { open };

function open(place, [vhost, name], { refresh }) {
  const url = path("exchanges", vhost, name);
  const isDefault = name === "amq.default";
  const about = element("div");
  const rates = chart(EXCHANGE_RATES);
  const outgoing = element("div");
  const incoming = element("div");
  const dropped = element("div");
  const explaining = folded("Where would a message go?");
  explaining.ontoggle = () => explaining.open && explaining.children.length === 1 && explainForm(vhost, url).then((node) => explaining.append(node));
  fill(
    place,
    heading(exchangeName(name), link("Exchanges", "exchanges"), ` in ${vhost}`),
    element("div", { class: "columns" }, about, section("Dropped messages", dropped)),
    section("Messages", rates.element),
    section(
      "Bindings",
      isDefault
        ? quiet("Every queue is bound to the default exchange by its own name. That cannot be changed.")
        : [element("h3", {}, "From here"), outgoing, element("h3", {}, "To here"), incoming],
    ),
    !isDefault && folded("Add a binding from here", bindForm({ vhost, source: name }, refresh)),
    explaining,
    folded("Publish a message", publishForm(vhost, name, undefined, refresh)),
    !isDefault && !name.startsWith("amq.") && section("Delete", deleteButton(vhost, name, url)),
  );
  return async (signal) => {
    const [row, from, to, lost] = await Promise.all([
      get(url + query(samplesQuery(RANGES[0])), signal),
      isDefault ? [] : get(`${url}/bindings/source`, signal),
      isDefault ? [] : get(`${url}/bindings/destination`, signal),
      getIfAny(`${url}/drops`, signal),
    ]);
    fill(about, aboutOne(row));
    rates.show(row.message_stats);
    fill(outgoing, bindingsTable("Bindings from this exchange", from, "destination", refresh));
    fill(incoming, bindingsTable("Bindings to this exchange", to, "source", refresh));
    fill(dropped, drops(lost, "Everything that was published here has reached a queue."));
  };
}

function aboutOne(row) {
  const alternate = row.arguments?.["alternate-exchange"];
  return section(
    "Details",
    facts([
      ["Type", row.type],
      ["Features", features(row)],
      ["Alternate exchange", alternate && exchangeLink(row.vhost, alternate)],
      ["Arguments", pairs(row.arguments) ?? undefined],
      ["Policy", row.policy ? link(row.policy, "policies") : undefined],
    ]),
  );
}

function deleteButton(vhost, name, url) {
  const submit = async ({ unused }) => {
    const consequence = "Its bindings go with it. Who publishes to it gets an error.";
    if (!(await confirmed(`Delete the exchange “${name}”?`, consequence, "Delete"))) return false;
    await remove(url + query({ "if-unused": unused || undefined }));
    location.hash = "#/exchanges";
    return true;
  };
  return form(
    { action: "Delete exchange", danger: true, submit, done: "The exchange is gone." },
    element("label", { class: "check" }, element("input", { type: "checkbox", name: "unused" }), "Only if nothing is bound to it"),
  );
}

/** The dry run. Only Leveret has it. */
async function explainForm(vhost, url) {
  if (!(await offers("POST", `${url}/explain`))) return quiet("This broker cannot say.");
  const headers = rows("Headers");
  const found = element("div", { "aria-live": "polite" });
  const submit = async (values) => {
    const answer = await post(`${url}/explain`, { routing_key: values.routing_key, headers: headers.read() });
    fill(found, explanation(vhost, answer));
  };
  return element("div", {}, quiet("Nothing is published."), form({ action: "Tell me", submit }, input("Routing key", "routing_key"), headers.element), found);
}

function explanation(vhost, { queues, hops }) {
  const binding = (row) => [
    row.routing_key === "" && Object.keys(row.arguments).length === 0 ? "bound" : element("code", {}, row.routing_key),
    " ",
    pairs(row.arguments),
    " → ",
    row.destination_type === "queue" ? queueLink(vhost, row.destination) : exchangeLink(vhost, row.destination),
  ];
  return element(
    "div",
    { class: "explanation" },
    element("p", {}, queues.length === 0 ? element("strong", {}, "It would reach no queue.") : ["It would reach ", queues.map((name, index) => [index > 0 && ", ", queueLink(vhost, name)]), "."]),
    element(
      "ol",
      { class: "hops" },
      hops.map((hop) =>
        element(
          "li",
          {},
          exchangeLink(vhost, hop.exchange),
          element("span", { class: "muted" }, ` (${hop.type})`),
          hop.bindings.length > 0 ? element("ul", {}, hop.bindings.map((row) => element("li", {}, binding(row)))) : quiet("No binding matches."),
          hop.alternate_exchange && element("p", {}, "On to the alternate exchange ", exchangeLink(vhost, hop.alternate_exchange), "."),
        ),
      ),
    ),
  );
}
