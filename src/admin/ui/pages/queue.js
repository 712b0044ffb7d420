// One queue: what is in it and what happens to it.

import { get, getIfAny, path, query } from "../api.js";
import { element, fill } from "../dom.js";
import { count, moment, octets } from "../format.js";
import { bindForm, bindingsTable } from "../parts/bindings.js";
import { chart, LENGTHS, QUEUE_RATES, RANGES, rangeChoice, samplesQuery } from "../parts/charts.js";
import { drops } from "../parts/drops.js";
import { publishForm } from "../parts/messages.js";
import { exchangeLink, facts, figures, folded, heading, link, pairs, section, table } from "../parts/section.js";
import { CONSUMER_COLUMNS } from "./consumers.js";
import { deleteForm, getForm, moveForm, peekForm, purgeForm } from "./queue_actions.js";
import { features, state } from "./queues.js";

export const queue = { open };

function open(place, [vhost, name], { refresh }) {
  const url = path("queues", vhost, name);
  let range = RANGES[0];
  const totals = element("div");
  const lengths = chart(LENGTHS);
  const rates = chart(QUEUE_RATES);
  const about = element("div");
  const consumers = element("div");
  const bindings = element("div");
  const dropped = element("div");
  const choice = rangeChoice((chosen) => {
    range = chosen;
    refresh();
  });
  fill(
    place,
    heading(name, link("Queues", "queues"), ` in ${vhost}`),
    totals,
    section("Messages", choice, element("div", { class: "charts" }, lengths.element, rates.element)),
    element("div", { class: "columns" }, about, section("Bindings to here", bindings)),
    section("Consumers", consumers),
    section("Dropped messages", dropped),
    folded("Add a binding to here", bindForm({ vhost, destination: name, kind: "q" }, refresh)),
    folded("Look at messages", element("div", { class: "columns" }, peekForm(url), getForm(url, refresh))),
    folded("Publish a message", publishForm(vhost, "", name, refresh)),
    folded("Move messages", moveForm(vhost, name, url, refresh)),
    folded("Purge or delete", element("div", { class: "columns" }, purgeForm(name, url, refresh), deleteForm(name, url))),
  );
  return async (signal) => {
    const [row, bound, lost] = await Promise.all([get(url + query(samplesQuery(range)), signal), get(`${url}/bindings`, signal), getIfAny(`${url}/drops`, signal)]);
    fill(totals, totalsOf(row));
    lengths.show(row, range);
    rates.show(row.message_stats, range);
    fill(about, aboutOne(row));
    fill(consumers, table("Consumers of this queue", CONSUMER_COLUMNS, row.consumer_details ?? [], "Nobody consumes from it."));
    fill(bindings, bindingsTable("Bindings to this queue", bound, "source", refresh));
    fill(dropped, drops(lost, "None since the broker started."));
  };
}

function totalsOf(row) {
  return figures([
    ["Ready", count(row.messages_ready ?? 0)],
    ["Unacked", count(row.messages_unacknowledged ?? 0)],
    ["Total", count(row.messages ?? 0)],
    ["Size", octets(row.message_bytes ?? 0)],
    ["Consumers", count(row.consumers ?? 0)],
  ]);
}

/** A link from a consumer's tag to its channel; a fact that is not there without a consumer. */
function consumerLink(tag, channel) {
  return typeof channel === "string" ? link(tag, "channels", channel) : undefined;
}

function aboutOne(row) {
  const deadLetters = row.arguments?.["x-dead-letter-exchange"];
  const owner = row.owner_pid_details?.name;
  return section(
    "Details",
    facts([
      ["State", state(row)],
      ["Type", row.type],
      ["Features", features(row)],
      ["Arguments", pairs(row.arguments) ?? undefined],
      ["Policy", row.policy ? link(row.policy, "policies") : undefined],
      ["Operator policy", row.operator_policy ? link(row.operator_policy, "policies") : undefined],
      ["In force by policies", pairs(row.effective_policy_definition) ?? undefined],
      ["Dead letters go to", typeof deadLetters === "string" ? exchangeLink(row.vhost, deadLetters) : undefined],
      ["Belongs to", owner && link(owner, "connections", owner)],
      ["Active consumer", consumerLink(row.single_active_consumer_tag, row.single_active_consumer_pid)],
      ["Exclusive consumer", consumerLink(row.exclusive_consumer_tag, row.exclusive_consumer_pid)],
      ["Oldest message", typeof row.head_message_timestamp === "number" ? moment(row.head_message_timestamp * 1000) : undefined],
      ["In memory", `${count(row.messages_ram)} messages, ${octets(row.message_bytes_ram)}`],
    ]),
  );
}
