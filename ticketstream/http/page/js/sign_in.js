// The form that takes the API key for a session.

import { signIn } from "./api.js";
import { byId, setText } from "./dom.js";

/** Set up the form; `signedIn` is called after a right key. Returns what shows it. */
export function setUpSignIn(signedIn) {
  const box = byId("sign-in");
  const form = byId("sign-in-form");
  const key = byId("key");
  const problem = byId("sign-in-error");
  const button = form.querySelector("button");

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    setText(problem, "");
    try {
      await signIn(key.value.trim());
      key.value = "";
      key.removeAttribute("aria-invalid");
      signedIn();
    } catch (error) {
      key.setAttribute("aria-invalid", "true");
      setText(problem, error.signedOut ? "This is not the key." : `That did not work: ${error.message}.`);
      key.focus();
      key.select();
    } finally {
      button.disabled = false;
    }
  });

  return {
    /** Show the form, with a line that says why where there is one. */
    show(why = "") {
      box.hidden = false;
      setText(problem, why);
      key.focus();
    },
    hide() {
      box.hidden = true;
      setText(problem, "");
    },
  };
}
