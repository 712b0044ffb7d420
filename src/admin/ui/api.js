// The HTTP API: who asks, how, and what was refused.
//
// The name and password are sent once and kept nowhere. What stays is a cookie that no script can
// read and that the broker forgets after a while; it counts only together with a header that pages
// of other sites cannot send.

/** A request that was refused. `status` is 0 if no answer came at all. */
export class Refusal extends Error {
  constructor(status, reason) {
    super(reason);
    this.status = status;
  }
}

/** The header that says that a request comes from this page. */
const PAGE = { "X-Requested-With": "leveret" };

let loggedIn = false;
let onLoggedOut = () => {};

/** What is called when the broker does not know who asks. */
export function whenLoggedOut(listener) {
  onLoggedOut = listener;
}

/** Whether somebody has logged in. */
export function isLoggedIn() {
  return loggedIn;
}

/** Logs in, and answers who that is. Throws a `Refusal` if it may not be. */
export async function logIn(user, password) {
  const octets = new TextEncoder().encode(`${user}:${password}`);
  const Authorization = `Basic ${btoa(String.fromCharCode(...octets))}`;
  const who = await request("POST", "/api/session", undefined, undefined, { Authorization });
  loggedIn = true;
  return who;
}

/** Goes on where somebody is logged in, after the page was loaded again. */
export async function resume() {
  try {
    await get("/api/whoami");
    loggedIn = true;
  } catch (refusal) {
    loggedIn = refusal.status !== 401;
  }
}

/** Forgets who asks, here and at the broker. */
export async function logOut() {
  loggedIn = false;
  sessionStorage.clear();
  // Without an answer the session ends by itself.
  await request("DELETE", "/api/session").catch(() => {});
}

/**
 * A path below /api: `path("queues", "/", "a/b")` is `/api/queues/%2F/a%2Fb`. Behind a proxy the page
 * and its API may be below some other path: what is asked for is relative to the page. The default exchange,
 * whose name is empty, is `amq.default` there.
 */
export function path(...segments) {
  return "/api/" + segments.map((segment) => encodeURIComponent(segment)).join("/");
}

/** A query, without those of its values that are not there. */
export function query(values) {
  const present = Object.entries(values).filter(([, value]) => value !== undefined && value !== "");
  return present.length ? "?" + new URLSearchParams(present) : "";
}

export const get = (url, signal) => request("GET", url, undefined, signal);
export const put = (url, body) => request("PUT", url, body);
export const post = (url, body) => request("POST", url, body);
export const remove = (url, body) => request("DELETE", url, body);

/** The same as `get`, but null for what the broker does not have. */
export async function getIfAny(url, signal) {
  try {
    return await get(url, signal);
  } catch (refusal) {
    // 405 is how some say it, and 401 is what those get who may not see it.
    if ([401, 404, 405].includes(refusal.status) && isLoggedIn()) return null;
    throw refusal;
  }
}

/** Whether the broker answers a method on a path. */
export async function offers(method, url) {
  try {
    const response = await fetch(`.${url}`, { method: "OPTIONS", headers: PAGE, credentials: "same-origin" });
    return response.ok && (response.headers.get("Allow") ?? "").includes(method);
  } catch {
    return false;
  }
}

async function request(method, url, body, signal, headers) {
  const options = { method, headers: { ...PAGE, ...headers }, signal, credentials: "same-origin", cache: "no-store" };
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers["Content-Type"] = "application/json";
  }
  let response;
  try {
    response = await fetch(`.${url}`, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal(0, "The broker does not answer.");
  }
  const text = await response.text();
  const value = parse(text);
  if (response.ok) return value;
  const reason = reasonFor(method, response.status, reasonOf(value));
  // Others with this status are known, but not allowed to.
  const unknown = value?.error === "not_authorized" || reasonOf(value) === "Login failed";
  if (response.status === 401 && unknown && loggedIn) {
    loggedIn = false;
    onLoggedOut();
  }
  throw new Refusal(response.status, reason);
}

function parse(text) {
  try {
    return text === "" ? null : JSON.parse(text);
  } catch {
    return null;
  }
}

/** Why not, in plain words where the broker's are those of HTTP. */
function reasonFor(method, status, reason) {
  if (status === 405) return "This broker does not offer that (405).";
  if (status === 404 && method === "GET") return "This is not there (404).";
  if (status === 404) return "This broker does not offer that, or what it is about is gone (404).";
  if (status === 503) return `Not now: ${reason || "the broker is stopping, or publishers are blocked"} (503).`;
  return reason || `The broker answered with status ${status}.`;
}

function reasonOf(value) {
  const reason = value?.reason ?? value?.error;
  if (reason === undefined) return "";
  return typeof reason === "string" ? reason : JSON.stringify(reason);
}
