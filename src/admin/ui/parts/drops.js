// What was dropped and why: counted by cause, and the last few.

import { count, moment, octets } from "../format.js";
import { element } from "../dom.js";
import { quiet, table } from "./section.js";

/** Causes, as the broker names them, in words; and what can be done about them. */
const CAUSES = {
  unroutable: ["Matched no binding", "Bind a queue, or set an alternate exchange."],
  expired: ["Time to live was over", "Consume faster, or set a dead-letter exchange."],
  maxlen: ["Queue was full", "Raise x-max-length, or set a dead-letter exchange."],
  rejected: ["Rejected by a consumer", "Set a dead-letter exchange to keep them."],
  delivery_limit: ["Delivered too often", "Look for what fails in the consumer; set a dead-letter exchange."],
  cycle: ["Dead-lettered in a circle", "Look at where dead letters go."],
  no_dead_letter_exchange: ["Dead-letter exchange is missing", "Declare it."],
  queue_deleted: ["Queue was deleted or expired", ""],
  purged: ["Queue was purged", ""],
};

/** A cause in words. */
export function causeName(cause) {
  return CAUSES[cause]?.[0] ?? cause.replaceAll("_", " ");
}

/** Counts by cause, given `{cause: count}`. */
export function dropCounts(counts, none) {
  const rows = Object.entries(counts).filter(([, number]) => typeof number === "number" && number > 0);
  const columns = [
    { title: "Why", cell: ([cause]) => [causeName(cause), CAUSES[cause]?.[1] && element("small", { class: "muted line" }, CAUSES[cause][1])] },
    { title: "Messages", number: true, cell: ([, number]) => count(number) },
  ];
  return table("Dropped messages by cause", columns, rows, none);
}

/** Counts and the last few of one place, given `{counts, last}`; null is a broker that cannot say. */
export function drops(found, none) {
  if (found === null) return quiet("This broker does not say.");
  const columns = [
    { title: "When", cell: (row) => moment(row.at) },
    { title: "Why", cell: (row) => causeName(row.cause) },
    { title: "Exchange", minor: true, cell: (row) => row.exchange || "(default)" },
    { title: "Routing key", cell: (row) => element("code", {}, row.routing_key) },
    { title: "Size", number: true, minor: true, cell: (row) => octets(row.bytes) },
  ];
  return [dropCounts(found.counts, none), found.last.length > 0 && [element("h3", {}, "The last few"), table("The last few dropped messages", columns, found.last, "")]];
}
