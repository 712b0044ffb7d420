// Elements: made from data, and kept while data changes.
//
// Names come from clients and may be anything, markup too. They get onto the page here and nowhere
// else, and only as text nodes and attribute values: no file of the page uses innerHTML.

/**
 * Makes an element. Attributes that are null, undefined or false are left out; those that begin
 * with `on` are listeners. Children are nodes, text, numbers, arrays of them, or nothing.
 */
export function element(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) {
      node[name] = value;
      (node.listens ??= []).push(name);
    } else {
      if (name === "href" && !/^(#|\/|blob:)/.test(value)) throw new Error("a link to elsewhere");
      node.setAttribute(name, value === true ? "" : value);
    }
  }
  node.append(...nodes(children));
  return node;
}

/** A list of anything that `element` takes as children, as nodes. */
function nodes(children) {
  const present = children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
  return present.map((child) => (child instanceof Node ? child : document.createTextNode(String(child))));
}

/**
 * Makes these the children of `parent`, changing as little as possible: what is already there stays,
 * with focus, selection and scroll. Children with a `data-key` are known again by it.
 */
export function fill(parent, ...children) {
  reconcile(parent, nodes(children));
}

function keyOf(node) {
  return node.dataset?.key;
}

function reconcile(parent, wanted) {
  const keys = new Set(wanted.map(keyOf));
  const known = new Map();
  for (const child of [...parent.childNodes]) {
    const key = keyOf(child);
    if (key === undefined) continue;
    // Gone before anything is moved, so that the others need not move.
    if (keys.has(key)) known.set(key, child);
    else child.remove();
  }
  let place = parent.firstChild;
  for (const node of wanted) {
    const key = keyOf(node);
    const old = key === undefined ? place : known.get(key);
    if (!old || old.nodeName !== node.nodeName || keyOf(old) !== key) {
      parent.insertBefore(node, place);
      continue;
    }
    known.delete(key);
    if (old === place) place = place.nextSibling;
    else parent.insertBefore(old, place);
    if (old !== node) update(old, node);
  }
  while (place) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}

/** Makes one node like another. */
function update(old, node) {
  if (node.nodeType === Node.TEXT_NODE) {
    if (old.data !== node.data) old.data = node.data;
    return;
  }
  for (const { name, value } of [...node.attributes]) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  for (const { name } of [...old.attributes]) {
    // What the reader opened stays open.
    const readers = name === "open" && old.nodeName === "DETAILS";
    if (!node.hasAttribute(name) && !readers) old.removeAttribute(name);
  }
  for (const name of old.listens ?? []) old[name] = null;
  for (const name of node.listens ?? []) old[name] = node[name];
  old.listens = node.listens;
  reconcile(old, [...node.childNodes]);
}
