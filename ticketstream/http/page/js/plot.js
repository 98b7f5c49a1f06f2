// A plot over time: lines or an area, axes, a hair line that the pointer and the arrow keys move.

import { el, set, setText, svg } from "./dom.js";
import { clock, clockSeconds } from "./format.js";
import { linear, timeTicks } from "./scale.js";

const HEIGHT = 168;
const MARGIN = { top: 10, right: 12, bottom: 24, left: 46 };

/**
 * Return a plot: `root` is its figure, and `show(points, span, goal, step)` draws. `points` are {at, …} in
 * Unix seconds, oldest first, some `step` seconds apart; `span` is [from, to]; `goal` a value to mark, or null.
 *
 * Of the options, `series` are [{key, name, kind: "line"|"area"}], `format` makes a value a text, and
 * `ticks` chooses the axis' values for the largest one.
 */
export function makePlot({ id, title, explained, series, format, ticks, goalName }) {
  const now = el("p", { class: "plot-now" });
  const said = el("p", { class: "plot-said", hidden: true });
  const frame = el("div", { class: "plot-frame", id: `${id}-plot`, tabindex: 0, role: "slider", "aria-label": `${title}: move along the last half hour`, "aria-valuemin": 0 });
  const table = makeTable(id, title, series, format);
  const legend = series.length > 1 ? el("ul", { class: "legend" }, ...series.map(({ key, name }) => el("li", { "data-series": key }, name))) : null;
  const root = el("figure", { class: "card plot", id }, el("figcaption", { class: "plot-head" }, el("div", {}, el("h3", {}, title), el("p", { class: "plot-explained" }, explained)), now), el("div", { class: "plot-sub" }, said, legend), frame, table.root);
  let state = { points: [], span: [0, 1], goal: null, step: 10 };
  let at = null;

  function draw() {
    const width = Math.floor(frame.clientWidth);
    if (width < 80) return;
    frame.replaceChildren(picture(width, state, { series, format, ticks, goalName, at }));
    tell();
  }

  function tell() {
    const { points } = state;
    const chosen = at === null ? points.length - 1 : points.findIndex((point) => point.at === at);
    const point = points[chosen];
    set(frame, { "aria-valuemax": Math.max(0, points.length - 1), "aria-valuenow": Math.max(0, chosen), "aria-valuetext": point ? `${clockSeconds(point.at)}: ${inWords(point)}` : "no point yet" });
    const reading = at !== null && point !== undefined;
    said.hidden = !reading;
    if (legend) legend.hidden = reading;
    if (reading) said.replaceChildren(clockSeconds(point.at), ...series.map(({ key }) => el("span", { "data-series": key }, worded(point[key]))));
  }

  function inWords(point) {
    return series.map(({ key, name }) => `${series.length > 1 ? `${name} ` : ""}${worded(point[key])}`).join(", ");
  }

  function worded(value) {
    return value === null ? "none" : format(value);
  }

  function move(index) {
    const { points } = state;
    if (!points.length) return;
    at = points[Math.min(points.length - 1, Math.max(0, index))].at;
    draw();
  }

  function leave() {
    at = null;
    draw();
  }

  frame.addEventListener("pointermove", (event) => {
    const [from, to] = state.span;
    const where = linear(MARGIN.left, frame.clientWidth - MARGIN.right, from, to)(event.clientX - frame.getBoundingClientRect().left);
    move(nearest(state.points, where));
  });
  frame.addEventListener("pointerleave", leave);
  frame.addEventListener("blur", leave);
  frame.addEventListener("keydown", (event) => {
    const last = state.points.length - 1;
    const current = at === null ? last : state.points.findIndex((point) => point.at === at);
    const target = { ArrowLeft: current - 1, ArrowDown: current - 1, ArrowRight: current + 1, ArrowUp: current + 1, PageDown: current - 6, PageUp: current + 6, Home: 0, End: last }[event.key];
    if (event.key === "Escape") leave();
    if (target === undefined) return;
    event.preventDefault();
    move(target);
  });
  new ResizeObserver(draw).observe(frame);

  return {
    root,
    /** Draw these points. */
    show(points, span, goal, step) {
      state = { points, span, goal, step };
      if (at !== null && !points.some((point) => point.at === at)) at = null;
      draw();
      table.show(points);
    },
    /** Show the current value beside the title. */
    now(text) {
      setText(now, text);
    },
  };
}

