// Somebody who reads the page: a browser window, and what they do in it.

"use strict";

const assert = require("node:assert/strict");

/** A queue's name that is markup, a vhost's and a key's too. */
const HOSTILE = '"><img src=x onerror=window.__x=1><script>window.__x=1</script>';

class Reader {
  constructor(page, url) {
    this.page = page;
    this.url = url;
    /** What the browser complained about; what is answered with an error status is none of it. */
    this.complaints = [];
    page.on("console", (message) => {
      const expected = message.text().startsWith("Failed to load resource");
      if (message.type() === "error" && !expected) this.complaints.push(message.text());
    });
    page.on("pageerror", (error) => this.complaints.push(error.stack));
    page.on("request", (request) => {
      if (!request.url().startsWith(url) && !request.url().startsWith("blob:")) this.complaints.push(`asks for ${request.url()}`);
    });
  }

  /** Opens the page and logs in. */
  async open(user = "guest", password = "guest") {
    await this.page.goto(`${this.url}/`);
    await this.page.getByLabel("User").fill(user);
    await this.page.getByLabel("Password").fill(password);
    await this.press("Log in");
  }

  /** Goes to a page and waits until it is there. */
  async visit(...segments) {
    await this.page.goto(`${this.url}/#/${segments.map(encodeURIComponent).join("/")}`);
    await this.page.locator("h1").waitFor();
  }

  /** Opens a folded section. Answers it. */
  async unfold(title) {
    await this.page.locator("summary", { hasText: title }).click();
    return this.page.locator("details", { has: this.page.locator("summary", { hasText: title }) });
  }

  async press(name, within = this.page) {
    await within.getByRole("button", { name, exact: true }).click();
  }

  /** Waits for a notice. */
  async hears(text) {
    await this.page.locator("#notices", { hasText: text }).waitFor();
  }

  /** Waits until a text is somewhere on the page. */
  async sees(text, within = this.page.locator("main")) {
    await within.getByText(text).first().waitFor();
  }

  /** Answers a question that the page asks before it goes on. */
  async agrees(action) {
    await this.press(action, this.page.locator("dialog"));
  }

  /** What the API says, past the page. */
  async api(method, path, body) {
    const headers = { Authorization: `Basic ${btoa("guest:guest")}`, "Content-Type": "application/json" };
    const response = await fetch(`${this.url}/api/${path}`, { method, headers, body: body && JSON.stringify(body) });
    const text = await response.text();
    return { status: response.status, value: text ? JSON.parse(text) : null };
  }

  /** Makes an empty queue. */
  async queue(name) {
    const path = `queues/%2F/${encodeURIComponent(name)}`;
    await this.api("DELETE", path);
    const { status } = await this.api("PUT", path, { durable: true });
    assert.equal(status, 201);
    return path;
  }

  async publish(name, payload) {
    const message = { routing_key: name, payload, payload_encoding: "string", properties: { delivery_mode: 2 } };
    const { value } = await this.api("POST", "exchanges/%2F/amq.default/publish", message);
    assert.equal(value.routed, true);
  }

  /** Nothing of what was read became code, and the browser had nothing to complain about. */
  async checkSilence() {
    assert.equal(await this.page.evaluate("window.__x"), undefined);
    assert.deepEqual(this.complaints, []);
  }
}

module.exports = { Reader, HOSTILE };
