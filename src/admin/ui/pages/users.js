// Users: all of them, and one with what it may.

import { get, getIfAny, path, put, remove } from "../api.js";
import { element, fill } from "../dom.js";
import { form, input, select } from "../parts/form.js";
import { listing } from "../parts/listing.js";
import { attempt, confirmed } from "../parts/notices.js";
import { badge, facts, folded, heading, link, section, table } from "../parts/section.js";

export const users = { title: "Users", open: openList };
export const user = { open: openOne };

const TAGS = "administrator, monitoring, policymaker, management, or none; several with commas between them";
const PATTERN = "A regular expression that is searched in names: .* is all, nothing is none.";

/** Tags are a list, or in older brokers text with commas. */
function tagsOf(row) {
  const tags = Array.isArray(row.tags) ? row.tags : (row.tags ?? "").split(",");
  return tags.filter(Boolean);
}

function openList(place, _, { refresh }) {
  let permissions = [];
  const list = listing({
    name: "users",
    caption: "Users",
    url: () => path("users"),
    key: (row) => row.name,
    empty: "There are none.",
    columns: [
      { title: "Name", sort: "name", cell: (row) => link(row.name, "users", row.name) },
      { title: "Tags", cell: (row) => tagsOf(row).map((tag) => badge(tag)) },
      { title: "May use", cell: (row) => vhostsOf(row) },
      { title: "Password", minor: true, cell: (row) => (row.password_hash === "" ? "none" : "set") },
    ],
  });
  const vhostsOf = (row) => {
    const names = permissions.filter((one) => one.user === row.name).map((one) => one.vhost);
    return names.length === 0 ? badge("no vhost", "busy") : names.map((name) => [link(name, "vhosts", name), " "]);
  };
  const submit = async ({ name, password, tags }) => {
    await put(path("users", name), { password, tags });
    refresh();
  };
  fill(
    place,
    heading("Users"),
    element("div", { class: "card" }, list.element),
    folded("Add a user", form({ action: "Add user", submit, done: "The user is there. It may use no vhost yet.", clear: true }, input("Name", "name", { required: true }), passwordField(true), input("Tags", "tags", {}, TAGS))),
  );
  return async (signal) => {
    permissions = (await getIfAny(path("permissions"), signal)) ?? [];
    await list.refresh(signal);
  };
}

function passwordField(required) {
  return input("Password", "password", { type: "password", autocomplete: "new-password", required });
}

function openOne(place, [name], { refresh }) {
  const url = path("users", name);
  const about = element("div");
  const permissions = element("div");
  const topics = element("div");
  const setting = folded("Set permissions");
  const topicSetting = folded("Set topic permissions");
  const fillForms = async () => {
    const vhosts = (await get("/api/vhosts?columns=name")).map((row) => row.name);
    setting.append(permissionForm(name, vhosts, refresh));
    topicSetting.append(topicForm(name, vhosts, refresh));
  };
  attempt(fillForms);
  fill(
    place,
    heading(name, link("Users", "users")),
    about,
    section("Permissions", permissions),
    setting,
    section("Topic permissions", topics),
    topicSetting,
    folded("Change tags or password", changeForm(url, refresh)),
    folded("Delete", deleteForm(name, url)),
  );
  return async (signal) => {
    const [row, may, mayTopics] = await Promise.all([get(url, signal), get(`${url}/permissions`, signal), getIfAny(`${url}/topic-permissions`, signal)]);
    fill(about, section("Details", facts([["Tags", tagsOf(row).map((tag) => badge(tag))], ["Password", row.password_hash === "" ? "none: cannot log in with one" : "set"]])));
    fill(permissions, permissionsTable(may, refresh));
    fill(topics, topicsTable(mayTopics ?? [], refresh));
  };
}

const code = (text) => (text === "" ? "nothing" : element("code", {}, text));

/** Permissions, in the page of a user or of a vhost. */
export function permissionsTable(rows, changed) {
  const columns = [
    { title: "User", cell: (row) => link(row.user, "users", row.user) },
    { title: "Vhost", cell: (row) => link(row.vhost, "vhosts", row.vhost) },
    { title: "Configure", cell: (row) => code(row.configure) },
    { title: "Write", cell: (row) => code(row.write) },
    { title: "Read", cell: (row) => code(row.read) },
    { title: "", number: true, cell: (row) => clearButton("Clear these permissions?", "It acts on clients that are connected, too.", path("permissions", row.vhost, row.user), changed) },
  ];
  return table("Permissions", columns, rows, "There are none.");
}

function topicsTable(rows, changed) {
  const columns = [
    { title: "Vhost", cell: (row) => link(row.vhost, "vhosts", row.vhost) },
    { title: "Exchange", cell: (row) => row.exchange },
    { title: "Write keys", cell: (row) => code(row.write) },
    { title: "Read keys", cell: (row) => code(row.read) },
    { title: "", number: true, cell: (row) => clearButton("Clear the topic permissions of this vhost?", "All keys of its topic exchanges are open then.", path("topic-permissions", row.vhost, row.user), changed) },
  ];
  return table("Topic permissions", columns, rows, "There are none: all routing keys are open.");
}

function clearButton(question, consequence, url, changed) {
  const clear = async () => {
    if ((await confirmed(question, consequence, "Clear")) && (await attempt(() => remove(url), "Cleared."))) changed();
  };
  return element("button", { type: "button", class: "quiet danger", onclick: clear }, "Clear");
}

function permissionForm(name, vhosts, changed) {
  const submit = async ({ vhost, configure, write, read }) => {
    await put(path("permissions", vhost, name), { configure, write, read });
    changed();
  };
  return form(
    { action: "Set permissions", submit, done: "The permissions are set." },
    select("Vhost", "vhost", vhosts),
    ...["configure", "write", "read"].map((right) => input(right[0].toUpperCase() + right.slice(1), right, { value: ".*" }, PATTERN)),
  );
}

function topicForm(name, vhosts, changed) {
  const submit = async ({ vhost, exchange, write, read }) => {
    await put(path("topic-permissions", vhost, name), { exchange, write, read });
    changed();
  };
  return form(
    { action: "Set topic permissions", submit, done: "The topic permissions are set." },
    select("Vhost", "vhost", vhosts),
    input("Exchange", "exchange", { required: true }),
    input("Write keys", "write", { value: ".*" }, PATTERN),
    input("Read keys", "read", { value: ".*" }, PATTERN),
  );
}

function changeForm(url, changed) {
  const tags = input("Tags", "tags", {}, TAGS);
  attempt(async () => {
    tags.querySelector("input").value = tagsOf(await get(url)).join(",");
  });
  const submit = async (values) => {
    const row = await get(url);
    const { password_hash, hashing_algorithm } = row;
    // Without either, the user would have no password any more.
    const secret = values.password === "" ? { password_hash, hashing_algorithm } : { password: values.password };
    await put(url, { tags: values.tags, ...secret });
    changed();
  };
  return form({ action: "Change", submit, done: "The user was changed." }, tags, passwordField(false));
}

function deleteForm(name, url) {
  const submit = async () => {
    if (!(await confirmed(`Delete the user “${name}”?`, "Its connections are closed, and its permissions are gone.", "Delete"))) return false;
    await remove(url);
    location.hash = "#/users";
    return true;
  };
  return form({ action: "Delete user", danger: true, submit, done: "The user is gone." });
}
