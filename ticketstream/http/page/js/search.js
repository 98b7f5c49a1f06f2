// Search by words and meaning. What tickets say is untrusted: it only ever becomes text nodes.

import { announce } from "./announce.js";
import { get } from "./api.js";
import { byId, el, setText } from "./dom.js";
import { counted, day } from "./format.js";

const LIMIT = 10;
const LONG = 320;

/** Set up the form; `signedOut` is called when the session has ended. */
export function setUpSearch(signedOut) {
  const form = byId("search");
  const outcome = byId("search-outcome");
  const results = byId("results");
  const button = form.querySelector("button");
  let turn = 0;

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const asked = Object.fromEntries(new FormData(form));
    if (!asked.q.trim()) return;
    turn += 1;
    const own = turn;
    button.disabled = true;
    results.setAttribute("aria-busy", "true");
    try {
      const { results: found } = await get("/search", { ...asked, q: asked.q.trim(), tag: asked.tag.trim(), limit: LIMIT });
      if (own !== turn) return;
      results.replaceChildren(...found.map((hit) => resultItem(hit, asked.q)));
      say(found.length ? `${counted(found.length, "ticket")}, the best first.` : "Nothing found. Fewer filters or other words may help.", "");
    } catch (error) {
      if (own !== turn) return;
      results.replaceChildren();
      say(error.message, "bad");
      if (error.signedOut) signedOut();
    } finally {
      button.disabled = false;
      results.removeAttribute("aria-busy");
    }
  });

  function say(text, tone) {
    outcome.hidden = false;
    outcome.dataset.tone = tone;
    setText(outcome, text);
    announce(text);
  }
}

function resultItem(hit, question) {
  const score = Math.round(hit.score * 100);
  // A merged ticket is shown under the one it was merged into, where that can be read.
  const head = hit.target ?? hit;
  const meter = el("span", { class: "score" }, el("span", { class: "score-bar", "aria-hidden": "true" }, el("span", { class: "score-fill" })), el("span", { class: "hidden" }, "score "), hit.score.toFixed(2));
  meter.querySelector(".score-fill").style.width = `${Math.min(100, score)}%`;
  return el(
    "li",
    { class: "result", "data-ticket": head.ticket_id },
    el(
      "div",
      { class: "result-head" },
      el("span", { class: "result-ticket" }, `#${head.ticket_id}`),
      el("h3", { class: "result-subject", dir: "auto" }, head.subject || "(no subject)"),
      meter,
    ),
    ...(hit.merged_into ? [el("p", { class: "result-merged" }, `#${hit.ticket_id} merged into #${hit.merged_into}`)] : []),
    passage(hit.text, question),
    el(
      "p",
      { class: "result-facts" },
      el("span", { class: "visibility", "data-visibility": hit.visibility }, hit.visibility),
      el("span", { class: "status" }, head.status),
      ...(hit.priority ? [el("span", {}, hit.priority)] : []),
      el("span", {}, `updated ${day(hit.updated_at)}`),
      ...hit.tags.slice(0, 6).map((tag) => el("span", { class: "tag", dir: "auto" }, tag)),
    ),
  );
}

function passage(text, question) {
  const body = el("p", { class: "passage", dir: "auto" }, ...marked(text, question));
  if (text.length <= LONG) return body;
  body.classList.add("passage-short");
  const more = el("button", { type: "button", class: "link", "aria-expanded": "false" }, "Show all of it");
  more.addEventListener("click", () => {
    const short = body.classList.toggle("passage-short");
    more.setAttribute("aria-expanded", String(!short));
    setText(more, short ? "Show all of it" : "Show less");
  });
  return el("div", {}, body, more);
}

/** Return the text's parts, the words asked for in <mark>. */
function marked(text, question) {
  const words = [...new Set(question.toLowerCase().match(/[\p{L}\p{N}]{3,}/gu) ?? [])].slice(0, 40);
  if (!words.length) return [text];
  const pattern = new RegExp(`(?<![\\p{L}\\p{N}])(${words.join("|")})`, "giu");
  const parts = [];
  let from = 0;
  for (const found of text.matchAll(pattern)) {
    parts.push(text.slice(from, found.index), el("mark", {}, found[0]));
    from = found.index + found[0].length;
  }
  parts.push(text.slice(from));
  return parts;
}
