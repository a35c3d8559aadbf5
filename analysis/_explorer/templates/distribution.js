// Where the current loss falls among the losses of all masks and of random ones.

function short(value, digits = 4) {
  const tiny = Math.abs(value) < 1e-4 && value !== 0;
  return (tiny ? value.toExponential(Math.min(digits - 1, 2)) : value.toPrecision(digits)).replaceAll("-", "−").replace("Infinity", "∞");
}

const percent = (share) => `${(100 * share).toFixed(1)} %`;
const whole = (count) => Math.round(count).toLocaleString("en");
// No share but that of none and of all is written as 0 and 100 %.
function careful(share) {
  if (share > 0 && share < 0.0005) return "< 0.1 %";
  return share < 1 && share > 0.9995 ? "> 99.9 %" : percent(share);
}

const levels = data.distributions.map(({ ranks, quantiles }) =>
  quantiles.map((value, i) => [value, ranks[i]]).filter(([value]) => value !== null),
);

// How many masks have a log loss below a value, and whether that is counted: between known ranks it is read off a line.
function below(part, value) {
  const known = levels[part];
  const [last, { count }] = [known.length - 1, data.distributions[part]];
  if (!known.length) return [count / 2, false];
  if (known[last][0] < value) return [known[last][1] + 1, known[last][1] === count - 1];
  const at = known.findIndex(([log]) => log >= value);
  const [log, rank] = known[at];
  if (at === 0) return [rank, rank === 0];
  const [before, reached] = known[at - 1];
  if (rank - reached <= 1) return [reached + 1, Number.isInteger(rank)];
  return [reached + 1 + ((value - before) / (log - before)) * (rank - reached - 1), false];
}

// The store holds losses of single precision: those that differ by less than this are equal.
const ROUNDING = 2e-6;

// Masks of a lower log loss, and those of an equal one.
function standing(part, value) {
  const [lower, counted] = below(part, value - ROUNDING);
  const [upTo, alsoCounted] = below(part, value + ROUNDING);
  // A loss over some of the test points is not to be had among losses over all of them.
  return { lower, equal: Math.max(upTo - lower, 0), counted: counted && alsoCounted && !data.cut };
}

function inWords(part, value) {
  const { count, probability } = data.distributions[part];
  const { lower, equal, counted } = standing(part, value);
  if (!counted) return `about ${careful(lower / count)} of ${whole(count)} lower`;
  // Gates of zeros and ones are themselves among all masks.
  if (probability === null && gates.every((gain) => gain === 0 || gain === 1)) {
    const shared = equal > 1 ? `, with ${whole(equal - 1)} more` : "";
    return `rank ${whole(lower + 1)} of ${whole(count)}${shared} (${lower ? careful(lower / count) : "none"} lower)`;
  }
  const ties = equal ? `, ${whole(equal)} equal` : "";
  return `${lower ? whole(lower) : "none"} of ${whole(count)} lower${lower ? ` (${careful(lower / count)})` : ""}${ties}`;
}

const SVG = "http://www.w3.org/2000/svg";
const markers = [];
const shares = [];
let span = [0, 1];
const along = (log) => within((log - span[0]) / (span[1] - span[0]));

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
  if (!data.distributions.length) return;
  const ends = [1, 0].map((gain) => Math.log(measure(new Float64Array(NODES).fill(gain)).loss)).filter(Number.isFinite);
  const low = Math.min(data.edges[0], ...ends);
  const high = Math.max(data.edges.at(-1), ...ends);
  span = [low - 0.03 * (high - low), high + 0.03 * (high - low)];
  const place = byId("histograms");
  const random = data.distributions.filter((part) => part.probability !== null);
  data.distributions.forEach((part) => {
    const of = random.indexOf(part);
    const colour = of < 0 ? palette.all : palette.masks[of % palette.masks.length];
    const share = element("span");
    const svg = drawing("svg", { viewBox: "0 0 1 1", preserveAspectRatio: "none", "aria-hidden": "true" });
    const highest = Math.max(...part.histogram, 1);
    part.histogram.forEach((count, bin) => {
      const x = along(data.edges[bin]);
      const width = along(data.edges[bin + 1]) - x;
      const height = (0.95 * count) / highest;
      svg.append(drawing("rect", { x, width, y: 1 - height, height, fill: colour }));
    });
    const marker = drawing("line", { y1: 0, y2: 1 });
    svg.append(marker);
    markers.push(marker);
    shares.push(share);
    const title = element("p", {}, element("span", {}, of < 0 ? "all masks" : `p = ${part.probability}`), share);
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
  const several = random.map((part) => whole(part.count));
  const counts = several.every((count) => count === several[0]) ? several[0] : several.join(", ");
  const drawn = `; p is the probability that a node is on, ${counts} masks drawn${several.length > 1 ? " each" : ""}`;
  const title = `loss in nats, logarithmic; line: this loss${several.length ? drawn : ""}`;
  place.append(axis, element("p", { class: "axis-title" }, title));
}

function drawMarker(log) {
  data.distributions.forEach((_, index) => {
    const x = along(log);
    markers[index].setAttribute("x1", x);
    markers[index].setAttribute("x2", x);
    shares[index].textContent = inWords(index, log);
  });
}
