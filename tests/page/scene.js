// Something to be seen: a small shop's queues, with clients at work.

"use strict";

const { spawn } = require("node:child_process");

const QUEUES = [
  ["invoices", { "x-dead-letter-exchange": "failed", "x-delivery-limit": 5, "x-queue-type": "quorum" }],
  ["emails", { "x-message-ttl": 3600000, "x-max-priority": 5 }],
  ["reports.daily", {}],
  ["failed", { "x-max-length": 20 }],
];

/** Who may do what, and what is so for many. */
const RULES = [
  ["vhosts/staging", { description: "where releases are tried" }],
  ["users/checkout", { password: "a long secret", tags: "" }],
  ["users/dashboards", { password: "another long secret", tags: "monitoring" }],
  ["permissions/%2F/checkout", { configure: "", write: "^shop$", read: "^invoices$" }],
  ["permissions/staging/checkout", { configure: ".*", write: ".*", read: ".*" }],
  ["policies/%2F/keep-a-week", { pattern: "^reports\\.", "apply-to": "queues", priority: 1, definition: { "message-ttl": 604800000, "max-length": 100000 } }],
  ["operator-policies/%2F/no-more-than", { pattern: ".*", "apply-to": "queues", priority: 0, definition: { "max-length-bytes": 1073741824 } }],
  ["vhost-limits/staging/max-connections", { value: 50 }],
  ["user-limits/checkout/max-channels", { value: 20 }],
];

/** Makes exchanges, queues, bindings and messages. */
exports.setScene = async (reader) => {
  await reader.api("PUT", "exchanges/%2F/shop", { type: "topic", durable: true, arguments: { "alternate-exchange": "failed" } });
  await reader.api("PUT", "exchanges/%2F/failed", { type: "fanout", durable: true });
  for (const [name, queueArguments] of QUEUES) await reader.api("PUT", `queues/%2F/${name}`, { durable: true, arguments: queueArguments });
  for (const [queue, key] of [["invoices", "order.paid"], ["emails", "order.*"], ["reports.daily", "#"]]) {
    await reader.api("POST", `bindings/%2F/e/shop/q/${queue}`, { routing_key: key });
  }
  await reader.api("POST", "bindings/%2F/e/failed/q/failed", {});
  for (const [path, body] of RULES) await reader.api("PUT", path, body);
  for (let number = 1; number <= 30; number += 1) {
    const properties = { delivery_mode: 2, content_type: "application/json", headers: { attempt: 1, shop: "Zürich" } };
    const payload = JSON.stringify({ order: 1000 + number, total: "49.90" });
    await reader.api("POST", "exchanges/%2F/shop/publish", { routing_key: number % 3 ? "order.paid" : "order.new", payload, payload_encoding: "string", properties });
    await reader.api("POST", "exchanges/%2F/failed/publish", { routing_key: "order.lost", payload, payload_encoding: "string", properties });
  }
};

/** Puts clients to work; answers how they are sent home. */
exports.putToWork = async (reader, binary) => {
  const { value } = await reader.api("GET", "overview");
  const { port } = value.listeners.find((row) => row.protocol === "amqp");
  const words = ["perf", "--uri", `amqp://guest:guest@127.0.0.1:${port}/%2f`, "--publishers", "3", "--consumers", "2", "--queues", "2"];
  const load = ["--rate", "400", "--size", "300", "--persistent", "--confirm", "50", "--ack", "10", "--prefetch", "50", "--prefix", "orders.", "--duration", "600"];
  const child = spawn(binary, [...words, ...load], { stdio: "ignore" });
  const ended = new Promise((done) => child.on("exit", done));
  return async () => {
    child.kill("SIGTERM");
    await ended;
  };
};
