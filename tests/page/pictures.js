// Pictures of all pages, for people to look at: light, dark, and on a phone. Taking them shows that
// each page is whole in each of these: the browser complains of nothing, and nothing is too wide.

"use strict";

const assert = require("node:assert/strict");
const { mkdirSync } = require("node:fs");
const { resolve, join } = require("node:path");
const { Reader } = require("./reader");
const { putToWork, setScene } = require("./scene");

const PAGES = [
  [""], ["connections"], ["channels"], ["consumers"], ["exchanges"], ["exchanges", "/", "shop"], ["queues"], ["queues", "/", "invoices"],
  ["queues", "/", "failed"], ["queues", "/", "reports.daily"], ["users"], ["users", "checkout"], ["vhosts"], ["vhosts", "/"], ["policies"], ["limits"],
];

const WINDOWS = {
  light: { viewport: { width: 1300, height: 900 } },
  dark: { viewport: { width: 1300, height: 900 }, colorScheme: "dark" },
  phone: { viewport: { width: 375, height: 800 }, deviceScaleFactor: 2 },
};

/** How long clients work before the first picture, in milliseconds: charts take a sample in five seconds. */
const WORK = 15000;

/** What is unfolded before a picture is taken, and what is pressed there. */
const UNFOLDED = { queues: [["Look at messages", "Peek"]], exchanges: [["Where would a message go?", "Tell me"]] };

exports.takePictures = async (browser, url, binary, directory) => {
  mkdirSync(directory, { recursive: true });
  let sendHome = async () => {};
  for (const [kind, window] of Object.entries(WINDOWS)) {
    const context = await browser.newContext(window);
    const reader = new Reader(await context.newPage(), url);
    await reader.page.goto(url);
    await reader.page.getByLabel("User").waitFor();
    await reader.page.screenshot({ path: join(directory, `login-${kind}.png`) });
    await reader.open();
    if (kind === "light") {
      await setScene(reader);
      if (binary) {
        sendHome = await putToWork(reader, resolve(binary));
        await reader.page.waitForTimeout(WORK);
      }
    }
    for (const segments of PAGES) await takePicture(reader, segments, kind, directory);
    if (binary) await takeOneConnection(reader, kind, directory);
    await reader.checkSilence();
    await context.close();
  }
  await sendHome();
  console.log(`pictures are in ${directory}`);
};

async function takePicture(reader, segments, kind, directory) {
  await reader.visit(...segments);
  await reader.page.locator(".page:not(.loading)").waitFor();
  if (segments.length === 3) {
    for (const [title, button] of UNFOLDED[segments[0]]) {
      const section = await reader.unfold(title);
      await section.getByRole("button", { name: button, exact: true }).waitFor();
      const key = section.getByLabel("Routing key");
      if ((await key.count()) > 0) await key.fill("order.paid");
      await reader.press(button, section);
      await section.locator("article, .explanation, .muted").first().waitFor();
    }
  }
  await reader.page.waitForLoadState("networkidle");
  const { scroll, inner } = await reader.page.evaluate("({ scroll: document.documentElement.scrollWidth, inner: innerWidth })");
  assert.ok(scroll <= inner, `#/${segments.join("/")} is too wide: ${scroll} of ${inner}`);
  const name = segments.map((segment) => segment.replace(/\W/g, "")).filter(Boolean).join("-") || "overview";
  await reader.page.evaluate("scrollTo(0, 0)");
  await reader.page.screenshot({ path: join(directory, `${name}-${kind}.png`), fullPage: true });
}

/** A connection has a name of its own each time. */
async function takeOneConnection(reader, kind, directory) {
  await reader.visit("connections");
  await reader.page.locator("tbody a").first().click();
  await reader.sees("Channels of this connection", reader.page.locator("main"));
  await reader.page.screenshot({ path: join(directory, `connection-${kind}.png`), fullPage: true });
}
