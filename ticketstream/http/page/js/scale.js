// Axes: which values get a line, and where a value lies.

const SPANS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400];

/** Return a function from [from, to] to [start, end]. */
export function linear(from, to, start, end) {
  const factor = to === from ? 0 : (end - start) / (to - from);
  return (value) => start + (value - from) * factor;
}

/** Return 0 and a few round values up to at least `most`. */
export function roundTicks(most, about = 3) {
  const raw = Math.max(most, 1e-9) / about;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= raw * 0.999);
  return ticksBy(step, most);
}

/** The same for spans of seconds: steps that are round as seconds, minutes or hours. */
export function spanTicks(most, about = 3) {
  const step = SPANS.find((each) => each >= (most / about) * 0.999) ?? Math.ceil(most / about / 86_400) * 86_400;
  return ticksBy(step, most);
}

/** Return the moments (Unix seconds) between two, at whole multiples of `step` seconds of the local clock. */
export function timeTicks(from, to, step) {
  const shift = new Date(from * 1000).getTimezoneOffset() * 60;
  const ticks = [];
  for (let at = Math.ceil((from - shift) / step) * step + shift; at <= to; at += step) ticks.push(at);
  return ticks;
}

function ticksBy(step, most) {
  const ticks = [0];
  for (let n = 1; ticks[ticks.length - 1] < most * 0.999; n += 1) ticks.push(Number((n * step).toPrecision(12)));
  return ticks.length > 1 ? ticks : [0, step];
}
