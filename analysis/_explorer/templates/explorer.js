// The page: its state, its controls, one redraw a frame. `window.explorer` is for tests and for the browser's console.

const gates = new Float64Array(NODES).fill(1);
const state = { node: 0, order: null, step: 0, points: true };
const clean = (gain) => Math.min(Math.max(Math.round(gain * 100) / 100, 0), 1);
const isOn = (gain) => gain > 0;
const countOn = () => gates.filter(isOn).length;
const name = (node) => `node ${data.nodes[node]}`;

function setGates(values, message = "") {
  if (values.length !== NODES) throw new RangeError(`expected ${NODES} gates, got ${values.length}`);
  for (let i = 0; i < NODES; i++) gates[i] = Number(values[i]);
  byId("status").textContent = message;
  update();
}

function setGate(node, gain) {
  gates[node] = clean(gain);
  byId("status").textContent = "";
  select(node);
}

function select(node) {
  state.node = node;
  update();
}

const toggle = (node) => setGate(node, isOn(gates[node]) ? 0 : 1);

function shuffled() {
  const order = Array.from({ length: NODES }, (_, i) => i);
  for (let i = NODES - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

function stepAlongPath() {
  if (!state.order || state.step === NODES) {
    state.order = shuffled();
    state.step = 0;
  }
  const node = state.order[state.step++];
  const before = measure(gates).loss;
  const next = gates.slice();
  next[node] = clean(1 - next[node]);
  const partial = `set to ${next[node].toFixed(2)}`;
  const became = { 0: "switched off", 1: "switched on" }[next[node]] ?? partial;
  state.node = node;
  const after = measure(next).loss;
  setGates(next, `Step ${state.step} of ${NODES}: ${name(node)} ${became}, loss ${short(before)} → ${short(after)}.`);
}

function bestOfThisSize() {
  const on = countOn();
  setGates([...data.best[on]].map(Number), `The best of all masks with ${on} of ${NODES} nodes on.`);
}

const ACTIONS = {
  full: () => setGates(gates.map(() => 1)),
  empty: () => setGates(gates.map(() => 0)),
  opposite: () => setGates(gates.map((gain) => clean(1 - gain))),
  random: () => setGates(gates.map(() => (Math.random() < 0.5 ? 1 : 0)), "Each node on with probability 0.5."),
  best: bestOfThisSize,
  step: stepAlongPath,
};

// The address holds the gates: a string of 0 and 1 for a mask, or gains with commas between them.
function toHash() {
  const mask = gates.every((gain) => gain === 0 || gain === 1);
  const text = Array.from(gates, (gain) => String(+gain.toFixed(4))).join(mask ? "" : ",");
  return `#gates=${text}&node=${state.node}`;
}

function fromHash() {
  const parts = new URLSearchParams(location.hash.slice(1));
  const text = parts.get("gates") ?? "";
  const values = (text.includes(",") || NODES === 1 ? text.split(",") : [...text]).map(Number);
  const node = Number(parts.get("node"));
  if (Number.isInteger(node) && node >= 0 && node < NODES) state.node = node;
  if (values.length === NODES && values.every((gain) => gain >= 0 && gain <= 1)) gates.set(values);
}

let saving = 0;
let speaking = 0;
// Browsers limit how often the address may change, and a screen reader how much it can say.
function announce(text) {
  clearTimeout(saving);
  clearTimeout(speaking);
  saving = setTimeout(() => history.replaceState(null, "", toHash()), 150);
  speaking = setTimeout(() => (byId("live").textContent = `${byId("status").textContent} ${text}`.trim()), 500);
}

// One row a node: switch, slider, gain, and the mean gate gradient as a bar.
const rows = [];

function makeRow(node) {
  const button = element("button", { type: "button", class: "toggle" }, data.nodes[node]);
  const slider = element("input", { type: "range", min: 0, max: 1, step: 0.01, "aria-label": `gain of ${name(node)}` });
  const value = element("span");
  const bar = element("i");
  const number = element("small");
  // Out of the tab order: a node is selected as well when its switch or slider has the focus.
  const show = element("button", { type: "button", class: "pull", tabindex: -1 }, bar, number);
  button.setAttribute("aria-label", name(node));
  button.addEventListener("click", () => toggle(node));
  button.addEventListener("keydown", (event) => {
    const sign = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
    if (!sign) return;
    event.preventDefault();
    setGate(node, gates[node] + 0.01 * sign);
  });
  slider.addEventListener("input", () => setGate(node, slider.valueAsNumber));
  show.addEventListener("click", () => select(node));
  for (const one of [button, slider]) one.addEventListener("focus", () => state.node !== node && select(node));
  rows.push({ button, slider, value, show, bar, number });
  return element("div", { class: "gate" }, button, slider, value, show);
}

const STEPS = Array.from({ length: 60 }, (_, i) => Number(`${[1, 2, 5][i % 3]}e${Math.floor(i / 3) - 12}`));
const signed = (value) => (value < 0 ? `−${-value}` : String(value));

function drawRows(gradient) {
  // The axis of the bars ends at a round number, so that it seldom changes.
  const most = Math.max(...gradient.map(Math.abs));
  const end = STEPS.find((step) => step >= most) ?? most;
  byId("bars").replaceChildren(...[-end, 0, end].map((tick) => element("span", {}, signed(tick))));
  rows.forEach(({ button, value, show, bar, number }, node) => {
    const gain = gates[node];
    button.setAttribute("aria-pressed", gain === 1 ? "true" : gain === 0 ? "false" : "mixed");
    button.style.setProperty("--gain", `${100 * gain}%`);
    value.textContent = gain.toFixed(2);
    const size = (50 * Math.abs(gradient[node])) / end;
    const helps = gradient[node] < 0;
    const colour = helps ? "--helps" : "--hurts";
    bar.style.cssText = `width: ${size}%; left: ${helps ? 50 - size : 50}%; background: var(${colour})`;
    number.textContent = short(gradient[node], 2);
    number.style.cssText = helps ? "left: 53%; text-align: left" : "left: 0; text-align: right";
    show.setAttribute("aria-pressed", String(node === state.node));
    show.setAttribute("aria-label", `gradient map of ${name(node)}, mean gradient ${number.textContent}`);
  });
}

// A colour bar with an axis: ticks are pairs of a place from 0 to 1 and a label; a phone has room for `few` of them.
function colourBar(id, colours, ticks, few) {
  const stops = colours.filter((_, i) => i % 15 === 0);
  const axis = element("div", { class: "axis" });
  ticks.forEach(([place, label], i) => {
    axis.append(element("span", { style: `left: ${100 * place}%`, class: few.includes(i) ? "" : "minor" }, label));
  });
  byId(id).append(element("i", { style: `background: linear-gradient(90deg, ${stops.join(", ")})` }), axis);
}

function makeKeys() {
  if (two) {
    const ends = [[0, `0: ${data.classes[0]}`], [0.5, "0.5"], [1, `1: ${data.classes[1]}`]];
    colourBar("certainty-key", palette.certainty, ends, [0, 2]);
  } else {
    byId("certainty-key").classList.add("classes");
    data.classes.forEach((label, number) => {
      byId("certainty-key").append(element("span", {}, element("i", { style: `background: ${css(classColours[number])}` }), label));
    });
  }
  const powers = [];
  for (let power = Math.ceil(Math.log10(LEAST)); 10 ** power < MOST / 5; power++) powers.push(Number(`1e${power}`));
  const losses = [...powers, MOST].map((loss) => [placeOfLoss(loss), `${loss === LEAST ? "≤ " : loss === MOST ? "≥ " : ""}${loss}`]);
  colourBar("loss-key", palette.loss, losses, [0, losses.length - 1]);
  const pulls = [-1, -0.1, -0.01, 0, 0.01, 0.1, 1].map((share) => Number((share * scales.gradient).toPrecision(1)));
  colourBar("gradient-key", palette.gradient, pulls.map((value) => [placeOfPull(value), signed(value)]), [0, 3, 6]);
}

// At most one redraw a frame, however fast a slider moves.
let asked = 0;
let took = 0;
function update() {
  // Not with the frame: a key pressed before it moves a slider from where it is.
  rows.forEach(({ slider }, node) => {
    if (slider.valueAsNumber !== gates[node]) slider.value = gates[node];
  });
  asked ||= requestAnimationFrame(draw);
}

function draw() {
  cancelAnimationFrame(asked);
  asked = 0;
  const start = performance.now();
  const now = measure(gates, state.node);
  const log = Math.log(now.loss);
  byId("loss").replaceChildren(short(now.loss), element("small", {}, " nats"));
  byId("log-loss").textContent = short(log);
  byId("accuracy").textContent = percent(now.accuracy);
  byId("on").replaceChildren(String(countOn()), element("small", {}, ` of ${NODES}`));
  byId("selected").textContent = data.nodes[state.node];
  drawMaps(gates, state.node, state.points, now);
  drawMarker(log);
  drawRows(now.gradient);
  const all = data.distributions.length ? `, ${inWords(0, log)}` : "";
  announce(`Loss ${short(now.loss)}${all}.`);
  took = performance.now() - start;
}

function fit() {
  for (const { canvas } of Object.values(maps)) {
    const size = Math.max(Math.round(canvas.clientWidth * Math.min(window.devicePixelRatio || 1, 3)), 1);
    if (canvas.width !== size) canvas.width = canvas.height = size;
  }
  update();
}

makeKeys();
makeHistograms();
data.nodes.forEach((_, node) => byId("gates").append(makeRow(node)));
for (const [id, action] of Object.entries(ACTIONS)) byId(id)?.addEventListener("click", action);
byId("points").addEventListener("change", (event) => {
  state.points = event.target.checked;
  update();
});
byId("zoom").addEventListener("change", (event) => {
  zoom(event.target.checked);
  update();
});
window.addEventListener("hashchange", () => {
  fromHash();
  update();
});
// The square around the data is all that can be seen on a phone.
byId("zoom").checked = matchMedia("(max-width: 34rem)").matches;
zoom(byId("zoom").checked);
new ResizeObserver(fit).observe(byId("certainty"));
fromHash();
fit();
// Not with the first frame: nothing moves under a finger that is quick.
draw();

window.explorer = {
  data,
  gates: () => [...gates],
  setGates,
  select,
  selected: () => state.node,
  loss: (vector = gates) => measure(vector).loss,
  accuracy: (vector = gates) => measure(vector).accuracy,
  gradient: (vector = gates) => [...measure(vector).gradient],
  standing,
  side: SIDE,
  // Redraw at once; milliseconds that it took.
  draw: () => {
    draw();
    return took;
  },
};
