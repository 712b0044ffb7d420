// Runs the stories of stories.js against a broker's page, and says which hold.

"use strict";

const { tmpdir } = require("node:os");
const { join } = require("node:path");
const { chromium } = require("playwright-core");
const { startBroker } = require("./broker");
const { Reader } = require("./reader");
const { takePictures } = require("./pictures");
const stories = require("./stories");

const FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"];

/** The longest that anything on the page may take, in milliseconds. */
const PATIENCE = 15000;

async function main(options) {
  const broker = options.url ? { url: options.url, stop: async () => {} } : await startBroker(options.broker);
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: FLAGS });
  let failed = 0;
  try {
    const wanted = Object.entries(stories).filter(([name]) => options.only.length === 0 || options.only.includes(name));
    for (const [name, story] of wanted) failed += (await holds(browser, broker.url, name, story)) ? 0 : 1;
    if (options.only.length === 0) await takePictures(browser, broker.url, options.broker, options.pictures);
    console.log(`${wanted.length - failed} passed, ${failed} failed`);
    return failed === 0 && wanted.length > 0;
  } finally {
    await browser.close();
    await broker.stop();
  }
}

/** Tells a story in a browser window of its own. */
async function holds(browser, url, name, story) {
  const context = await browser.newContext(story.window ?? { viewport: { width: 1300, height: 900 } });
  context.setDefaultTimeout(PATIENCE);
  const reader = new Reader(await context.newPage(), url);
  try {
    await reader.open();
    await story(reader);
    await reader.checkSilence();
    console.log(`ok      ${name}`);
    return true;
  } catch (error) {
    console.log(`FAILED  ${name}\n${error.stack}\n${reader.complaints.join("\n")}`);
    return false;
  } finally {
    await context.close();
  }
}

function parse(words) {
  const options = { only: [], pictures: join(tmpdir(), "leveret-pictures") };
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    if (word.startsWith("--")) options[word.slice(2)] = words.shift();
    else options.only.push(word);
  }
  if (!options.url && !options.broker) throw new Error("--broker FILE or --url URL is needed");
  return options;
}

main(parse(process.argv.slice(2))).then(
  (held) => process.exit(held ? 0 : 1),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
