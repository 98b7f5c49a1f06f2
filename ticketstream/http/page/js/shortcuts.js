// Keys: / goes to the search.

import { byId } from "./dom.js";

/** Listen to keys. */
export function setUpShortcuts() {
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input:not([type=radio], [type=checkbox]), select, textarea, dialog")) return;
    const box = byId("q");
    if (!box.checkVisibility()) return;
    event.preventDefault();
    box.focus();
    box.select();
  });
}
