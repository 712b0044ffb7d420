// Forms: fields with labels, and rows of names and values for arguments and headers.

import { element, fill } from "../dom.js";
import { attempt } from "./notices.js";

let ids = 0;

/** A form. `submit(values, form)` gets the values of its fields by name, and may be refused. */
export function form({ action, submit, done, danger = false, clear = false, label }, ...fields) {
  const button = element("button", { type: "submit", class: danger ? "danger" : "primary" }, action);
  const node = element("form", { class: "form", "aria-label": label ?? action, onsubmit: send }, fields, element("div", { class: "actions" }, button));
  async function send(event) {
    event.preventDefault();
    button.disabled = true;
    const values = Object.fromEntries([...node.elements].filter((field) => field.name).map((field) => [field.name, field.type === "checkbox" ? field.checked : field.value]));
    const succeeded = await attempt(() => submit(values, node), done);
    button.disabled = false;
    if (succeeded && clear) node.reset();
  }
  return node;
}

/** A line of text. Attributes are those of an input. */
export function input(title, name, attributes = {}, hint) {
  return labelled(title, element("input", { name, type: "text", autocomplete: "off", spellcheck: "false", ...attributes }), hint);
}

/** Several lines of text. */
export function textarea(title, name, attributes = {}, hint) {
  return labelled(title, element("textarea", { name, rows: 4, spellcheck: "false", ...attributes }), hint);
}

/** One of several. Options are texts, or pairs of value and text. */
export function select(title, name, options, attributes = {}, hint) {
  const pairs = options.map((option) => (Array.isArray(option) ? option : [option, option]));
  return labelled(title, element("select", { name, ...attributes }, pairs.map(([value, text]) => element("option", { value }, text))), hint);
}

/** Yes or no. */
export function check(title, name, attributes = {}) {
  return element("label", { class: "check" }, element("input", { name, type: "checkbox", ...attributes }), title);
}

/** A field with its label, and what is to be known about it. */
export function labelled(title, field, hint) {
  const id = `field-${++ids}`;
  field.id = id;
  const parts = [element("label", { for: id }, title), field];
  if (hint) {
    field.setAttribute("aria-describedby", `${id}-hint`);
    parts.push(element("small", { id: `${id}-hint`, class: "muted" }, hint));
  }
  return element("div", { class: "field" }, parts);
}

/**
 * Rows of names and values, of which more can be added. `known` are names to propose, each with its
 * type: text, number, boolean or list. Answers an element and `read`, which gives the object.
 */
export function rows(title, known = {}) {
  const list = `known-${++ids}`;
  const place = element("div", { class: "rows" });
  const add = () => {
    const line = row(list, known, () => line.remove());
    place.append(line);
    line.querySelector("input").focus();
  };
  const node = element(
    "fieldset",
    {},
    element("legend", {}, title),
    element("datalist", { id: list }, Object.keys(known).map((name) => element("option", { value: name }))),
    place,
    element("button", { type: "button", class: "quiet", onclick: add }, "Add one"),
  );
  const read = () => Object.fromEntries([...place.children].map(readRow).filter(([name]) => name !== ""));
  return { element: node, read, clear: () => fill(place) };
}

function row(list, known, remove) {
  const type = element("select", { "aria-label": "Kind of value" }, ["text", "number", "boolean", "list"].map((kind) => element("option", {}, kind)));
  const chosen = (event) => {
    if (known[event.target.value]) type.value = known[event.target.value];
  };
  return element(
    "div",
    { class: "row" },
    element("input", { type: "text", list, "aria-label": "Name", placeholder: "name", autocomplete: "off", spellcheck: "false", onchange: chosen }),
    element("input", { type: "text", "aria-label": "Value", placeholder: "value", autocomplete: "off", spellcheck: "false" }),
    type,
    element("button", { type: "button", class: "quiet", "aria-label": "Remove this one", onclick: remove }, "×"),
  );
}

/** The name and value of a row. Throws what is wrong with it. */
function readRow(line) {
  const [name, text] = [...line.querySelectorAll("input")].map((field) => field.value);
  return [name, typed(name, text, line.querySelector("select").value)];
}

function typed(name, text, type) {
  if (type === "boolean") return text.trim().toLowerCase() === "true";
  if (type === "number") {
    if (text.trim() === "" || !Number.isFinite(Number(text))) throw new Error(`“${text}” (${name}) is no number.`);
    return Number(text);
  }
  if (type === "list") return text.split(",").map((part) => part.trim()).filter(Boolean);
  return text;
}
