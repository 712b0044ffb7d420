// Definitions: export, and import with a look at what it would change.

import { get, path, post } from "../api.js";
import { element, fill } from "../dom.js";
import { count, value } from "../format.js";
import { form, labelled, select } from "../parts/form.js";
import { attempt, confirmed } from "../parts/notices.js";
import { folded, quiet } from "../parts/section.js";

/** What names a thing in each section of a file. */
const NAMES = {
  users: ["name"],
  vhosts: ["name"],
  permissions: ["user", "vhost"],
  topic_permissions: ["user", "vhost", "exchange"],
  parameters: ["component", "vhost", "name"],
  global_parameters: ["name"],
  policies: ["vhost", "name"],
  queues: ["vhost", "name"],
  exchanges: ["vhost", "name"],
  bindings: ["vhost", "source", "destination_type", "destination", "routing_key", "arguments"],
};

/** The section of the overview. */
export function definitions() {
  const vhost = select("Of", "vhost", [["", "everything"]]);
  const section = folded("Definitions", quiet("Users, vhosts, permissions, policies, queues, exchanges and bindings, in a file that RabbitMQ reads too. Messages are not in it."), exportForm(vhost), importForm(vhost));
  section.ontoggle = () => section.open && attempt(() => offerVhosts(vhost));
  return section;
}

async function offerVhosts(vhost) {
  const names = (await get("/api/vhosts?columns=name")).map((row) => row.name);
  fill(vhost.querySelector("select"), element("option", { value: "" }, "everything"), names.map((name) => element("option", { value: name }, `vhost ${name}`)));
}

function urlOf(vhost) {
  return vhost === "" ? path("definitions") : path("definitions", vhost);
}

function exportForm(vhost) {
  const submit = async (values) => {
    const text = JSON.stringify(await get(urlOf(values.vhost)), null, 2);
    const url = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    element("a", { href: url, download: `definitions-${new Date().toISOString().slice(0, 10)}.json` }).click();
    // The browser has taken it by then.
    setTimeout(() => URL.revokeObjectURL(url), 60000);
  };
  return form({ action: "Export", submit, done: "The definitions were exported." }, vhost);
}

function importForm(vhost) {
  const file = element("input", { type: "file", name: "file", accept: ".json,application/json", required: true });
  const difference = element("div", { "aria-live": "polite" });
  const chosen = () => vhost.querySelector("select").value;
  const submit = async () => {
    const wanted = await read(file);
    const present = await get(urlOf(chosen()));
    fill(difference, differenceOf(present, wanted, () => importNow(chosen(), wanted, difference)));
  };
  file.onchange = () => fill(difference);
  return element("div", {}, form({ action: "Show what an import would do", submit }, labelled("File", file)), difference);
}

async function read(file) {
  const text = await file.files[0].text();
  let wanted;
  try {
    wanted = JSON.parse(text);
  } catch (error) {
    throw new Error(`The file is no JSON: ${error.message}`);
  }
  if (wanted === null || typeof wanted !== "object" || Array.isArray(wanted)) throw new Error("The file has no definitions.");
  return wanted;
}

async function importNow(vhost, wanted, difference) {
  const consequence = "What is new is added, what is there is changed; queues and exchanges that exist stay as they are, and nothing is deleted.";
  if (!(await confirmed("Import these definitions?", consequence, "Import"))) return;
  if (await attempt(() => post(urlOf(vhost), wanted), "The definitions were imported.")) fill(difference);
}

/** What would be new and what would change, by section, and the button that does it. */
function differenceOf(present, wanted, proceed) {
  const sections = Object.keys(NAMES).map((name) => ({ name, ...compare(NAMES[name], present[name] ?? [], wanted[name] ?? []) }));
  const touched = sections.filter(({ added, changed }) => added.length + changed.length > 0);
  const same = sections.reduce((sum, section) => sum + section.same, 0);
  return element(
    "div",
    { class: "difference" },
    touched.length === 0 && quiet("Nothing would change: all of it is there."),
    touched.map(({ name, added, changed }) => [
      element("h3", {}, name.replaceAll("_", " ")),
      element("ul", {}, added.map((text) => element("li", { class: "added" }, "new: ", element("code", {}, text))), changed.map((text) => element("li", { class: "changed" }, "other: ", element("code", {}, text)))),
    ]),
    quiet(`${count(same)} are there already and stay as they are.`),
    touched.length > 0 && element("button", { type: "button", class: "primary", onclick: proceed }, "Import"),
  );
}

function compare(names, present, wanted) {
  const nameOf = (row) => names.filter((name) => row[name] !== undefined).map((name) => value(row[name]) || "(empty)").join(" · ");
  const known = new Map(present.map((row) => [nameOf(row), row]));
  const found = { added: [], changed: [], same: 0 };
  for (const row of wanted) {
    const before = known.get(nameOf(row));
    if (before === undefined) found.added.push(nameOf(row));
    else if (differs(before, row)) found.changed.push(nameOf(row));
    else found.same += 1;
  }
  return found;
}

/** Whether the file says anything of a thing that is otherwise now. */
function differs(before, row) {
  return Object.entries(row).some(([name, wanted]) => before[name] !== undefined && !equal(before[name], wanted));
}

function equal(one, other) {
  if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) return one === other;
  const names = new Set([...Object.keys(one), ...Object.keys(other)]);
  return [...names].every((name) => equal(one[name], other[name]));
}
