// What is said to the reader: notices that go by themselves, and questions before something is lost.

import { element, fill } from "../dom.js";

/** How long a notice stays, in milliseconds. */
const SHOWN = 6000;

/** Says that something was done. */
export function notice(text) {
  say(text, "notice");
}

/** Says that something went wrong; stays until it is closed. */
export function trouble(text) {
  say(text, "notice trouble");
}

/** Takes away what went wrong on another page. */
export function forgetTroubles() {
  document.querySelectorAll("#notices .trouble").forEach((box) => box.remove());
}

function say(text, kind) {
  const place = document.getElementById("notices");
  const close = element("button", { type: "button", class: "quiet", "aria-label": "Close", onclick: () => box.remove() }, "×");
  const box = element("p", { class: kind }, element("span", {}, text), close);
  place.append(box);
  // A notice is no place to read from later: only the last few are kept.
  while (place.children.length > 4) place.firstChild.remove();
  if (kind === "notice") setTimeout(() => box.remove(), SHOWN);
}

/**
 * Does something that may be refused, and says what came of it. Answers whether it was done; work
 * that answers false was given up.
 */
export async function attempt(work, done) {
  try {
    const answer = await work();
    if (answer === false) return false;
    if (done) notice(typeof done === "function" ? done(answer) : done);
    return true;
  } catch (refusal) {
    trouble(refusal.message);
    return false;
  }
}

/** Asks before something that cannot be undone. Answers whether to go on. */
export function confirmed(question, consequence, action) {
  const dialog = document.body.appendChild(element("dialog", { "aria-labelledby": "question" }));
  const close = (value) => () => dialog.close(value);
  fill(
    dialog,
    element("h2", { id: "question" }, question),
    element("p", {}, consequence),
    element(
      "div",
      { class: "actions" },
      element("button", { type: "button", autofocus: true, onclick: close("") }, "Cancel"),
      element("button", { type: "button", class: "danger", onclick: close("yes") }, action),
    ),
  );
  return new Promise((answer) => {
    dialog.onclose = () => {
      dialog.remove();
      answer(dialog.returnValue === "yes");
    };
    dialog.showModal();
  });
}
