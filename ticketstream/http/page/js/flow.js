// The way of a ticket as a picture: five places, the topics between them, and what holds things up.

import { byId, el, set, setText, svg } from "./dom.js";
import { count, duration, rate, rateNumber, shortCount } from "./format.js";
import { fullness, layOut } from "./flow_layout.js";

const PLACES = [
  { key: "zendesk", name: "Zendesk", does: "comes in" },
  { key: "enrich", name: "enrich", does: "adds comments" },
  { key: "embed", name: "embed", does: "makes vectors" },
  { key: "index", name: "index", does: "writes chunks" },
  { key: "weaviate", name: "Weaviate", does: "chunks" },
];
const TOPICS = ["changes · backfill", "enriched", "embedded", "written"];

/** Return what shows the picture and its table. */
export function setUpFlow() {
  const frame = byId("flow");
  const table = tableOf(byId("flow-table"));
  let picture = null;
  let latest = null;

  function draw() {
    const width = Math.floor(frame.clientWidth);
    if (!latest || width < 200) return;
    if (picture?.width !== width) {
      picture = makePicture(layOut(width));
      frame.replaceChildren(picture.root);
    }
    picture.show(latest);
  }

  new ResizeObserver(draw).observe(frame);
  return {
    /** Show an overview. */
    show(overview) {
      latest = described(overview);
      draw();
      table.show(latest);
    },
  };
}

/** Return what the picture says of an overview: figures as texts. */
function described(overview) {
  const stages = new Map(overview.stages.map((stage) => [stage.stage, stage]));
  const figures = {
    zendesk: { figure: rate(overview.source.rate), flows: overview.source.rate },
    weaviate: { figure: shortCount(overview.sink.chunks), flows: overview.sink.rate },
  };
  const places = PLACES.map(({ key, name, does }) => {
    const stage = stages.get(key);
    const own = figures[key] ?? { figure: rate(stage?.rate ?? null), flows: stage?.rate ?? 0 };
    return { key, name, does, ...own, stage, holds: key === overview.held_up_by };
  });
  return { places, sink: overview.sink.rate, letters: overview.dead_letters.open, stopped: overview.state === "stopped" };
}

function makePicture(layout) {
  const root = svg("svg", { width: layout.width, height: layout.height, viewBox: `0 0 ${layout.width} ${layout.height}`, role: "img", "aria-labelledby": "flow-title flow-words" });
  const words = svg("title", { id: "flow-words" });
  const letters = makeLetters(layout);
  const pipes = layout.pipes.map((place, n) => makePipe(place, TOPICS[n], layout.vertical));
  const nodes = layout.nodes.map((place, n) => makeNode(place, PLACES[n], layout.vertical));
  root.append(words, svg("path", { class: "flow-rail", d: layout.rail }), ...[...pipes, ...nodes, letters].map((part) => part.group));
  return {
    root,
    width: layout.width,
    show(told) {
      setText(words, sentence(told));
      told.places.forEach((place, n) => nodes[n].show(place));
      pipes.forEach((pipe, n) => pipe.show(told.places[n + 1], told.sink));
      letters.show(told.letters);
      root.classList.toggle("flow-stopped", told.stopped);
    },
  };
}

function makeNode({ x, y, w, h }, { key, name, does }, vertical) {
  const figure = svg("text", { class: "flow-figure", ...(vertical ? { x: x + w - 14, y: y + 34, "text-anchor": "end" } : { x: x + w / 2, y: y + 56, "text-anchor": "middle" }) });
  const tag = vertical ? { x: x + 92, y: y + 9, w: 104, h: 20 } : { x: x + w / 2 - 56, y: y - 26, w: 112, h: 20 };
  const group = svg(
    "g",
    { class: "flow-node", "data-place": key },
    svg("rect", { x, y, width: w, height: h, rx: 10 }),
    svg("text", { class: "flow-name", ...(vertical ? { x: x + 14, y: y + 24 } : { x: x + w / 2, y: y + 26, "text-anchor": "middle" }) }, name),
    figure,
    svg("text", { class: "flow-does", ...(vertical ? { x: x + 14, y: y + 42 } : { x: x + w / 2, y: y + 77, "text-anchor": "middle" }) }, does),
    svg(
      "g",
      { class: "flow-tag" },
      svg("rect", { x: tag.x, y: tag.y, width: tag.w, height: tag.h, rx: 10 }),
      svg("text", { x: tag.x + tag.w / 2, y: tag.y + 14, "text-anchor": "middle" }, "holds things up"),
    ),
  );
  return {
    group,
    show(place) {
      setText(figure, place.figure);
      group.classList.toggle("flow-holds", place.holds);
    },
  };
}

