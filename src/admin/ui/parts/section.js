// The pieces that every page is built of: sections, facts, quiet notes, badges, links.

import { element } from "../dom.js";
import { value } from "../format.js";

/** A titled section. */
export function section(title, ...children) {
  return element("section", { class: "card" }, element("h2", {}, title), children);
}

/** A section that is closed until somebody wants it. */
export function folded(title, ...children) {
  return element("details", { class: "card" }, element("summary", {}, element("h2", {}, title)), children);
}

/** The heading of a page, with where it is. */
export function heading(title, ...above) {
  return element("div", { class: "heading" }, above.length > 0 && element("p", { class: "above" }, above), element("h1", {}, title));
}

/** A note that something is not there; not an error. */
export function quiet(...text) {
  return element("p", { class: "muted" }, text);
}

/** Names with their values, side by side. Pairs whose value is undefined are left out. */
export function facts(pairs) {
  const present = pairs.filter(([, fact]) => fact !== undefined && fact !== false);
  return element(
    "dl",
    { class: "facts" },
    present.map(([name, fact]) => element("div", { "data-key": name }, element("dt", {}, name), element("dd", {}, fact))),
  );
}

/** Large numbers with what they count. */
export function figures(pairs) {
  return element(
    "dl",
    { class: "figures" },
    pairs.map(([name, figure, kind]) =>
      element("div", { "data-key": name, class: kind }, element("dt", {}, name), element("dd", {}, figure)),
    ),
  );
}

/** A short word that stands out. Kinds: good, busy, bad, or none. */
export function badge(text, kind, title) {
  return element("span", { class: `badge ${kind ?? ""}`, title }, text);
}

/** A link to a page of ours: `link("a/b", "queues", "/", "a/b")`. */
export function link(text, ...segments) {
  return element("a", { href: "#/" + segments.map((segment) => encodeURIComponent(segment)).join("/") }, text);
}

/** A link to a queue. */
export function queueLink(vhost, name) {
  return link(name, "queues", vhost, name);
}

/** A link to an exchange; the default exchange has no name. */
export function exchangeLink(vhost, name) {
  return link(exchangeName(name), "exchanges", vhost, name || "amq.default");
}

/** What an exchange is called on the page. */
export function exchangeName(name) {
  return name === "" || name === "amq.default" ? "(default exchange)" : name;
}

/** Arguments, headers and the like: a line for each. Null if there are none. */
export function pairs(object) {
  const entries = Object.entries(object ?? {});
  if (entries.length === 0) return null;
  return element(
    "ul",
    { class: "pairs" },
    entries.map(([name, any]) => element("li", {}, element("code", {}, name), " = ", element("code", {}, value(any)))),
  );
}

/** A table of a few rows, with columns as in `listing`. */
export function table(caption, columns, rows, empty) {
  if (rows.length === 0) return quiet(empty);
  return element(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    element(
      "table",
      {},
      element("caption", { class: "hidden" }, caption),
      element("thead", {}, element("tr", {}, columns.map((column) => element("th", { scope: "col", class: cellClass(column) }, column.title)))),
      element("tbody", {}, rows.map((row) => tableRow(columns, row))),
    ),
  );
}

/** A row of a table; `row.key`, if it has one, is how it is known again. */
export function tableRow(columns, row, key) {
  return element(
    "tr",
    { "data-key": key },
    columns.map((column, index) => element(index === 0 ? "th" : "td", { class: cellClass(column), scope: index === 0 ? "row" : null }, column.cell(row))),
  );
}

/** `number` columns are to the right, `minor` ones are left out where there is little room. */
export function cellClass(column) {
  return [column.number && "number", column.minor && "minor"].filter(Boolean).join(" ") || null;
}
