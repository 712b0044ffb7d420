// What people do with the page. Each story has a window and a login of its own.

"use strict";

const assert = require("node:assert/strict");
const { HOSTILE } = require("./reader");

/** Wrong passwords are refused; a reload keeps who is logged in; logging out forgets. */
exports.login = async (reader) => {
  const { page } = reader;
  await reader.sees("Overview");
  await page.reload();
  await reader.sees("Dropped messages");
  // Nothing that a script could read is a password, or leads to one.
  const readable = await page.evaluate("JSON.stringify([{ ...sessionStorage }, { ...localStorage }, document.cookie])");
  assert.equal(readable, '[{},{},""]');
  await reader.press("Log out guest");
  assert.equal(await page.evaluate("sessionStorage.length + localStorage.length + document.cookie.length"), 0);
  await reader.open("guest", "wrong");
  await reader.hears("Not logged in");
  assert.equal(await page.locator("nav a").count(), 0);
  await reader.open();
  await reader.sees("Dropped messages");
};

/** The chart, the totals and the listeners are there. */
exports.overview = async (reader) => {
  await reader.sees("Queued messages");
  await reader.page.locator(".plot canvas").first().waitFor();
  await reader.sees("amqp");
  await reader.sees("Memory");
};

/** Adds a queue with an argument, finds it in the list, deletes it. */
exports.queue = async (reader) => {
  const { page } = reader;
  await reader.api("DELETE", "queues/%2F/page.added");
  await reader.visit("queues");
  const adding = await reader.unfold("Add a queue");
  await adding.getByLabel("Name", { exact: true }).fill("page.added");
  await reader.press("Add one", adding);
  await adding.getByLabel("Name", { exact: true }).last().fill("x-max-length");
  await adding.getByLabel("Value", { exact: true }).fill("7");
  await adding.getByLabel("Kind of value").selectOption("number");
  await reader.press("Add queue", adding);
  await reader.hears("The queue is there.");
  await page.getByLabel("Filter by name").fill("page.add");
  await page.getByRole("link", { name: "page.added" }).click();
  await reader.sees("x-max-length");
  assert.ok(page.url().endsWith("#/queues/%2F/page.added"));
  const { value } = await reader.api("GET", "queues/%2F/page.added");
  assert.deepEqual(value.arguments, { "x-max-length": 7 });
  const ending = await reader.unfold("Purge or delete");
  await reader.press("Delete queue", ending);
  await reader.agrees("Cancel");
  assert.equal((await reader.api("GET", "queues/%2F/page.added")).status, 200);
  await reader.press("Delete queue", ending);
  await reader.agrees("Delete");
  await reader.hears("The queue is gone.");
  assert.equal((await reader.api("GET", "queues/%2F/page.added")).status, 404);
};

/** Publishes, peeks without changing anything, gets, and purges. */
exports.messages = async (reader) => {
  await reader.queue("page.messages");
  await reader.visit("queues", "/", "page.messages");
  const publishing = await reader.unfold("Publish a message");
  await publishing.getByLabel("Payload", { exact: true }).fill(`hello ${HOSTILE}`);
  await reader.press("Publish message", publishing);
  await reader.hears("The message was published.");
  const looking = await reader.unfold("Look at messages");
  const get = looking.getByRole("form", { name: "Get messages" });
  await reader.press("Peek", looking);
  await reader.sees("hello", looking.locator("pre"));
  await reader.press("Peek", looking);
  await reader.sees("no", looking.locator("article"));
  assert.equal((await reader.api("GET", "queues/%2F/page.messages")).value.messages_ready, 1);
  await get.getByLabel("After that they").selectOption("ack_requeue_false");
  await reader.press("Get messages", get);
  await reader.agrees("Take them out");
  await looking.locator("pre", { hasText: HOSTILE }).last().waitFor();
  await reader.publish("page.messages", "one more");
  const ending = await reader.unfold("Purge or delete");
  await reader.press("Purge messages", ending);
  await reader.agrees("Purge");
  await reader.hears("The queue was purged.");
  const { value } = await reader.api("POST", "queues/%2F/page.messages/get", { count: 1, ackmode: "ack_requeue_true", encoding: "auto" });
  assert.deepEqual(value, []);
  await reader.api("DELETE", "queues/%2F/page.messages");
};

