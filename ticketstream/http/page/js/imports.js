// Running imports with their bars, and how the latest others ended.

import { get } from "./api.js";
import { byId, el, set, setText } from "./dom.js";
import { ago, count, duration, rate } from "./format.js";

const RECENT = 3;
const MARKS = { completed: "✓", cancelled: "–", failed: "✕" };

/** Return what shows the imports. */
export function setUpImports() {
  const box = byId("imports");
  const running = el("ul", { class: "imports", id: "imports-running" });
  const none = el("p", { class: "empty" }, "No import is running.");
  const ended = el("ul", { class: "imports-ended", id: "imports-ended" });
  box.append(none, running, ended);
  const shown = new Map();
  let known = null;

  async function refresh() {
    try {
      const { imports } = await get("/imports");
      const others = imports.filter((each) => !isRunning(each)).slice(0, RECENT);
      ended.replaceChildren(...others.map(endedLine));
    } catch {
      // The list stays as it was; the next change of the running ones asks again.
      known = null;
    }
  }

  return {
    /** Show the running ones of an overview. */
    show({ imports }) {
      const ids = new Set(imports.map((each) => each.id));
      for (const [id, item] of shown) {
        if (ids.has(id)) continue;
        item.root.remove();
        shown.delete(id);
      }
      for (const each of imports) {
        if (!shown.has(each.id)) {
          shown.set(each.id, makeItem(each));
          running.append(shown.get(each.id).root);
        }
        shown.get(each.id).show(each);
      }
      none.hidden = imports.length > 0;
      running.hidden = imports.length === 0;
      const key = [...ids].sort().join(" ");
      if (key !== known) {
        known = key;
        refresh();
      }
    },
  };
}

function isRunning({ status }) {
  return status === "running" || status === "waiting";
}

function nameOf({ source, since, file }) {
  if (source === "file") return `Import of ${file?.split("/").pop() ?? "a file"}`;
  if (source !== "zendesk") return `Replay of ${source}`;
  return since ? `Import since ${since.slice(0, 10)}` : "Import of the account";
}

function makeItem(first) {
  const bar = el("div", { class: "bar", role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100, "aria-label": `${nameOf(first)}, ${first.id}` }, el("div", { class: "bar-fill" }));
  const percent = el("span", { class: "import-percent" });
  const numbers = el("p", { class: "import-numbers" });
  const note = el("p", { class: "import-note" });
  const root = el("li", { class: "import", "data-import": first.id }, el("p", { class: "import-head" }, el("span", { class: "import-name" }, nameOf(first)), el("code", { class: "import-id" }, first.id), percent), bar, numbers, note);
  return {
    root,
    show(one) {
      const part = one.total ? Math.min(1, one.done / one.total) : null;
      setText(percent, part === null ? "" : `${Math.floor(part * 100)} %`);
      bar.classList.toggle("bar-unknown", part === null);
      bar.firstChild.style.width = part === null ? "" : `${part * 100}%`;
      if (part === null) bar.removeAttribute("aria-valuenow");
      else set(bar, { "aria-valuenow": Math.floor(part * 100) });
      setText(numbers, numbersOf(one));
      const told = noteOf(one);
      setText(note, told);
      note.hidden = !told;
    },
  };
}

function numbersOf({ done, total, rate: perSecond, seconds_left: left, status, events }) {
  if (status === "waiting" && !done) return "waiting for a worker";
  const parts = [total === null ? `${count(done)} done` : `${count(done)} of ${count(total)}`];
  if (events) parts.push(`${count(events)} ticket events read`);
  if (perSecond !== null) parts.push(rate(perSecond));
  if (left !== null) parts.push(`${duration(left)} left`);
  return parts.join(" · ");
}

function noteOf({ paused, failed, errors }) {
  if (paused) return paused;
  if (failed) return `${count(failed)} failed: see the dead letters`;
  return errors?.length ? errors[errors.length - 1] : "";
}

function endedLine(one) {
  const when = Date.parse(one.updated_at) / 1000;
  const parts = [`${count(one.done)} tickets`, ...(one.failed ? [`${count(one.failed)} failed`] : []), ...(Number.isNaN(when) ? [] : [ago(when, Date.now() / 1000)])];
  return el(
    "li",
    { "data-import": one.id, "data-status": one.status },
    el("span", { class: "ended-mark", "aria-hidden": "true" }, MARKS[one.status] ?? ""),
    el("span", { class: "ended-name" }, `${nameOf(one)} `, el("code", { class: "import-id" }, one.id)),
    el("span", { class: "ended-facts" }, `${one.status} · ${parts.join(" · ")}`),
  );
}
