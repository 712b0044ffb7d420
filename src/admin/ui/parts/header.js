// The top of the page: where one can go, which vhost is looked at, who one is.

import { get } from "../api.js";
import { element, fill } from "../dom.js";
import { clock } from "../format.js";

const PLACES = [
  ["", "Overview"],
  ["connections", "Connections"],
  ["channels", "Channels"],
  ["consumers", "Consumers"],
  ["exchanges", "Exchanges"],
  ["queues", "Queues"],
  ["users", "Users"],
  ["vhosts", "Vhosts"],
  ["policies", "Policies"],
  ["limits", "Limits"],
];

/** Where the vhost that is looked at is kept for this tab; nothing is all of them. */
const STORED = "leveret.vhost";

/** Makes the header. `leave` logs out, `again` shows the page anew. */
export function header(place, { leave, again }) {
  const state = element("span", { class: "state muted" });
  const choice = element("select", { onchange: (event) => choose(event.target.value) });

  function choose(vhost) {
    sessionStorage.setItem(STORED, vhost);
    again();
  }

  function vhost() {
    return sessionStorage.getItem(STORED) ?? "";
  }

  async function show(who, first) {
    const names = (await get("/api/vhosts?columns=name")).map((row) => row.name);
    // One that is gone is not looked at any more.
    if (!names.includes(vhost())) sessionStorage.removeItem(STORED);
    fill(choice, element("option", { value: "" }, "all vhosts"), names.map((name) => element("option", { value: name }, name)));
    choice.value = vhost();
    const links = PLACES.map(([segment, title]) =>
      element("li", {}, element("a", { href: `#/${segment}`, "aria-current": segment === first ? "page" : null }, title)),
    );
    place.hidden = false;
    fill(
      place,
      element("a", { class: "brand", href: "#/" }, element("img", { src: "icon.svg", alt: "", width: 28, height: 28 }), "Leveret"),
      element("nav", { "aria-label": "Pages" }, element("ul", {}, links)),
      tools(who),
    );
    place.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  const label = element("label", {}, element("span", { class: "hidden" }, "Vhost"), choice);
  const holder = element("div", { class: "tools" });
  function tools(who) {
    const out = element("button", { type: "button", class: "quiet", onclick: leave }, `Log out ${who.name}`);
    if (!holder.firstChild) holder.append(label, state);
    if (holder.lastChild.nodeName === "BUTTON") holder.lastChild.remove();
    holder.append(out);
    return holder;
  }

  /** Says whether what is shown is what is. */
  function fresh(isFresh, reason) {
    state.classList.toggle("trouble", !isFresh);
    fill(state, isFresh ? `as of ${clock(Date.now())}` : (reason ?? "The broker does not answer."));
    if (isFresh) state.removeAttribute("role");
    else state.setAttribute("role", "alert");
  }

  function hide() {
    place.hidden = true;
  }

  return { show, fresh, hide, vhost };
}
