// Maps over the plane of inputs: certainty, loss, and the gate gradient of one node.

// M. Okabe, K. Ito (2008), Color Universal Design; light to dark, so that lightness alone tells as much.
const WHITE = [255, 255, 255];
const BLUES = [WHITE, [86, 180, 233], [0, 114, 178]];
const YELLOWS = [WHITE, [240, 228, 66], [217, 164, 0]];
const REDS = [WHITE, [240, 228, 66], [230, 159, 0], [213, 94, 0], [110, 40, 0]];
const CLASS = [[0, 114, 178], [213, 94, 0], [0, 158, 115], [204, 121, 167], [230, 159, 0], [86, 180, 233]];
const WORST = 3;

function mix(stops, share) {
  const place = Math.min(Math.max(share, 0), 1) * (stops.length - 1);
  const low = Math.min(Math.floor(place), stops.length - 2);
  return stops[low].map((value, i) => value + (place - low) * (stops[low + 1][i] - value));
}
const css = (colour) => `rgb(${colour.map(Math.round).join(",")})`;
// Evaluated at 256 places once: a redraw looks colours up.
const table = (...stops) => Array.from({ length: 256 }, (_, i) => mix(stops, i / 255));
const byClass = data.classes.map((_, number) => table(WHITE, CLASS[number]));
const ofLoss = table(...REDS);
const ofPull = table(...[...BLUES].reverse(), ...YELLOWS.slice(1));
const at = (colours, share) => colours[Math.round(Math.min(Math.max(share, 0), 1) * 255)];

// As fine a grid as can be redrawn at every move of a slider.
const cost = layers.slice(1).reduce((sum, layer) => sum + layer.inputs * layer.outputs, 0);
const SIDE = Math.max(32, Math.min(96, Math.floor(Math.sqrt(2e6 / cost))));
let [left, right, bottom, top] = data.extent;
function makeGrid() {
  const points = [];
  for (let row = 0; row < SIDE; row++) {
    for (let column = 0; column < SIDE; column++) {
      points.push([left + ((column + 0.5) / SIDE) * (right - left), top - ((row + 0.5) / SIDE) * (top - bottom)]);
    }
  }
  // The true rule is known everywhere for the circle alone.
  const rule = data.radius === null ? null : points.map(([x, y]) => (x * x + y * y > data.radius ** 2 ? 1 : 0));
  return prepare(points, rule);
}
let grid = makeGrid();
const known = data.radius !== null;
const box = [0, 1].map((axis) => {
  const values = data.inputs.map((point) => point[axis]);
  return [Math.min(...values), Math.max(...values)];
});

// Show the square that the data fill, or what lies around them too.
function zoom(inward) {
  [left, right, bottom, top] = data.extent;
  if (inward) {
    const half = 0.53 * Math.max(...box.map(([low, high]) => high - low));
    const [x, y] = box.map(([low, high]) => (low + high) / 2);
    [left, right, bottom, top] = [x - half, x + half, y - half, y + half];
  }
  grid = makeGrid();
}

function makeMap(id) {
  const canvas = byId(id);
  const small = document.createElement("canvas");
  small.width = small.height = SIDE;
  return { canvas, pen: canvas.getContext("2d"), small, image: new ImageData(SIDE, SIDE) };
}
const maps = { certainty: makeMap("certainty"), loss: makeMap("loss-map"), gradient: makeMap("gradient") };

function paint(map, point, colour) {
  const pixels = map.image.data;
  pixels[4 * point] = colour[0];
  pixels[4 * point + 1] = colour[1];
  pixels[4 * point + 2] = colour[2];
  pixels[4 * point + 3] = 255;
}

const SCALES = [-4, -3, -2, -1, 0, 1, 2, 3].flatMap((power) => [1, 2, 5].map((digit) => Number(`${digit}e${power}`)));
// A round number that all but the largest fiftieth stay below.
function scaleOf(values) {
  const sizes = Float64Array.from(values, Math.abs).sort();
  return SCALES.find((scale) => scale >= sizes[Math.floor(0.98 * (sizes.length - 1))]) ?? SCALES[SCALES.length - 1];
}

