// The state in a word, its reason in a line, and the figures beside it.

import { announce } from "./announce.js";
import { byId, el, setText, svg } from "./dom.js";
import { count, duration, rate, shortCount, sum } from "./format.js";
import { stateOf } from "./states.js";

/** Return what shows the headline. */
export function setUpHeadline() {
  const box = byId("headline");
  const figures = byId("figures");
  const shown = new Map();
  let said = "";

  function state(name, reason) {
    const { word, paths } = stateOf(name);
    if (box.dataset.state !== name) {
      box.dataset.state = name;
      byId("state-icon").replaceChildren(...paths.map((d) => svg("path", { d })));
    }
    setText(byId("state"), word);
    explain(reason);
    if (said !== name) {
      if (said) announce(`${word}. ${reason}`);
      said = name;
    }
    return word;
  }

  function explain(text) {
    if (byId("reason").dataset.text === text) return;
    byId("reason").dataset.text = text;
    byId("reason").replaceChildren(...withCommands(text));
  }

  /** Say in a line that the login ends, where a person has to do something. */
  function notice(text) {
    const line = byId("login-notice");
    if (line.dataset.text === text) return;
    line.dataset.text = text;
    line.hidden = !text;
    line.replaceChildren(...withCommands(text));
  }

  function figure(key, name, value, note = "", tone = "") {
    let parts = shown.get(key);
    if (!parts) {
      parts = { value: el("dd", { class: "figure-value" }), note: el("dd", { class: "figure-note" }) };
      parts.box = el("div", { class: "figure", id: `figure-${key}` }, el("dt", {}, name), parts.value, parts.note);
      shown.set(key, parts);
      figures.append(parts.box);
    }
    setText(parts.value, value);
    setText(parts.note, note);
    parts.box.dataset.tone = tone;
  }

  return {
    /** Show an overview. */
    show(overview) {
      const word = state(overview.state, overview.reason);
      document.title = `${word} · ${overview.account} · ticketstream`;
      notice(overview.login?.notice ?? "");
      const { p50, p95, objective, changes } = overview.freshness;
      const late = p95 !== null && p95 > objective;
      figure(
        "freshness",
        "Freshness",
        duration(p50),
        p95 === null ? `no change in 5 min · goal ${duration(objective)}` : `95 %: ${duration(p95)} · goal ${duration(objective)}`,
        late ? "late" : "",
      );
      figures.title = `Freshness: from the change in Zendesk to being searchable; ${count(changes)} changes in 5 minutes`;
      const backlog = sum(overview.stages.map((stage) => stage.backlog));
      const oldest = Math.max(0, ...overview.stages.map((stage) => stage.oldest_seconds ?? 0));
      figure("waiting", "Waiting", shortCount(backlog), backlog ? `oldest ${duration(oldest)}` : backlog === 0 ? "nothing waits" : "not known");
      figure("indexed", "Indexed", rate(overview.sink.rate), overview.sink.chunks === null ? "" : `${shortCount(overview.sink.chunks)} chunks`);
      figure("workers", "Workers", count(overview.workers), overview.workers ? "running" : overview.workers === 0 ? "none runs" : "not known", overview.workers === 0 ? "bad" : "");
      const open = overview.dead_letters.open;
      figure("letters", "Dead letters", count(open), open ? "open" : open === 0 ? "none open" : "not known", open ? "warn" : "");
    },
    /** Say that the server does not answer. */
    lost(reason) {
      document.title = "No connection · ticketstream";
      state("unknown", reason);
    },
    /** Change the reason's words without having them said. */
    reason: explain,
  };
}

/** Return a line's parts, what stands between back-ticks as code: commands to type. */
function withCommands(text) {
  return text.split("`").map((part, n) => (n % 2 ? el("code", {}, part) : part));
}
