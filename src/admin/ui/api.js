// The HTTP API: who asks, how, and what was refused.
//
// The name and password are kept for this tab only, until it is closed or somebody logs out, and are
// sent with each request as the API wants them. They are in no cookie, so that no other site can
// use them.

const STORED = "leveret.authorization";

/** A request that was refused. `status` is 0 if no answer came at all. */
export class Refusal extends Error {
  constructor(status, reason) {
    super(reason);
    this.status = status;
  }
}

let authorization = sessionStorage.getItem(STORED);
let onLoggedOut = () => {};

/** What is called when the broker does not know who asks. */
export function whenLoggedOut(listener) {
  onLoggedOut = listener;
}

/** Whether somebody has logged in. */
export function isLoggedIn() {
  return authorization !== null;
}

/** Logs in, and answers who that is. Throws a `Refusal` if it may not be. */
export async function logIn(user, password) {
  const octets = new TextEncoder().encode(`${user}:${password}`);
  authorization = `Basic ${btoa(String.fromCharCode(...octets))}`;
  try {
    const who = await get("/api/whoami");
    sessionStorage.setItem(STORED, authorization);
    return who;
  } catch (refusal) {
    authorization = null;
    throw refusal;
  }
}

/** Forgets who asks. */
export function logOut() {
  authorization = null;
  sessionStorage.clear();
}

/**
 * A path below /api: `path("queues", "/", "a/b")` is `/api/queues/%2F/a%2Fb`. The default exchange,
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
    const response = await fetch(url, { method: "OPTIONS", headers: headers(), credentials: "omit" });
    return response.ok && (response.headers.get("Allow") ?? "").includes(method);
  } catch {
    return false;
  }
}

function headers() {
  return authorization ? { Authorization: authorization } : {};
}

async function request(method, url, body, signal) {
  const options = { method, headers: headers(), signal, credentials: "omit", cache: "no-store" };
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers["Content-Type"] = "application/json";
  }
  let response;
  try {
    response = await fetch(url, options);
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
  if (response.status === 401 && unknown && sessionStorage.getItem(STORED)) {
    logOut();
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
