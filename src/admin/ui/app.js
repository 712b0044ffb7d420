// The page: which part of it is shown, by the part of the address behind `#`, and when it is fetched
// anew.
//
//   #/queues/%2F/tasks ──▶ ROUTES ──▶ queue.open(place, ["/", "tasks"]) ──▶ refresh, every 5 s
//
// The addresses are RabbitMQ's, so that links and habits go on to work.

import { get, isLoggedIn, logOut, resume, whenLoggedOut } from "./api.js";
import { element, fill } from "./dom.js";
import { header } from "./parts/header.js";
import { forgetTroubles, trouble } from "./parts/notices.js";
import { heading, quiet } from "./parts/section.js";
import { channel, channels } from "./pages/channels.js";
import { connection, connections } from "./pages/connections.js";
import { consumers } from "./pages/consumers.js";
import { exchange } from "./pages/exchange.js";
import { exchanges } from "./pages/exchanges.js";
import { limits } from "./pages/limits.js";
import { login } from "./pages/login.js";
import { overview } from "./pages/overview.js";
import { policies } from "./pages/policies.js";
import { queue } from "./pages/queue.js";
import { queues } from "./pages/queues.js";
import { user, users } from "./pages/users.js";
import { vhost, vhosts } from "./pages/vhosts.js";

/** How often what is shown is fetched anew, in milliseconds. */
const INTERVAL = 5000;

/** By the first segment, and by how many follow it. */
const ROUTES = {
  "": [overview],
  connections: [connections, connection],
  channels: [channels, channel],
  consumers: [consumers],
  exchanges: [exchanges, undefined, exchange],
  queues: [queues, undefined, queue],
  users: [users, user],
  vhosts: [vhosts, vhost],
  policies: [policies],
  limits: [limits],
};

const main = document.getElementById("main");
const head = header(document.getElementById("header"), { leave, again: show });

let who = null;
let timer = 0;
let current = null;

/** Segments of the address, as names. An address that was cut in the middle of a name has none. */
function segments() {
  const [route] = location.hash.replace(/^#\/?/, "").split("?");
  try {
    return route.split("/").map(decodeURIComponent);
  } catch {
    return ["not found"];
  }
}

async function show() {
  clearTimeout(timer);
  current?.abort.abort();
  current = null;
  if (!isLoggedIn()) return showLogin();
  const [first, ...names] = segments();
  const page = ROUTES[first]?.[names.length];
  const place = element("div", { class: "page loading", "aria-busy": "true" });
  const abort = new AbortController();
  const mine = { abort, place, refresh: async () => {} };
  current = mine;
  try {
    who ??= await get("/api/whoami");
    await head.show(who, first);
  } catch (refusal) {
    if (isLoggedIn()) return showNothing(refusal);
    return undefined;
  }
  if (current !== mine) return undefined;
  document.title = `${names.at(-1) ?? page?.title ?? "Not found"} – Leveret`;
  main.replaceChildren(place);
  scrollTo(0, 0);
  if (!page) {
    fill(place, heading("Not found"), quiet("There is no such page."));
    ready(place);
    return undefined;
  }
  mine.refresh = page.open(place, names, { who, refresh: () => refresh(mine), vhost: head.vhost() });
  return refresh(mine);
}

/** Fetches what a page shows, and does so again after a while, unless nobody looks. */
async function refresh(mine) {
  if (current !== mine) return;
  clearTimeout(timer);
  try {
    await mine.refresh(mine.abort.signal);
    if (current === mine) ready(mine.place);
  } catch (refusal) {
    if (refusal.name === "AbortError" || current !== mine) return;
    mine.place.classList.remove("loading");
    if (refusal.status === 0) head.fresh(false);
    else if (refusal.status === 404) return gone();
    else if (refusal.status === undefined) throw refusal;
    else head.fresh(false, refusal.message);
  }
  if (current === mine && !document.hidden) timer = setTimeout(() => refresh(mine), INTERVAL);
}

/** What was asked for is on the page: it may be seen. */
function ready(place) {
  place.classList.remove("loading");
  place.removeAttribute("aria-busy");
  head.fresh(true);
}

function gone() {
  const names = segments();
  main.replaceChildren(element("div", { class: "page" }, heading(names.at(-1)), quiet("This is not here, or no more.")));
  current = null;
}

function showNothing(refusal) {
  main.replaceChildren(element("div", { class: "page" }, heading("Not now"), quiet(refusal.message)));
  timer = setTimeout(show, INTERVAL);
}

function showLogin() {
  who = null;
  head.hide();
  document.title = "Log in – Leveret";
  main.replaceChildren(login(show));
  main.querySelector("input").focus();
}

async function leave() {
  await logOut();
  show();
}

addEventListener("hashchange", async () => {
  forgetTroubles();
  await show();
  // Readers of the screen hear of the new page from its top.
  main.focus({ preventScroll: true });
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && current) refresh(current);
});
document.querySelector(".skip").onclick = (event) => {
  event.preventDefault();
  main.focus();
};
whenLoggedOut(() => {
  show();
  trouble("The broker does not know you any more. Please log in again.");
});
await resume();
show();
