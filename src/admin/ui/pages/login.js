// Logging in.

import { logIn } from "../api.js";
import { element } from "../dom.js";
import { form, input } from "../parts/form.js";

/** The form that logs in, and then calls `then`. */
export function login(then) {
  const submit = async ({ user, password }) => {
    try {
      await logIn(user, password);
    } catch (refusal) {
      throw refusal.status === 401 ? new Error(`Not logged in: ${refusal.message}`) : refusal;
    }
    then();
  };
  return element(
    "div",
    { class: "login card" },
    element("img", { src: "icon.svg", alt: "", width: 56, height: 56 }),
    element("h1", {}, "Leveret"),
    form(
      { action: "Log in", submit },
      input("User", "user", { autocomplete: "username", required: true }),
      input("Password", "password", { type: "password", autocomplete: "current-password" }),
    ),
  );
}
