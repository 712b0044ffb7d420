// The HTTP API. The password is kept for this tab only, and never in a cookie.

const KEY = 'authorization';

export const isKnown = () => sessionStorage.getItem(KEY) !== null;
export const forget = () => sessionStorage.removeItem(KEY);

export function remember(user, password) {
  const octets = new TextEncoder().encode(`${user}:${password}`);
  sessionStorage.setItem(KEY, 'Basic ' + btoa(String.fromCharCode(...octets)));
}

/** A path of the API; its parts are escaped. */
export const path = (...parts) => 'api/' + parts.map(encodeURIComponent).join('/');

/** Asks the API. An error carries the reason that the broker gave. */
export async function ask(method, where, body) {
  const response = await fetch(where, {
    method,
    headers: { authorization: sessionStorage.getItem(KEY) ?? '', 'content-type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (response.status === 401 && where === 'api/whoami') forget();
  const text = await response.text();
  const value = text ? JSON.parse(text) : undefined;
  if (!response.ok) throw new Error(value?.reason ?? `${response.status} ${response.statusText}`);
  return value;
}
