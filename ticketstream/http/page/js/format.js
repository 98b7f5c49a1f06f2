// Numbers, spans and moments for people; what nobody knows (null) is a dash.

const UNKNOWN = "–";
const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const CLOCK_SECONDS = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });

/** 12345 → "12,345". */
export function count(number) {
  return number === null ? UNKNOWN : WHOLE.format(number);
}

/** 12345678 → "12.3 M"; below ten thousand as it is. */
export function shortCount(number) {
  if (number === null) return UNKNOWN;
  if (number >= 1e6) return `${trimmed(number / 1e6)} M`;
  if (number >= 1e4) return `${trimmed(number / 1e3)} k`;
  return count(Math.round(number));
}

/** A rate: 0 → "0/s", 0.42 → "0.4/s", 57.3 → "57/s". */
export function rate(perSecond) {
  return perSecond === null ? UNKNOWN : `${rateNumber(perSecond)}/s`;
}

/** The number of a rate, without its unit. */
export function rateNumber(perSecond) {
  if (perSecond === null) return UNKNOWN;
  if (perSecond <= 0) return "0";
  if (perSecond < 0.1) return "<0.1";
  return perSecond < 10 ? trimmed(perSecond) : count(perSecond);
}

/** A span in seconds: "0.4 s", "12 s", "3 min 20 s", "2 h 5 min", "3 d 4 h". */
export function duration(seconds) {
  if (seconds === null) return UNKNOWN;
  if (seconds < 9.95) return `${trimmed(Math.max(0, seconds))} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return pair(Math.floor(whole / 60), "min", whole % 60, "s");
  if (whole < 86_400) return pair(Math.floor(whole / 3600), "h", Math.floor((whole % 3600) / 60), "min");
  return pair(Math.floor(whole / 86_400), "d", Math.floor((whole % 86_400) / 3600), "h");
}

/** A moment in Unix seconds as the time of day here: "03:12". */
export function clock(at) {
  return CLOCK.format(at * 1000);
}

/** The same to the second. */
export function clockSeconds(at) {
  return CLOCK_SECONDS.format(at * 1000);
}

/** How long ago a moment (Unix seconds) was, seen from `now`. */
export function ago(at, now) {
  const past = now - at;
  // The largest unit is enough: "3 h", not "3 h 12 min".
  return past < 5 ? "just now" : `${duration(past).split(" ").slice(0, 2).join(" ")} ago`;
}

/** An ISO moment as a day: "3 Feb 2026"; what is none stays as it is. */
export function day(iso) {
  const at = Date.parse(iso);
  return Number.isNaN(at) ? iso : DAY.format(at);
}

/** "1 ticket", "2 tickets". */
export function counted(number, one, many = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : many}`;
}

/** The sum of some numbers; not known where one of them is not. */
export function sum(numbers) {
  return numbers.includes(null) ? null : numbers.reduce((all, each) => all + each, 0);
}

function trimmed(number) {
  return number.toFixed(1).replace(/\.0$/, "");
}

function pair(big, bigUnit, small, smallUnit) {
  return small ? `${big} ${bigUnit} ${small} ${smallUnit}` : `${big} ${bigUnit}`;
}