function makePipe({ x, y, w, h, text }, topic, vertical) {
  const middle = vertical ? `M${x + w / 2} ${y}V${y + h}` : `M${x} ${y + h / 2}H${x + w}`;
  const fill = svg("rect", { class: "flow-fill" });
  const moving = svg("path", { class: "flow-moving", d: middle });
  const words = svg("text", { class: "flow-topic", x: text.x, y: text.topic, "text-anchor": text.anchor }, topic);
  const waiting = svg("text", { class: "flow-waiting", x: text.x, y: text.waiting, "text-anchor": text.anchor });
  const oldest = svg("text", { class: "flow-oldest", x: text.x, y: text.oldest ?? text.waiting, "text-anchor": text.anchor });
  const group = svg("g", { class: "flow-pipe" }, svg("rect", { class: "flow-tube", x, y, width: w, height: h }), fill, moving, words, waiting, ...(vertical ? [] : [oldest]));
  return {
    group,
    show({ stage, flows, holds, key }, sink) {
      const last = key === "weaviate";
      const backlog = stage?.backlog ?? 0;
      const full = fullness(backlog);
      // What waits lies in front of the stage that is to take it.
      if (vertical) set(fill, { x, width: w, y: y + h * (1 - full), height: h * full });
      else set(fill, { y, height: h, x: x + w * (1 - full), width: w * full });
      const age = backlog && stage.oldest_seconds !== null ? `oldest ${duration(stage.oldest_seconds)}` : "";
      const said = last ? `${rateNumber(sink)} tickets/s` : `${count(stage?.backlog ?? null)} waiting`;
      setText(waiting, vertical && age ? `${said} · ${age}` : said);
      setText(oldest, age);
      group.classList.toggle("flow-empty", !last && !backlog);
      group.classList.toggle("flow-holds", holds);
      const speed = (last ? sink : flows) ?? 0;
      const pace = speed <= 0 ? "none" : speed < 1 ? "slow" : speed < 20 ? "steady" : "fast";
      set(moving, { "data-pace": pace });
    },
  };
}

function makeLetters({ box: { x, y, w, h }, vertical }) {
  const words = svg("text", { x: vertical ? x + 14 : x + w / 2, y: y + h / 2 + 4.5, "text-anchor": vertical ? "start" : "middle" });
  const group = svg("g", { class: "flow-letters" }, svg("rect", { x, y, width: w, height: h, rx: h / 2 }), words);
  return {
    group,
    show(open) {
      setText(words, `${count(open)} dead ${open === 1 ? "letter" : "letters"}`);
      group.classList.toggle("flow-open", open > 0);
    },
  };
}

function sentence({ places, sink, letters }) {
  const stages = places
    .filter((place) => place.stage)
    .map(({ name, stage, figure, holds }) => `${name}: ${count(stage.backlog)} waiting, ${figure}${holds ? ", holds things up" : ""}`);
  return `From Zendesk ${places[0].figure}. ${stages.join(". ")}. Into Weaviate ${rateNumber(sink)} tickets a second. ${count(letters)} dead letters open.`;
}

function tableOf(details) {
  const heads = ["Stage", "Topics", "Waiting", "Oldest", "Rate"].map((head) => el("th", { scope: "col" }, head));
  const body = el("tbody");
  const table = el("table", {}, el("caption", { class: "hidden" }, "What waits at each stage, and how fast it works"), el("thead", {}, el("tr", {}, ...heads)), body);
  details.append(el("div", { class: "table-scroll", tabindex: 0, role: "region", "aria-label": "The way of a ticket as a table" }, table));
  return {
    show({ places }) {
      const rows = places
        .filter((place) => place.stage)
        .map(({ key, name, figure, holds, stage }) =>
          el(
            "tr",
            { "data-stage": key },
            el("th", { scope: "row" }, holds ? `${name} (holds things up)` : name),
            el("td", {}, stage.topics.join(", ")),
            el("td", { class: "number" }, count(stage.backlog)),
            el("td", { class: "number" }, duration(stage.oldest_seconds)),
            el("td", { class: "number" }, figure),
          ),
        );
      body.replaceChildren(...rows);
    },
  };
}