const pulls = new Float64Array(grid.count);
function drawMaps(gates, node, withPoints, now) {
  const classes = data.classes.length;
  walk(grid, gates, known, (point, loss) => {
    const chosen = largest(chances);
    paint(maps.certainty, point, at(byClass[chosen], (chances[chosen] - 1 / classes) / (1 - 1 / classes)));
    if (known) {
      paint(maps.loss, point, at(ofLoss, loss / WORST));
      pulls[point] = pull[node];
    }
  });
  const scale = scaleOf(known ? pulls : now.each.pull);
  const colourOfPull = (value) => at(ofPull, (value / scale + 1) / 2);
  if (known) pulls.forEach((value, point) => paint(maps.gradient, point, colourOfPull(value)));
  spread(maps.certainty, true);
  spread(maps.loss, known);
  spread(maps.gradient, known);
  if (withPoints) {
    pointsByClass(maps.certainty, now.each.right);
    if (known && !isSmall(maps.loss)) for (const map of [maps.loss, maps.gradient]) faintPoints(map);
  }
  if (!known) {
    pointsInColour(maps.loss, (point) => at(ofLoss, now.each.loss[point] / WORST));
    pointsInColour(maps.gradient, (point) => colourOfPull(now.each.pull[point]));
  }
  byId("gradient-key").firstChild.lastChild.textContent = `−${scale}`;
  byId("gradient-key").lastChild.firstChild.textContent = `${scale}`;
}

const across = (map, x) => ((x - left) / (right - left)) * map.canvas.width;
const down = (map, y) => ((top - y) / (top - bottom)) * map.canvas.height;
const unit = (map) => map.canvas.width / 300;
// On a phone the maps are so small that a thousand points would cover them.
const isSmall = (map) => map.canvas.clientWidth < 180;

// Put the image on the page, with the true boundary and the rectangle that holds the data.
function spread(map, filled) {
  const { canvas, pen, small, image } = map;
  pen.clearRect(0, 0, canvas.width, canvas.height);
  if (filled) {
    small.getContext("2d").putImageData(image, 0, 0);
    pen.drawImage(small, 0, 0, canvas.width, canvas.height);
  }
  pen.lineWidth = Math.max(unit(map), 1);
  pen.strokeStyle = "rgba(0, 0, 0, 0.45)";
  pen.setLineDash([4 * pen.lineWidth, 4 * pen.lineWidth]);
  const [[low, high], [under, over]] = box;
  const [x, y] = [across(map, low), down(map, over)];
  pen.strokeRect(x, y, across(map, high) - x, down(map, under) - y);
  pen.setLineDash([]);
  if (data.radius === null) return;
  pen.lineWidth = Math.max(1.6 * unit(map), 1.2);
  pen.strokeStyle = "#000";
  pen.beginPath();
  pen.arc(across(map, 0), down(map, 0), across(map, data.radius) - across(map, 0), 0, 2 * Math.PI);
  pen.stroke();
}

function squares(map, size, wanted) {
  map.pen.beginPath();
  data.inputs.forEach(([x, y], point) => {
    if (wanted(point)) map.pen.rect(across(map, x) - size / 2, down(map, y) - size / 2, size, size);
  });
  map.pen.fill();
}

function pointsByClass(map, isRight) {
  const size = Math.max(1.6 * unit(map), 1);
  data.classes.forEach((_, number) => {
    if (isSmall(map)) return;
    map.pen.fillStyle = css(mix([CLASS[number], [0, 0, 0]], 0.45));
    squares(map, size, (point) => isRight[point] && data.targets[point] === number);
  });
  const arm = Math.max(2.6 * unit(map), 1.6);
  map.pen.lineWidth = Math.max(1.3 * unit(map), 0.9);
  map.pen.strokeStyle = "#000";
  map.pen.beginPath();
  data.inputs.forEach(([x, y], point) => {
    if (isRight[point]) return;
    const [u, v] = [across(map, x), down(map, y)];
    map.pen.moveTo(u - arm, v - arm);
    map.pen.lineTo(u + arm, v + arm);
    map.pen.moveTo(u - arm, v + arm);
    map.pen.lineTo(u + arm, v - arm);
  });
  map.pen.stroke();
}

function faintPoints(map) {
  map.pen.fillStyle = "rgba(0, 0, 0, 0.35)";
  squares(map, Math.max(1.3 * unit(map), 1), () => true);
}

function pointsInColour(map, colour) {
  const size = Math.max(4 * unit(map), 2.5);
  data.inputs.forEach(([x, y], point) => {
    map.pen.fillStyle = "rgba(0, 0, 0, 0.45)";
    map.pen.fillRect(across(map, x) - size / 2 - 0.5, down(map, y) - size / 2 - 0.5, size + 1, size + 1);
    map.pen.fillStyle = css(colour(point));
    map.pen.fillRect(across(map, x) - size / 2, down(map, y) - size / 2, size, size);
  });
}
