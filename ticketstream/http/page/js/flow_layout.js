// Where everything of the picture lies, in pixels, for a width. Pure geometry.

const NARROW = 760;
const MOST_WAITING = 10_000;

/**
 * Return the places of five nodes, the four pipes between them and the dead letters' box: in a row where
 * there is room, one below the other on a phone.
 */
export function layOut(width) {
  return width < NARROW ? column(width) : row(width);
}

/** Return how full (0 to 1) a pipe is drawn; logarithmic, so that ten and ten thousand can both be seen. */
export function fullness(backlog) {
  return backlog <= 0 ? 0 : Math.min(1, Math.max(0.08, Math.log10(1 + backlog) / Math.log10(1 + MOST_WAITING)));
}

function row(width) {
  const w = Math.min(140, Math.max(104, width * 0.115));
  const [h, y, tube] = [92, 30, 22];
  const gap = (width - 2 - 5 * w) / 4;
  const nodes = Array.from({ length: 5 }, (_, n) => ({ x: 1 + n * (w + gap), y, w, h }));
  const pipes = nodes.slice(0, 4).map((node) => ({
    x: node.x + w,
    y: y + (h - tube) / 2,
    w: gap,
    h: tube,
    // Topic above, figures below, around the middle.
    text: { x: node.x + w + gap / 2, topic: y + (h - tube) / 2 - 10, waiting: y + (h + tube) / 2 + 18, oldest: y + (h + tube) / 2 + 35, anchor: "middle" },
  }));
  const box = { x: nodes[4].x, y: y + h + 22, w, h: 32 };
  const rail = box.y + box.h / 2;
  const drops = nodes.slice(1, 4).map((node) => `M${node.x + w / 2} ${y + h}V${rail}`);
  return { vertical: false, width, height: box.y + box.h + 2, nodes, pipes, box, rail: `${drops.join("")}M${nodes[1].x + w / 2} ${rail}H${box.x}` };
}

function column(width) {
  const [h, pipe, tube, left] = [54, 50, 18, 24];
  const nodes = Array.from({ length: 5 }, (_, n) => ({ x: 1, y: 1 + n * (h + pipe), w: width - 2, h }));
  const pipes = nodes.slice(0, 4).map((node) => ({
    x: left,
    y: node.y + h,
    w: tube,
    h: pipe,
    text: { x: left + tube + 14, topic: node.y + h + 20, waiting: node.y + h + 37, oldest: null, anchor: "start" },
  }));
  const last = nodes[4].y + h;
  const box = { x: 1, y: last + 22, w: width - 2, h: 36 };
  return { vertical: true, width, height: box.y + box.h + 2, nodes, pipes, box, rail: `M${left + tube / 2} ${last}V${box.y}` };
}