/** Moves messages to another queue; one that has no room for them keeps them where they are. */
exports.move = async (reader) => {
  const queues = ["page.from", "page.to"];
  for (const name of queues) await reader.queue(name);
  await reader.api("PUT", "queues/%2F/page.small", { durable: true, arguments: { "x-max-length": 1, "x-overflow": "reject-publish" } });
  for (const payload of ["a", "b", "c"]) await reader.publish("page.from", payload);
  await reader.visit("queues", "/", "page.from");
  const moving = await reader.unfold("Move messages");
  const move = async (to, most) => {
    await moving.getByLabel("To the queue").fill(to);
    await moving.getByLabel("At most").fill(most);
    await reader.press("Move messages", moving);
    if (to !== "page.none") await reader.agrees("Move");
  };
  await move("page.to", "1");
  await reader.hears("Messages moved: 1.");
  await move("page.small", "");
  await reader.hears("Messages moved: 1.");
  await move("page.small", "");
  await reader.hears("Nothing was moved");
  await move("page.none", "");
  await reader.hears("This is not there (404).");
  const peeked = await Promise.all(queues.map((name) => reader.api("GET", `queues/%2F/${name}/peek?count=9`)));
  assert.deepEqual(peeked.map(({ value }) => value.map((message) => message.payload)), [["c"], ["a"]]);
  for (const name of [...queues, "page.small"]) await reader.api("DELETE", `queues/%2F/${name}`);
};

/** Says of each place what was dropped there, and why. */
exports.drops = async (reader) => {
  const path = await reader.queue("page.dropping");
  await reader.publish("page.dropping", "one");
  await reader.api("DELETE", `${path}/contents`);
  await reader.api("PUT", "exchanges/%2F/page.nowhere", { type: "fanout" });
  const lost = { routing_key: "to.nobody", payload: "", payload_encoding: "string", properties: {} };
  await reader.api("POST", "exchanges/%2F/page.nowhere/publish", lost);
  await reader.visit("queues", "/", "page.dropping");
  await reader.sees("Queue was purged");
  await reader.visit("exchanges", "/", "page.nowhere");
  await reader.sees("Matched no binding");
  await reader.sees("to.nobody");
  await reader.visit("");
  await reader.sees("Matched no binding");
  await reader.api("DELETE", path);
  await reader.api("DELETE", "exchanges/%2F/page.nowhere");
};

/** Says why publishers are blocked, and which; what the broker says is made up here. */
exports.blocked = async (reader) => {
  const { page } = reader;
  const name = "10.0.0.7:50123 -> 10.0.0.1:5672";
  const node = { name: "leveret@localhost", running: true, disk_free_alarm: true, disk_free: 12e6, disk_free_limit: 5e7 };
  const row = { name, user: "guest", vhost: "/", state: "blocked", channels: 1, channel_max: 2047, client_properties: {} };
  await page.route("**/api/nodes", (route) => route.fulfill({ json: [node] }));
  await page.route("**/api/connections?columns=*", (route) => route.fulfill({ json: [row] }));
  await page.route(`**/api/connections/${encodeURIComponent(name)}`, (route) => route.fulfill({ json: row }));
  await page.route("**/api/connections/*/channels", (route) => route.fulfill({ json: [] }));
  await page.reload();
  const alarm = page.getByRole("alert").filter({ hasText: "Publishers are blocked" });
  await reader.sees("Low on disk: 11 MiB free of at least 48 MiB.", alarm);
  await alarm.getByRole("link", { name }).click();
  await page.getByRole("heading", { name }).waitFor();
  await reader.sees("Low on disk", alarm);
};

/** Says plainly what a broker does not offer, or does not let this user do. */
exports.refused = async (reader) => {
  const { page } = reader;
  await page.route("**/api/policies*", (route) => route.fulfill({ status: 404, json: { error: "Object Not Found", reason: "Not Found" } }));
  await page.route("**/api/policies/**", (route) => route.fulfill({ status: 405 }));
  await reader.visit("policies");
  await reader.sees("This broker has no such list, or does not show it to you.");
  const adding = await reader.unfold("Add or change: policy");
  await adding.getByLabel("Name", { exact: true }).fill("p");
  await adding.getByLabel("Pattern").fill(".*");
  await reader.press("Set policy", adding);
  await reader.hears("This broker does not offer that (405).");
  await page.route("**/api/queues/%2F/page.forbidden", (route) => route.fulfill({ status: 401, json: { error: "not_authorised", reason: "Access refused." } }));
  await reader.visit("queues");
  const queue = await reader.unfold("Add a queue");
  await queue.getByLabel("Name", { exact: true }).fill("page.forbidden");
  await reader.press("Add queue", queue);
  await reader.hears("Access refused.");
};