function picture(width, { points, span, goal, step }, { series, format, ticks, goalName, at }) {
  const [left, right, top, bottom] = [MARGIN.left, width - MARGIN.right, MARGIN.top, HEIGHT - MARGIN.bottom];
  const values = points.flatMap((point) => series.map(({ key }) => point[key] ?? 0));
  const largest = Math.max(0, ...values);
  // A goal far above everything would press the lines flat; the words beside the plot name it anyway.
  const marks = goal !== null && largest > goal * 0.3;
  const axis = ticks(Math.max(largest, marks ? goal : 0));
  const x = linear(span[0], span[1], left, right);
  const y = linear(0, axis[axis.length - 1], bottom, top);
  const root = svg("svg", { width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, "aria-hidden": "true" });
  for (const value of axis) {
    root.append(
      svg("line", { class: value ? "plot-grid" : "plot-base", x1: left, x2: right, y1: y(value), y2: y(value) }),
      svg("text", { class: "plot-tick", x: left - 8, y: y(value) + 4, "text-anchor": "end" }, format(value)),
    );
  }
  for (const moment of timeTicks(span[0], span[1], 600)) {
    const where = x(moment);
    if (where < left + 12 || where > right - 12) continue;
    root.append(svg("line", { class: "plot-mark", x1: where, x2: where, y1: bottom, y2: bottom + 4 }), svg("text", { class: "plot-tick", x: where, y: HEIGHT - 6, "text-anchor": "middle" }, clock(moment)));
  }
  if (marks) {
    root.append(
      svg("line", { class: "plot-goal", x1: left, x2: right, y1: y(goal), y2: y(goal) }),
      svg("text", { class: "plot-goal-name", x: right, y: y(goal) < top + 16 ? y(goal) + 14 : y(goal) - 5, "text-anchor": "end" }, goalName),
    );
  }
  for (const one of series) {
    for (const run of runs(points, one.key, step)) root.append(...drawn(run, one, x, y, bottom));
  }
  const point = points.find((each) => each.at === at);
  if (point) {
    root.append(svg("line", { class: "plot-hair", x1: x(at), x2: x(at), y1: top, y2: bottom }));
    for (const { key } of series) {
      if (point[key] !== null) root.append(svg("circle", { class: "plot-dot", "data-series": key, cx: x(at), cy: y(point[key]), r: 3.5 }));
    }
  }
  if (!points.length) root.append(svg("text", { class: "plot-empty", x: (left + right) / 2, y: (top + bottom) / 2, "text-anchor": "middle" }, "the first point comes in some seconds"));
  return root;
}

/** Return the stretches of points that have a value and follow one another: a gap in time stays a gap. */
function runs(points, key, step) {
  const found = [];
  let run = [];
  let previous = null;
  for (const point of points) {
    const gap = previous && point.at - previous.at > step * 2.5;
    if (run.length && (gap || point[key] === null)) {
      found.push(run);
      run = [];
    }
    if (point[key] !== null) run.push({ at: point.at, value: point[key] });
    previous = point;
  }
  if (run.length) found.push(run);
  return found;
}

function drawn(run, { key, kind }, x, y, bottom) {
  if (run.length === 1) return [svg("circle", { class: "plot-alone", "data-series": key, cx: x(run[0].at), cy: y(run[0].value), r: 2 })];
  const line = run.map(({ at, value }, n) => `${n ? "L" : "M"}${x(at).toFixed(1)} ${y(value).toFixed(1)}`).join("");
  const parts = [svg("path", { class: "plot-line", "data-series": key, d: line })];
  if (kind === "area") {
    const [first, last] = [run[0], run[run.length - 1]];
    parts.unshift(svg("path", { class: "plot-area", "data-series": key, d: `${line}L${x(last.at).toFixed(1)} ${bottom}L${x(first.at).toFixed(1)} ${bottom}Z` }));
  }
  return parts;
}

function nearest(points, where) {
  let best = 0;
  points.forEach((point, n) => {
    if (Math.abs(point.at - where) < Math.abs(points[best].at - where)) best = n;
  });
  return best;
}

/** The same values as a table, made only while somebody looks at it. */
function makeTable(id, title, series, format) {
  const heads = ["Time", ...series.map(({ name }) => name)].map((head) => el("th", { scope: "col" }, head));
  const body = el("tbody");
  const region = el("div", { class: "table-scroll", tabindex: 0, role: "region", "aria-label": `${title} as a table` }, el("table", {}, el("caption", { class: "hidden" }, `${title}, newest first`), el("thead", {}, el("tr", {}, ...heads)), body));
  const root = el("details", { class: "as-table", id: `${id}-table` }, el("summary", {}, "As a table"), region);
  let latest = [];

  function fill() {
    if (!root.open) return;
    body.replaceChildren(
      ...latest.toReversed().map((point) =>
        el("tr", {}, el("th", { scope: "row" }, clockSeconds(point.at)), ...series.map(({ key }) => el("td", { class: "number" }, format(point[key])))),
      ),
    );
  }

  root.addEventListener("toggle", fill);
  return {
    root,
    show(points) {
      latest = points;
      fill();
    },
  };
}
