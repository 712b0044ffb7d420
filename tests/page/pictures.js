// Pictures of the pages, for people to look at: light, dark, and on a phone.

"use strict";

const { mkdirSync } = require("node:fs");
const { resolve, join } = require("node:path");
const { Reader } = require("./reader");
const { putToWork, setScene } = require("./scene");

const PAGES = [
  [""], ["connections"], ["channels"], ["consumers"], ["exchanges"], ["exchanges", "/", "shop"], ["queues"], ["queues", "/", "invoices"],
  ["queues", "/", "failed"], ["users"], ["users", "guest"], ["vhosts"], ["vhosts", "/"], ["policies"], ["limits"],
];

const WINDOWS = {
  light: { viewport: { width: 1300, height: 900 } },
  dark: { viewport: { width: 1300, height: 900 }, colorScheme: "dark" },
  phone: { viewport: { width: 375, height: 800 }, deviceScaleFactor: 2 },
};

/** How long clients work before the first picture, in milliseconds: charts take a sample in five seconds. */
const WORK = 30000;

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
    await context.close();
  }
  await sendHome();
};

async function takePicture(reader, segments, kind, directory) {
  await reader.visit(...segments);
  await reader.page.locator(".page:not(.loading)").waitFor();
  if (segments.length === 3) {
    for (const [title, button] of UNFOLDED[segments[0]]) {
      const section = await reader.unfold(title);
      const key = section.getByLabel("Routing key");
      if ((await key.count()) > 0) await key.fill("order.paid");
      await reader.press(button, section);
      await section.locator("article, .explanation, .muted").first().waitFor();
    }
  }
  await reader.page.waitForLoadState("networkidle");
  const name = segments.map((segment) => segment.replace(/\W/g, "")).filter(Boolean).join("-") || "overview";
  await reader.page.screenshot({ path: join(directory, `${name}-${kind}.png`), fullPage: true });
}

/** A connection has a name of its own each time. */
async function takeOneConnection(reader, kind, directory) {
  await reader.visit("connections");
  await reader.page.locator("tbody a").first().click();
  await reader.sees("Channels of this connection", reader.page.locator("main"));
  await reader.page.screenshot({ path: join(directory, `connection-${kind}.png`), fullPage: true });
}