/** Says that the broker does not answer, and shows what is new when it does again. */
exports.silence = async (reader) => {
  const { page } = reader;
  await reader.queue("page.silent");
  await reader.visit("queues", "/", "page.silent");
  await reader.sees("Nobody consumes from it.");
  await page.route("**/api/**", (route) => route.abort());
  await page.locator("header .state.trouble", { hasText: "The broker does not answer." }).waitFor();
  await page.unroute("**/api/**");
  await page.locator("header .state:not(.trouble)", { hasText: "as of" }).waitFor();
  await reader.api("DELETE", "queues/%2F/page.silent");
};

/** Binds a queue, asks where a message would go, unbinds it. */
exports.bindings = async (reader) => {
  await reader.queue("page.bound");
  await reader.visit("exchanges", "/", "amq.topic");
  const adding = await reader.unfold("Add a binding from here");
  await adding.getByLabel("Name", { exact: true }).fill("page.bound");
  await adding.getByLabel("Routing key").fill("order.#");
  await reader.press("Bind", adding);
  await reader.hears("The binding is there.");
  await reader.sees("order.#");
  const asking = await reader.unfold("Where would a message go?");
  await asking.getByLabel("Routing key").fill("order.eu");
  await reader.press("Tell me", asking);
  await reader.sees("page.bound", asking);
  await asking.getByLabel("Routing key").fill("invoice");
  await reader.press("Tell me", asking);
  await reader.sees("It would reach no queue.", asking);
  await reader.press("Unbind", reader.page.getByRole("row", { name: "page.bound" }));
  await reader.agrees("Unbind");
  await reader.hears("The binding is gone.");
  await reader.api("DELETE", "queues/%2F/page.bound");
};

/** Sets a policy and sees it in force. */
exports.policy = async (reader) => {
  await reader.visit("policies");
  const queue = await reader.queue("page.ruled");
  const adding = await reader.unfold("Add or change: policy");
  await adding.getByLabel("Name", { exact: true }).fill("page-policy");
  await adding.getByLabel("Pattern").fill("^page\\.");
  await reader.press("Add one", adding);
  await adding.getByLabel("Name", { exact: true }).last().fill("max-length");
  await adding.getByLabel("Value", { exact: true }).fill("5");
  await adding.getByLabel("Kind of value").selectOption("number");
  await reader.press("Set policy", adding);
  await reader.hears("It is in force.");
  await reader.visit("queues", "/", "page.ruled");
  await reader.sees("page-policy");
  await reader.visit("policies");
  await reader.press("Delete", reader.page.getByRole("row", { name: "page-policy" }));
  await reader.agrees("Delete");
  await reader.hears("The policy is gone.");
  await reader.api("DELETE", queue);
};

/** Adds a user, gives and takes rights, changes it, lets it log in, deletes it. */
exports.users = async (reader) => {
  const { page } = reader;
  await reader.visit("users");
  await reader.api("DELETE", "users/page.user");
  const adding = await reader.unfold("Add a user");
  await adding.getByLabel("Name", { exact: true }).fill("page.user");
  await adding.getByLabel("Password").fill("secret");
  await adding.getByLabel("Tags").fill("management");
  await reader.press("Add user", adding);
  await reader.hears("The user is there.");
  await page.getByRole("link", { name: "page.user" }).click();
  await page.getByRole("heading", { name: "page.user" }).waitFor();
  await reader.sees("management");
  const setting = await reader.unfold("Set permissions");
  await setting.getByLabel("Vhost").selectOption("/");
  await setting.getByLabel("Write").fill("^page");
  await reader.press("Set permissions", setting);
  await reader.hears("The permissions are set.");
  await reader.sees("^page");
  const topics = await reader.unfold("Set topic permissions");
  await topics.getByLabel("Exchange").fill("amq.topic");
  await topics.getByLabel("Read keys").fill("^eu");
  await reader.press("Set topic permissions", topics);
  await reader.hears("The topic permissions are set.");
  await reader.sees("^eu");
  const { value: may } = await reader.api("GET", "permissions/%2F/page.user");
  assert.deepEqual([may.configure, may.write, may.read], [".*", "^page", ".*"]);
  const changing = await reader.unfold("Change tags or password");
  await changing.getByLabel("Tags").fill("monitoring");
  await reader.press("Change", changing);
  await reader.hears("The user was changed.");
  await reader.press("Log out guest");
  await reader.open("page.user", "secret");
  await reader.press("Log out page.user");
  await reader.open();
  await reader.visit("users", "page.user");
  await reader.press("Clear", page.getByRole("row", { name: "^page" }));
  await reader.agrees("Clear");
  await reader.hears("Cleared.");
  const ending = await reader.unfold("Delete");
  await reader.press("Delete user", ending);
  await reader.agrees("Delete");
  await reader.hears("The user is gone.");
  assert.equal((await reader.api("GET", "users/page.user")).status, 404);
};

