// Freshness, throughput and backlog of the last half hour.

import { byId } from "./dom.js";
import { duration, rate, shortCount, sum } from "./format.js";
import { makePlot } from "./plot.js";
import { roundTicks, spanTicks } from "./scale.js";

const SPAN_SECONDS = 1800;

/** Return what shows the plots. */
export function setUpCharts() {
  const freshness = makePlot({
    id: "freshness",
    title: "Freshness",
    explained: "from the change in Zendesk to searchable",
    series: [
      { key: "freshness_p95", name: "95 % within", kind: "line" },
      { key: "freshness_p50", name: "half within", kind: "line" },
    ],
    format: duration,
    // Without a change there is no largest value to choose the axis by.
    ticks: (most) => spanTicks(most || 60),
    goalName: "goal",
  });
  const throughput = makePlot({
    id: "throughput",
    title: "Throughput",
    explained: "tickets made searchable a second",
    series: [{ key: "indexed_per_second", name: "Tickets a second", kind: "area" }],
    format: rate,
    ticks: roundTicks,
  });
  const backlog = makePlot({
    id: "backlog",
    title: "Backlog",
    explained: "messages waiting at all stages",
    series: [{ key: "backlog", name: "Messages", kind: "area" }],
    format: shortCount,
    ticks: (most) => roundTicks(Math.max(3, most)),
  });
  byId("plots").replaceChildren(freshness.root, throughput.root, backlog.root);
  let points = [];
  let step = 10;
  let overview = null;

  function draw() {
    const to = Math.max(overview?.at ?? 0, points[points.length - 1]?.at ?? 0);
    const from = to - SPAN_SECONDS;
    points = points.filter((point) => point.at >= from);
    freshness.show(points, [from, to], overview?.freshness.objective ?? null, step);
    throughput.show(points, [from, to], null, step);
    backlog.show(points, [from, to], null, step);
  }

  return {
    /** Show an overview's figures beside the titles. */
    show(told) {
      const first = overview === null;
      overview = told;
      const { p50 } = told.freshness;
      freshness.now(duration(p50));
      throughput.now(rate(told.sink.rate));
      backlog.now(shortCount(sum(told.stages.map((stage) => stage.backlog))));
      if (first) draw();
    },
    /** Show a history, oldest point first. */
    history(told) {
      points = told.points;
      step = told.step_seconds;
      draw();
    },
    /** Add a point at the end. */
    add(point) {
      if (!points.length || point.at > points[points.length - 1].at) points = [...points, point];
      draw();
    },
  };
}
