// Dead letters by reason: what they are, one to look at, and a retry.

import { announce } from "./announce.js";
import { get, post } from "./api.js";
import { confirmed } from "./confirm.js";
import { byId, el, setText } from "./dom.js";
import { ago, count, counted } from "./format.js";

/** Return what shows the dead letters. */
export function setUpDeadLetters() {
  const list = byId("letters");
  const badge = byId("letters-open");
  const all = byId("retry-all");
  const outcome = byId("letters-outcome");
  let open = null;
  let asking = null;
  let again = false;

  function refresh() {
    // One question at a time; whatever changed meanwhile is asked for afterwards.
    again = asking !== null;
    asking ??= ask().finally(() => {
      asking = null;
      if (again) refresh();
    });
    return asking;
  }

  async function ask() {
    try {
      const told = await get("/dead-letters");
      show(told.groups);
    } catch (error) {
      list.replaceChildren(el("p", { class: "problem" }, `They cannot be read now: ${error.message}`));
      open = null;
    }
  }

  function show(groups) {
    all.hidden = groups.length < 2;
    if (!groups.length) {
      list.replaceChildren(el("p", { class: "empty" }, "None. Everything could be processed."));
      return;
    }
    const unfolded = new Set([...list.querySelectorAll("details[open]")].map((each) => each.dataset.reason));
    list.replaceChildren(el("ul", { class: "letters" }, ...groups.map((group) => groupItem(group, unfolded.has(group.reason), retry))));
  }

  async function retry(what, number, words) {
    const sure = await confirmed(`Retry ${words}?`, "They go through the pipeline once more. What fails again comes back as a new dead letter.", `Retry ${count(number)}`);
    if (!sure) return;
    say("Sending…", "");
    try {
      const told = await post("/dead-letters/retry", what);
      say(outcomeOf(told), told.impossible.length ? "bad" : "good");
    } catch (error) {
      say(`Nothing was sent: ${error.message}`, "bad");
    }
    await refresh();
    // The button that had the focus may be gone.
    if (document.activeElement === document.body) byId("letters-title").focus();
  }

  function say(text, tone) {
    outcome.hidden = false;
    outcome.dataset.tone = tone;
    setText(outcome, text);
    announce(text);
  }

  byId("letters-title").tabIndex = -1;
  all.addEventListener("click", () => retry({ all: true }, open ?? 0, `all ${counted(open ?? 0, "dead letter")}`));
  return {
    /** Show what an overview says; the groups are asked for when their number has changed. */
    show({ dead_letters: letters }) {
      badge.hidden = !letters.open;
      setText(badge, `${count(letters.open)} open`);
      if (letters.open !== null && letters.open !== open) {
        open = letters.open;
        refresh();
      }
    },
    refresh,
  };
}

function outcomeOf({ sent, skipped, impossible, workers }) {
  const parts = [`${counted(sent, "dead letter")} sent once more.`];
  if (skipped) parts.push(`${count(skipped)} skipped: no longer open.`);
  if (impossible.length) parts.push(`${count(impossible.length)} cannot be sent: ${impossible[0].message}`);
  if (sent && workers === 0) parts.push("No worker runs that would take them up.");
  return parts.join(" ");
}

function groupItem(group, unfolded, retry) {
  const button = el("button", { type: "button", class: "quiet", "aria-label": `Retry ${counted(group.count, "dead letter")} of ${group.reason}`, onclick: () => retry({ reason: group.reason }, group.count, `${counted(group.count, "dead letter")} of ${group.reason}`) }, "Retry");
  const details = el("details", { class: "letter-details", "data-reason": group.reason, open: unfolded }, el("summary", {}, "Look at the newest"), el("div", { class: "letter-one" }));
  details.addEventListener("toggle", () => {
    if (details.open) fill(details.querySelector(".letter-one"), group.ids[0]);
  });
  return el(
    "li",
    { class: "letter", "data-reason": group.reason },
    el("div", { class: "letter-head" }, el("span", { class: "letter-count" }, count(group.count)), el("div", { class: "letter-what" }, el("p", { class: "letter-name" }, el("code", {}, group.reason)), el("p", { class: "letter-when" }, `newest ${ago(group.newest_at, Date.now() / 1000)}`)), button),
    el("p", { class: "letter-message", dir: "auto" }, group.message),
    details,
  );
}

async function fill(box, id) {
  if (box.childElementCount) return;
  box.replaceChildren(el("p", { class: "empty" }, "Reading…"));
  try {
    const letter = await get(`/dead-letters/${encodeURIComponent(id)}`);
    const facts = [
      ["Letter", letter.id],
      ["Ticket", letter.ticket_id === null ? "–" : `#${letter.ticket_id}`],
      ["Came from", `${letter.topic} ${letter.partition}/${letter.offset}`],
      ["Error", letter.message],
    ];
    box.replaceChildren(
      el("dl", { class: "facts" }, ...facts.flatMap(([name, value]) => [el("dt", {}, name), el("dd", { dir: "auto" }, String(value ?? "–"))])),
      letter.value_text ? el("pre", { class: "original", tabindex: 0, role: "region", "aria-label": "The original message", dir: "auto" }, letter.value_text) : el("p", { class: "empty" }, "The original is no text."),
    );
  } catch (error) {
    box.replaceChildren(el("p", { class: "problem" }, error.message));
  }
}