/** Adds a vhost, looks only at that, limits it, deletes it. */
exports.vhosts = async (reader) => {
  const { page } = reader;
  await reader.visit("vhosts");
  await reader.api("DELETE", "vhosts/page.vhost");
  const adding = await reader.unfold("Add a vhost");
  await adding.getByLabel("Name", { exact: true }).fill("page.vhost");
  await adding.getByLabel("Description").fill("for this story");
  await reader.press("Add vhost", adding);
  await reader.hears("The vhost is there.");
  await page.getByRole("link", { name: "page.vhost" }).click();
  await page.getByRole("heading", { name: "page.vhost" }).waitFor();
  await reader.sees("for this story");
  await reader.visit("limits");
  const limiting = await reader.unfold("Set a limit of a vhost");
  await limiting.getByLabel("Vhost", { exact: true }).selectOption("page.vhost");
  await limiting.getByLabel("Limit", { exact: true }).selectOption("max-queues");
  await limiting.getByLabel("At most").fill("0");
  await reader.press("Set limit", limiting);
  await reader.hears("The limit is set.");
  await page.getByRole("row", { name: "max-queues = 0" }).waitFor();
  await page.locator("header select").selectOption("page.vhost");
  await reader.visit("queues");
  await reader.sees("There are none.");
  const refused = await reader.unfold("Add a queue");
  await refused.getByLabel("Name", { exact: true }).fill("one.too.many");
  await reader.press("Add queue", refused);
  await page.locator("#notices .trouble").waitFor();
  await reader.visit("limits");
  await page.locator("#notices .trouble").waitFor({ state: "detached" });
  await reader.press("Clear max-queues", page.getByRole("row", { name: "page.vhost" }));
  await reader.agrees("Clear");
  await reader.hears("The limit is gone.");
  await reader.visit("vhosts", "page.vhost");
  const ending = await reader.unfold("Delete");
  await reader.press("Delete vhost", ending);
  await reader.agrees("Delete");
  await reader.hears("The vhost is gone.");
  assert.equal((await reader.api("GET", "vhosts/page.vhost")).status, 404);
};

/** Exports definitions, and says of an import what it would do before it does it. */
exports.definitions = async (reader) => {
  const section = await reader.unfold("Definitions");
  const [download] = await Promise.all([reader.page.waitForEvent("download"), reader.press("Export", section)]);
  assert.match(download.suggestedFilename(), /^definitions-.*\.json$/);
  const exchange = { name: "page.imported", vhost: "/", type: "fanout", durable: true, auto_delete: false, internal: false, arguments: {} };
  const file = { name: "some.json", mimeType: "application/json", buffer: Buffer.from(JSON.stringify({ exchanges: [exchange] })) };
  await section.locator("input[type=file]").setInputFiles(file);
  await reader.press("Show what an import would do", section);
  await reader.sees("page.imported", section);
  assert.equal((await reader.api("GET", "exchanges/%2F/page.imported")).status, 404);
  await reader.press("Import", section);
  await reader.agrees("Import");
  await reader.hears("The definitions were imported.");
  assert.equal((await reader.api("DELETE", "exchanges/%2F/page.imported")).status, 204);
};

