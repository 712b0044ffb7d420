// A broker of our own, on free ports, with a data directory that goes with it.

"use strict";

const { spawn } = require("node:child_process");
const { mkdtempSync, rmSync } = require("node:fs");
const { tmpdir } = require("node:os");
const { join, resolve } = require("node:path");

/** Starts a broker. Answers where its page is, and how it is stopped. */
exports.startBroker = async (binary) => {
  const directory = mkdtempSync(join(tmpdir(), "page-"));
  const words = ["serve", "--data-dir", join(directory, "data"), "--listen", "127.0.0.1:0", "--management", "127.0.0.1:0"];
  const child = spawn(resolve(binary), words, { stdio: ["ignore", "ignore", "pipe"] });
  const ended = new Promise((done) => child.on("exit", done));
  const url = await address(child, ended);
  const stop = async () => {
    child.kill("SIGTERM");
    await ended;
    rmSync(directory, { recursive: true });
  };
  return { url, stop };
};

/** What the broker says in its log about where the page is. */
async function address(child, ended) {
  let log = "";
  const found = new Promise((done) => {
    child.stderr.setEncoding("utf8").on("data", (text) => {
      log += text;
      const match = /management on (http:\/\/[0-9.:]+)/.exec(log);
      if (match) done(match[1]);
    });
  });
  const url = await Promise.race([found, ended]);
  if (typeof url !== "string") throw new Error(`the broker ended: ${log}`);
  return url;
}
