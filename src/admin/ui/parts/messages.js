// Messages: one as it is shown, and the form that publishes one.

import { path, post } from "../api.js";
import { element } from "../dom.js";
import { count, moment, octets } from "../format.js";
import { check, form, input, rows, select, textarea } from "./form.js";
import { exchangeName, facts, pairs, quiet } from "./section.js";

/** Octets of a payload that are shown of each message. */
export const SHOWN = 50000;

/** Messages one below the other. */
export function messages(found, none) {
  if (found.length === 0) return quiet(none);
  return element("ol", { class: "messages" }, found.map((message, index) => element("li", {}, one(message, index, found.length))));
}

function one(message, index, all) {
  const { headers, ...properties } = message.properties ?? {};
  const rest = message.message_count;
  return element(
    "article",
    { "aria-label": `Message ${index + 1} of ${all}` },
    facts([
      ["Exchange", exchangeName(message.exchange)],
      ["Routing key", element("code", {}, message.routing_key || "(empty)")],
      ["Redelivered", message.redelivered ? "yes" : "no"],
      ["Size", octets(message.payload_bytes)],
      ["Published", message.published_at === undefined ? undefined : moment(message.published_at)],
      ["Properties", pairs(properties) ?? undefined],
      ["Headers", pairs(headers) ?? undefined],
      ["Still in the queue", rest === undefined ? undefined : count(rest)],
    ]),
    element("pre", { tabindex: "0", "aria-label": "Payload" }, message.payload),
    message.payload_encoding === "base64" && quiet("The payload is no text; it is shown in base64."),
    message.payload_bytes > SHOWN && quiet("Only its beginning is shown."),
  );
}

/** The properties of a message that can be given, with their types. */
const PROPERTIES = {
  content_type: "text", content_encoding: "text", priority: "number", correlation_id: "text", reply_to: "text",
  expiration: "text", message_id: "text", timestamp: "number", type: "text", user_id: "text", app_id: "text",
};

/** The form that publishes to an exchange. A fixed routing key is that of a queue. */
export function publishForm(vhost, exchange, fixedKey, then = () => {}) {
  const properties = rows("Properties", PROPERTIES);
  const headers = rows("Headers");
  const submit = async (values) => {
    const body = {
      routing_key: fixedKey ?? values.routing_key,
      payload: values.payload,
      payload_encoding: values.encoding,
      properties: { ...properties.read(), headers: headers.read(), delivery_mode: values.persistent ? 2 : 1 },
    };
    const answer = await post(path("exchanges", vhost, exchange || "amq.default", "publish"), body);
    then();
    if (!answer.routed) throw new Error("The message was published, but it reached no queue.");
  };
  return form(
    { action: "Publish message", submit, done: "The message was published." },
    fixedKey === undefined && input("Routing key", "routing_key"),
    textarea("Payload", "payload"),
    select("Payload is", "encoding", [["string", "text"], ["base64", "base64"]]),
    check("Persistent", "persistent", { checked: true }),
    headers.element,
    properties.element,
  );
}