/** Names that are markup are shown as they are, wherever they come. */
exports.hostile_names = async (reader) => {
  const { page } = reader;
  const queue = await reader.queue(HOSTILE);
  const name = encodeURIComponent(HOSTILE);
  await reader.api("PUT", `exchanges/%2F/${name}`, { type: "direct", arguments: { "alternate-exchange": HOSTILE } });
  await reader.api("POST", `bindings/%2F/e/${name}/q/${name}`, { routing_key: HOSTILE, arguments: { [HOSTILE]: HOSTILE } });
  const properties = { content_type: HOSTILE, headers: { [HOSTILE]: HOSTILE } };
  await reader.api("POST", `exchanges/%2F/${name}/publish`, { routing_key: HOSTILE, payload: HOSTILE, payload_encoding: "string", properties });
  for (const list of ["queues", "exchanges"]) {
    await reader.visit(list);
    await page.getByRole("link", { name: HOSTILE }).click();
    await page.getByRole("heading", { name: HOSTILE }).waitFor();
    await page.locator("code", { hasText: HOSTILE }).first().waitFor();
    assert.equal(await page.locator("main img, main script").count(), 0);
  }
  await reader.visit("queues", "/", HOSTILE);
  const looking = await reader.unfold("Look at messages");
  await reader.press("Get messages", looking);
  await looking.locator("dd", { hasText: HOSTILE }).first().waitFor();
  const ending = await reader.unfold("Purge or delete");
  await reader.press("Delete queue", ending);
  await page.locator("dialog", { hasText: HOSTILE }).waitFor();
  await reader.agrees("Delete");
  await reader.hears("The queue is gone.");
  assert.equal((await reader.api("GET", queue)).status, 404);
  await page.goto(`${reader.url}/#/queues/%2F/${encodeURIComponent("<img src=x onerror=window.__x=1>")}`);
  await reader.sees("This is not here, or no more.");
  await page.goto(`${reader.url}/#/%3Cimg%20src=x%20onerror=window.__x=1%3E`);
  await reader.sees("There is no such page.");
  await reader.api("DELETE", `exchanges/%2F/${name}`);
};

/** What is fetched anew every five seconds leaves what is being typed, its focus, and what is open. */
exports.refresh = async (reader) => {
  const { page } = reader;
  await reader.queue("page.refreshed");
  await reader.visit("queues", "/", "page.refreshed");
  const publishing = await reader.unfold("Publish a message");
  const payload = publishing.getByLabel("Payload", { exact: true });
  await payload.fill("half-writ");
  const before = await page.evaluate("scrollY");
  await reader.publish("page.refreshed", "from elsewhere");
  await page.locator(".figures dd", { hasText: /^1$/ }).first().waitFor();
  assert.equal(await payload.inputValue(), "half-writ");
  assert.ok(await payload.evaluate((node) => node === document.activeElement));
  assert.equal(await page.evaluate("scrollY"), before);
  await reader.api("DELETE", "queues/%2F/page.refreshed");
  await reader.sees("This is not here, or no more.");
};

/** On a phone nothing is wider than the window, and everything can be reached. */
exports.phone = async (reader) => {
  await reader.queue("a.queue.with.a.rather.long.name.that.has.no.room.on.a.phone");
  for (const place of ["", "connections", "channels", "consumers", "exchanges", "queues", "users", "vhosts", "policies", "limits"]) {
    await reader.visit(...place.split("/"));
    await reader.page.waitForLoadState("networkidle");
    assert.ok((await reader.page.evaluate("document.documentElement.scrollWidth")) <= 375, `#/${place} is too wide`);
  }
  await reader.api("DELETE", "queues/%2F/a.queue.with.a.rather.long.name.that.has.no.room.on.a.phone");
};
exports.phone.window = { viewport: { width: 375, height: 800 }, hasTouch: true };

/** Who prefers the dark gets it, charts too. */
exports.dark = async (reader) => {
  const paper = async () => {
    const colour = await reader.page.evaluate("getComputedStyle(document.body).backgroundColor");
    return Math.max(...colour.match(/\d+/g).slice(0, 3).map(Number));
  };
  await reader.page.locator(".plot canvas").first().waitFor();
  assert.ok((await paper()) < 60);
  await reader.page.emulateMedia({ colorScheme: "light" });
  assert.ok((await paper()) > 200);
  await reader.page.locator(".plot canvas").first().waitFor();
};
exports.dark.window = { viewport: { width: 1300, height: 900 }, colorScheme: "dark" };

/** The keyboard alone gets to the content, and along the pages. */
exports.keyboard = async (reader) => {
  const { page } = reader;
  await reader.sees("Dropped messages");
  await page.reload();
  await reader.sees("Dropped messages");
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate("document.activeElement.className"), "skip");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate("document.activeElement.id"), "main");
  await page.getByRole("link", { name: "Queues", exact: true }).focus();
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Queues" }).waitFor();
  assert.equal(await page.getByRole("link", { name: "Queues", exact: true }).getAttribute("aria-current"), "page");
  const nameless = await page.evaluate(`[...document.querySelectorAll("input, select, textarea, button")].filter((field) => !(field.labels?.length || field.ariaLabel || field.textContent.trim())).length`);
  assert.equal(nameless, 0);
};
