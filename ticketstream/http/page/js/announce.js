// What screen readers say; used for what changed by itself or at the reader's wish, never for figures.

import { byId } from "./dom.js";

/** Have a text said when nothing else is being said. */
export function announce(text) {
  const region = byId("announce");
  // The same text again would not be said: it must differ for a reader to notice.
  region.textContent = region.textContent === text ? `${text}\u00a0` : text;
}
