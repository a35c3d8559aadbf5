// Where the current loss falls among the losses of random masks.

function short(value) {
  const tiny = Math.abs(value) < 1e-4 && value !== 0;
  return (tiny ? value.toExponential(2) : value.toPrecision(4)).replaceAll("-", "−").replace("Infinity", "∞");
}

const percent = (share) => `${(100 * share).toFixed(1)} %`;

const logs = data.sampled.map(({ quantiles }) =>
  quantiles.map((value, i) => [value, i / Math.max(quantiles.length - 1, 1)]).filter(([value]) => value !== null),
);

// Share of the masks of one probability whose log loss is higher: exact where every draw is here.
function shareAbove(part, value) {
  const known = logs[part];
  const above = known.filter(([quantile]) => quantile > value).length;
  if (data.sampled[part].count === known.length) return above / known.length;
  if (above === 0) return 1 - (known.at(-1)?.[1] ?? 0);
  const upper = known[known.length - above];
  const lower = known[known.length - above - 1] ?? upper;
  const between = upper[0] > lower[0] ? (value - lower[0]) / (upper[0] - lower[0]) : 1;
  return 1 - (lower[1] + between * (upper[1] - lower[1]));
}

const BARS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"];
const SVG = "http://www.w3.org/2000/svg";
const markers = [];
const shares = [];
let span = [0, 1];
const along = (log) => Math.min(Math.max((log - span[0]) / (span[1] - span[0]), 0), 1);

function element(kind, attributes = {}, ...children) {
  const made = document.createElement(kind);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function drawing(kind, attributes) {
  const made = document.createElementNS(SVG, kind);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function makeHistograms() {
  if (!data.sampled.length) return;
  const ends = [1, 0].map((gain) => Math.log(measure(new Float64Array(NODES).fill(gain)).loss)).filter(Number.isFinite);
  const low = Math.min(data.edges[0], ...ends);
  const high = Math.max(data.edges.at(-1), ...ends);
  span = [low - 0.03 * (high - low), high + 0.03 * (high - low)];
  const place = byId("histograms");
  data.sampled.forEach((part, index) => {
    const share = element("span");
    const svg = drawing("svg", { viewBox: "0 0 1 1", preserveAspectRatio: "none", "aria-hidden": "true" });
    const highest = Math.max(...part.histogram, 1);
    part.histogram.forEach((count, bin) => {
      const x = along(data.edges[bin]);
      const width = along(data.edges[bin + 1]) - x;
      const height = (0.95 * count) / highest;
      svg.append(drawing("rect", { x, width, y: 1 - height, height, fill: BARS[index % BARS.length] }));
    });
    const marker = drawing("line", { y1: 0, y2: 1 });
    svg.append(marker);
    markers.push(marker);
    shares.push(share);
    const title = element("p", {}, element("span", {}, `p = ${part.probability}`), share);
    place.append(element("div", { class: "row" }, title, svg));
  });
  const axis = element("div", { class: "axis", "aria-hidden": "true" });
  const wide = span[1] - span[0] > 6;
  for (let power = Math.floor(span[0] / Math.LN10); power <= span[1] / Math.LN10; power++) {
    for (const digit of wide ? [1] : [1, 2, 5]) {
      const log = Math.log(digit) + power * Math.LN10;
      if (log < span[0] || log > span[1]) continue;
      const label = String(+(digit * 10 ** power).toPrecision(1));
      axis.append(element("span", { style: `left: ${100 * along(log)}%` }, label));
    }
  }
  const several = data.sampled.map((part) => part.count.toLocaleString("en"));
  const counts = several.every((count) => count === several[0]) ? several[0] : several.join(", ");
  const each = data.sampled.length > 1 ? " each" : "";
  const title = `loss in nats, logarithmic; ${counts} masks${each}; p is the probability that a node is on`;
  place.append(axis, element("p", { class: "axis-title" }, title));
}

function drawMarker(log) {
  data.sampled.forEach((_, index) => {
    const x = along(log);
    markers[index].setAttribute("x1", x);
    markers[index].setAttribute("x2", x);
    const share = shareAbove(index, log);
    shares[index].textContent = share === 1 ? "lower than all masks" : `lower than ${percent(share)} of masks`;
  });
}
