// A listing: a table of things that there may be ten thousand of. The broker filters, sorts and
// pages; what it cannot (older RabbitMQ has listings without pages) is done here.

import { getIfAny, query } from "../api.js";
import { element, fill } from "../dom.js";
import { count } from "../format.js";
import { cellClass, quiet, tableRow } from "./section.js";

const PAGE_SIZES = [20, 100, 500];

/** So few rows of what there are never many need no filter. */
const FEW = 10;

/** How listings were left, by their name, until the page is loaded anew. */
const left = new Map();

/**
 * Makes a listing. `columns` are `{title, cell(row), sort?, number?, minor?}`, where `sort` is the
 * path of what is sorted by; `url()` says where rows come from, `key(row)` what names a row. With
 * `whole` all rows are asked for: what the broker cannot filter by their name.
 * Answers an element and a `refresh`.
 */
export function listing({ name, caption, columns, url, key, empty, whole = false, search = "Filter by name", text = (row) => row.name }) {
  const state = left.get(name) ?? { page: 1, size: 100, filter: "", regex: false, sort: "", reverse: false };
  left.set(name, state);
  const place = element("div", { class: "listing" });
  const summary = element("span", { class: "muted", "aria-live": "polite" });
  const pager = element("div", { class: "pager" });
  let asked = 0;

  async function refresh(signal) {
    const number = ++asked;
    const { sort, reverse, page, size, filter, regex } = state;
    const wanted = whole ? {} : { page, page_size: size, name: filter, use_regex: regex, sort, sort_reverse: sort && reverse, pagination: true };
    const answer = await getIfAny(url() + query(wanted), signal);
    // A later question may have been answered earlier.
    if (number !== asked) return;
    controls.hidden = answer === null;
    if (answer === null) return fill(place, quiet("This broker has no such list, or does not show it to you."));
    const found = Array.isArray(answer) ? pageOf(answer, state, text) : answer;
    if (found.page_count > 0 && state.page > found.page_count) {
      state.page = found.page_count;
      return refresh(signal);
    }
    show(found);
  }

  function change(values) {
    Object.assign(state, values);
    return refresh().catch((refusal) => fill(place, quiet(refusal.message)));
  }

  function show(found) {
    const nothing = found.filtered_count === 0;
    // Where all is seen at a glance, there is nothing to look for.
    controls.hidden = !state.filter && found.total_count <= (whole ? FEW : 0);
    fill(summary, state.filter ? `${count(found.filtered_count)} of ${count(found.total_count)}` : `${count(found.total_count)} in all`);
    fill(place, nothing ? quiet(state.filter ? "Nothing has such a name." : empty) : rows(found.items));
    fill(pager, found.page_count > 1 && pages(found));
  }

  function rows(items) {
    const head = columns.map((column) => element("th", { scope: "col", class: cellClass(column), "aria-sort": sorted(column) }, column.sort ? sorter(column) : column.title));
    return element(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
      element(
        "table",
        {},
        element("caption", { class: "hidden" }, caption),
        element("thead", {}, element("tr", {}, head)),
        element("tbody", {}, items.map((row) => tableRow(columns, row, key(row)))),
      ),
    );
  }

  function sorted(column) {
    if (!column.sort || column.sort !== state.sort) return null;
    return state.reverse ? "descending" : "ascending";
  }

  function sorter(column) {
    const again = column.sort === state.sort;
    const arrow = again ? (state.reverse ? " ↓" : " ↑") : "";
    // Of numbers, the largest are looked for first.
    const reverse = again ? !state.reverse : Boolean(column.number);
    return element("button", { type: "button", class: "sorter", onclick: () => change({ sort: column.sort, reverse, page: 1 }) }, column.title, element("span", { "aria-hidden": "true" }, arrow));
  }

  function pages(found) {
    const turn = (label, page) =>
      element("button", { type: "button", disabled: page < 1 || page > found.page_count, onclick: () => change({ page }) }, label);
    return [
      turn("Previous", found.page - 1),
      element("span", {}, `Page ${count(found.page)} of ${count(found.page_count)}`),
      turn("Next", found.page + 1),
    ];
  }

  const controls = element(
    "form",
    { class: "controls", role: "search", onsubmit: (event) => event.preventDefault() },
    element("label", {}, element("span", {}, search), element("input", { type: "search", value: state.filter, oninput: (event) => change({ filter: event.target.value, page: 1 }) })),
    element("label", { class: "check" }, element("input", { type: "checkbox", checked: state.regex, onchange: (event) => change({ regex: event.target.checked, page: 1 }) }), "Regular expression"),
    element(
      "label",
      { class: "size" },
      element("span", {}, "Rows"),
      element("select", { onchange: (event) => change({ size: Number(event.target.value), page: 1 }) }, PAGE_SIZES.map((size) => element("option", { value: size, selected: size === state.size }, size))),
    ),
    summary,
  );
  return { element: element("div", {}, controls, place, pager), refresh };
}

/** A page of rows that came all at once, filtered and sorted. */
function pageOf(all, state, text) {
  let rows = all.filter((row) => matches(text(row), state));
  if (state.sort) {
    const at = (row) => state.sort.split(".").reduce((inner, part) => inner?.[part], row) ?? "";
    const order = (a, b) => (at(a) < at(b) ? -1 : at(a) > at(b) ? 1 : 0);
    rows.sort(state.reverse ? (a, b) => order(b, a) : order);
  }
  const page_count = Math.ceil(rows.length / state.size);
  const first = (state.page - 1) * state.size;
  return { items: rows.slice(first, first + state.size), filtered_count: rows.length, total_count: all.length, page: state.page, page_count };
}

function matches(text, { filter, regex }) {
  if (!regex) return text.toLowerCase().includes(filter.toLowerCase());
  try {
    return new RegExp(filter, "i").test(text);
  } catch {
    // Half-typed.
    return false;
  }
}
