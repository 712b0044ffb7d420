// What can be done with a queue: peek, get, move, purge, delete.

import { get, offers, path, post, query, remove } from "../api.js";
import { element, fill } from "../dom.js";
import { count as whole } from "../format.js";
import { check, form, input, select } from "../parts/form.js";
import { messages, SHOWN } from "../parts/messages.js";
import { attempt, confirmed } from "../parts/notices.js";
import { quiet } from "../parts/section.js";

/** What happens to messages that are fetched. */
const MODES = [
  ["ack_requeue_true", "go back into the queue, marked as redelivered"],
  ["reject_requeue_true", "are rejected and go back into the queue"],
  ["ack_requeue_false", "are taken out of the queue"],
  ["reject_requeue_false", "are rejected: dropped, or dead-lettered"],
];

const number = { type: "number", min: 1, max: 100, value: 1, required: true };

/** A look that takes nothing out and changes nothing. Only Leveret has it. */
export function peekForm(url) {
  const found = element("div", { "aria-live": "polite" });
  const place = element("div", {}, element("h3", {}, "Peek"), quiet("The first messages, as they are. They stay where they are."));
  const submit = async ({ count }) => {
    const answer = await get(`${url}/peek` + query({ count, truncate: SHOWN }));
    fill(found, messages(answer, "Nothing is ready in the queue."));
  };
  offers("GET", `${url}/peek`).then((can) => {
    if (can) place.append(form({ action: "Peek", submit }, input("Messages", "count", number)), found);
    else place.append(quiet("This broker cannot do that: use get."));
  });
  return place;
}

/** Fetches messages, as a client does. */
export function getForm(url, refresh) {
  const found = element("div", { "aria-live": "polite" });
  const submit = async ({ count, ackmode, encoding }) => {
    const goes = ackmode.endsWith("false");
    if (goes && !(await confirmed("Take messages out of the queue?", "They cannot be put back from here.", "Take them out"))) return false;
    const answer = await post(`${url}/get`, { count: Number(count), ackmode, encoding, truncate: SHOWN });
    fill(found, messages(answer, "The queue had nothing ready."));
    refresh();
    return true;
  };
  return element(
    "div",
    {},
    element("h3", {}, "Get"),
    form(
      { action: "Get messages", submit },
      input("Messages", "count", number),
      select("After that they", "ackmode", MODES),
      select("Payloads", "encoding", [["auto", "as text if they are text"], ["base64", "in base64"]]),
    ),
    found,
  );
}

/** Moves ready messages to another queue, each in one step. Only Leveret has it. */
export function moveForm(vhost, name, url, refresh) {
  const place = element("div");
  const others = element("datalist", { id: "other-queues" });
  const submit = async ({ destination, count }) => {
    await get(path("queues", vhost, destination));
    const what = count === "" ? "All that is ready" : `Up to ${count} of what is ready`;
    if (!(await confirmed(`Move messages to “${destination}”?`, `${what} in “${name}” goes to the end of that queue.`, "Move"))) return false;
    const { moved } = await post(`${url}/move`, { destination, count: count === "" ? undefined : Number(count) });
    refresh();
    return moved;
  };
  const done = (moved) => (moved === 0 ? "Nothing was moved: nothing was ready, or the other queue has no room." : `Messages moved: ${whole(moved)}.`);
  const show = async () => {
    if (!(await offers("POST", `${url}/move`))) return place.append(quiet("This broker does not move messages by itself."));
    const names = await get(path("queues", vhost) + query({ columns: "name", page: 1, page_size: 500 }));
    fill(others, names.items.filter((row) => row.name !== name).map((row) => element("option", { value: row.name })));
    const to = input("To the queue", "destination", { required: true, list: "other-queues" });
    const most = input("At most", "count", { type: "number", min: 1, placeholder: "all" }, "They keep their properties, exchange and routing key. A crash leaves none behind and doubles none.");
    return place.append(others, form({ action: "Move messages", submit, done }, to, most));
  };
  attempt(show);
  return place;
}

/** Throws all ready messages away. */
export function purgeForm(name, url, refresh) {
  const submit = async () => {
    const consequence = "All messages that are ready are gone for good. Those that consumers hold stay theirs.";
    if (!(await confirmed(`Purge the queue “${name}”?`, consequence, "Purge"))) return false;
    await remove(`${url}/contents`);
    refresh();
    return true;
  };
  return form({ action: "Purge messages", danger: true, submit, done: "The queue was purged." });
}

/** Deletes the queue. */
export function deleteForm(name, url) {
  const submit = async ({ unused, empty }) => {
    const consequence = "Its messages and bindings are gone for good, and its consumers are told.";
    if (!(await confirmed(`Delete the queue “${name}”?`, consequence, "Delete"))) return false;
    await remove(url + query({ "if-unused": unused || undefined, "if-empty": empty || undefined }));
    location.hash = "#/queues";
    return true;
  };
  return form({ action: "Delete queue", danger: true, submit, done: "The queue is gone." }, check("Only if nobody consumes", "unused"), check("Only if it is empty", "empty"));
}
