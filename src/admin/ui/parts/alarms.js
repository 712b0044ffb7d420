// Why publishers are blocked: alarms of the broker, and the connections that wait for their end.

import { getIfAny, query } from "../api.js";
import { element } from "../dom.js";
import { count, octets } from "../format.js";
import { link } from "./section.js";

/** How many of those that wait are named. */
const NAMED = 5;

/** Whether a connection waits for the end of an alarm. */
export function isBlocked(row) {
  return row.state?.startsWith("block") ?? false;
}

/** What is wrong with nodes, as sentences. */
export function alarmsOf(nodes) {
  return (nodes ?? []).flatMap((node) =>
    [
      node.mem_alarm && `Low on memory: ${octets(node.mem_used)} used of at most ${octets(node.mem_limit)}.`,
      node.disk_free_alarm && `Low on disk: ${octets(node.disk_free)} free of at least ${octets(node.disk_free_limit)}.`,
      node.fd_alarm && `Low on file descriptors: ${count(node.fd_used)} of ${count(node.fd_total)} in use.`,
    ].filter(Boolean),
  );
}

/** The notice, or nothing if all is well. */
export async function alarm(nodes, signal) {
  const reasons = alarmsOf(nodes);
  if (reasons.length === 0) return null;
  const rows = await getIfAny("/api/connections" + query({ columns: "name,user,state" }), signal);
  const blocked = (rows ?? []).filter(isBlocked);
  return element(
    "section",
    { class: "card alarm", role: "alert" },
    element("h2", {}, "Publishers are blocked"),
    element("ul", {}, reasons.map((reason) => element("li", {}, reason))),
    blocked.length > 0 &&
      element("p", {}, `Waiting connections: ${count(blocked.length)}. `, blocked.slice(0, NAMED).map((row) => [link(row.name, "connections", row.name), " "])),
    element("p", {}, "Consumers go on. Publishers do too, as soon as there is room again."),
  );
}
