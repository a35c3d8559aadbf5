// Maps over the plane of inputs: certainty, loss, and the gate gradient of one node.

// The colours of the figures, and what they stand for: the same for every mask, node and zoom.
const { palette, scales } = data;
const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
const WHITE = [255, 255, 255];
const BLACK = [0, 0, 0];
const mix = (from, to, share) => from.map((value, i) => value + share * (to[i] - value));
const css = (colour) => `rgb(${colour.map(Math.round).join(",")})`;
const within = (share) => Math.min(Math.max(share, 0), 1);
const at = (colours, share) => colours[Math.round(within(share) * (colours.length - 1))];

const ofCertainty = palette.certainty.map(rgb);
const ofLoss = palette.loss.map(rgb);
const ofPull = palette.gradient.map(rgb);
const classColours = palette.classes.map(rgb);
// Two classes share one range of colours; of several, each fades to white where the network is not certain.
const two = data.classes.length === 2;
const byClass = two ? [] : classColours.map((colour) => ofLoss.map((_, i) => mix(WHITE, colour, i / 255)));

const [LEAST, MOST] = scales.loss;
const placeOfLoss = (loss) => Math.log(Math.max(loss, LEAST) / LEAST) / Math.log(MOST / LEAST);
// Linear about 0 and logarithmic beyond a thousandth of the range: masks differ that much in their gradients.
const LINEAR = scales.gradient / 1000;
const placeOfPull = (value) =>
  0.5 + (0.5 * Math.sign(value) * Math.log1p(Math.abs(value) / LINEAR)) / Math.log1p(scales.gradient / LINEAR);
const colourOfLoss = (loss) => at(ofLoss, placeOfLoss(loss));
const colourOfPull = (value) => at(ofPull, placeOfPull(value));

function colourOfChances() {
  if (two) return at(ofCertainty, chances[1]);
  const chosen = largest(chances);
  return at(byClass[chosen], (chances[chosen] * data.classes.length - 1) / (data.classes.length - 1));
}

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

function drawMaps(gates, node, withPoints, now) {
  walk(grid, gates, known, (point, loss) => {
    paint(maps.certainty, point, colourOfChances());
    if (!known) return;
    paint(maps.loss, point, colourOfLoss(loss));
    paint(maps.gradient, point, colourOfPull(pull[node]));
  });
  spread(maps.certainty, true, two ? "#fff" : "#000");
  spread(maps.loss, known, known ? "#fff" : "#000");
  spread(maps.gradient, known, "#6b6b6b");
  if (withPoints) pointsByClass(maps.certainty, now.each.right);
  if (known) return;
  pointsInColour(maps.loss, (point) => colourOfLoss(now.each.loss[point]));
  pointsInColour(maps.gradient, (point) => colourOfPull(now.each.pull[point]));
}

const across = (map, x) => ((x - left) / (right - left)) * map.canvas.width;
const down = (map, y) => ((top - y) / (top - bottom)) * map.canvas.height;
const unit = (map) => map.canvas.width / 300;
// On a phone the maps are so small that a thousand points would cover them.
const isSmall = (map) => map.canvas.clientWidth < 180;

// Put the image on the page, with the true boundary and the rectangle that holds the data.
function spread(map, filled, ink) {
  const { canvas, pen, small, image } = map;
  pen.clearRect(0, 0, canvas.width, canvas.height);
  if (filled) {
    small.getContext("2d").putImageData(image, 0, 0);
    pen.drawImage(small, 0, 0, canvas.width, canvas.height);
  }
  pen.lineWidth = Math.max(unit(map), 1);
  pen.strokeStyle = ink;
  pen.globalAlpha = 0.6;
  pen.setLineDash([4 * pen.lineWidth, 4 * pen.lineWidth]);
  const [[low, high], [under, over]] = box;
  const [x, y] = [across(map, low), down(map, over)];
  pen.strokeRect(x, y, across(map, high) - x, down(map, under) - y);
  pen.setLineDash([]);
  pen.globalAlpha = 1;
  if (data.radius === null) return;
  pen.lineWidth = Math.max(1.6 * unit(map), 1.2);
  pen.beginPath();
  pen.arc(across(map, 0), down(map, 0), across(map, data.radius) - across(map, 0), 0, 2 * Math.PI);
  pen.stroke();
}

// Classes differ in shape as well as in colour, as in the figures: discs and squares by turns.
function marks(map, size, isSquare, wanted) {
  map.pen.beginPath();
  data.inputs.forEach(([x, y], point) => {
    if (!wanted(point)) return;
    const [u, v] = [across(map, x), down(map, y)];
    if (isSquare) return map.pen.rect(u - size / 2, v - size / 2, size, size);
    map.pen.moveTo(u, v);
    map.pen.arc(u, v, size / 2, 0, 2 * Math.PI);
  });
  map.pen.fill();
}

function pointsByClass(map, isRight) {
  const size = Math.max(2 * unit(map), 1.4);
  if (!isSmall(map)) {
    palette.points.forEach((colour, number) => {
      map.pen.fillStyle = two ? colour : css(mix(rgb(colour), BLACK, 0.45));
      marks(map, size, number % 2 === 1, (point) => isRight[point] && data.targets[point] === number);
    });
  }
  const arm = Math.max(2.6 * unit(map), 2.2);
  map.pen.beginPath();
  data.inputs.forEach(([x, y], point) => {
    if (isRight[point]) return;
    const [u, v] = [across(map, x), down(map, y)];
    map.pen.moveTo(u - arm, v - arm);
    map.pen.lineTo(u + arm, v + arm);
    map.pen.moveTo(u - arm, v + arm);
    map.pen.lineTo(u + arm, v - arm);
  });
  // White below black: a cross is seen on any colour.
  for (const [width, colour] of [[3.2, "#fff"], [1.3, "#000"]]) {
    map.pen.lineWidth = width * Math.max(unit(map), 1);
    map.pen.strokeStyle = colour;
    map.pen.stroke();
  }
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
