// Pictures of the pages, for people to look at.

"use strict";

const { mkdirSync } = require("node:fs");
const { join } = require("node:path");
const { Reader } = require("./reader");

const PAGES = [[""], ["connections"], ["channels"], ["consumers"], ["exchanges"], ["exchanges", "/", "amq.topic"], ["queues"], ["queues", "/", "pictured"], ["users"], ["users", "guest"], ["vhosts"], ["vhosts", "/"], ["policies"], ["limits"]];

const WINDOWS = {
  light: { viewport: { width: 1300, height: 900 } },
  dark: { viewport: { width: 1300, height: 900 }, colorScheme: "dark" },
  phone: { viewport: { width: 375, height: 800 }, deviceScaleFactor: 2 },
};

exports.takePictures = async (browser, url, directory) => {
  mkdirSync(directory, { recursive: true });
  for (const [kind, window] of Object.entries(WINDOWS)) {
    const context = await browser.newContext(window);
    const reader = new Reader(await context.newPage(), url);
    await reader.open();
    await reader.queue("pictured");
    for (const segments of PAGES) {
      await reader.visit(...segments);
      await reader.page.waitForLoadState("networkidle");
      const name = segments.map((segment) => segment.replace(/\W/g, "")).join("-") || "overview";
      await reader.page.screenshot({ path: join(directory, `${name}-${kind}.png`), fullPage: true });
    }
    await context.close();
  }
};
