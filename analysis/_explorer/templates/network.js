// The gated network, evaluated in double precision: losses and gate gradients at points of the plane.

const data = JSON.parse(document.getElementById("data").textContent);
const NODES = data.nodes.length;
const byId = (name) => document.getElementById(name);

const sigmoid = (x) => (x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x)));
const bent = (x) => Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3));
// Each nonlinearity with its derivative; gelu is the tanh form, as in JAX.
const ACTIVATIONS = {
  relu: [(x) => (x > 0 ? x : 0), (x) => (x > 0 ? 1 : 0)],
  sigmoid: [sigmoid, (x) => sigmoid(x) * sigmoid(-x)],
  tanh: [Math.tanh, (x) => 1 - Math.tanh(x) ** 2],
  gelu: [
    (x) => 0.5 * x * (1 + bent(x)),
    (x) => 0.5 * (1 + bent(x)) + 0.5 * x * (1 - bent(x) ** 2) * Math.sqrt(2 / Math.PI) * (1 + 0.134145 * x * x),
  ],
  silu: [(x) => x * sigmoid(x), (x) => sigmoid(x) * (1 + x * sigmoid(-x))],
  softplus: [(x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))), sigmoid],
  identity: [(x) => x, () => 1],
};

const LAST = data.kernels.length - 1;
const layers = data.kernels.map((kernel, index) => ({
  inputs: kernel.length,
  outputs: kernel[0].length,
  kernel: Float64Array.from(kernel.flat()),
  bias: Float64Array.from(data.biases[index]),
  activation: ACTIVATIONS[index < LAST ? data.activation : data.output_activation],
}));
// Where the gates of each hidden layer begin.
const starts = layers.map((_, index) => layers.slice(0, index).reduce((sum, layer) => sum + layer.outputs, 0));

// Points with the activations of the first layer, which no gate changes.
function prepare(points, targets) {
  const { outputs, kernel, bias, activation } = layers[0];
  const first = new Float64Array(points.length * outputs);
  points.forEach(([x, y], point) => {
    for (let j = 0; j < outputs; j++) {
      first[point * outputs + j] = activation[0](bias[j] + x * kernel[j] + y * kernel[outputs + j]);
    }
  });
  return { points, targets, first, count: points.length };
}

const activations = layers.map((layer) => new Float64Array(layer.outputs));
const sums = layers.map((layer) => new Float64Array(layer.outputs));
const deltas = layers.map((layer) => new Float64Array(layer.outputs));
const chances = new Float64Array(layers[LAST].outputs);
const pull = new Float64Array(NODES);

// Call visit(point, loss) at every point; then `chances` holds its softmax and, if asked for, `pull` its gate gradient.
function walk(set, gates, backward, visit) {
  const gated = layers.map(({ kernel, outputs }, index) =>
    index === 0 ? kernel : kernel.map((weight, at) => weight * gates[starts[index - 1] + Math.floor(at / outputs)]),
  );
  const width = layers[0].outputs;
  for (let point = 0; point < set.count; point++) {
    for (let i = 0; i < width; i++) activations[0][i] = set.first[point * width + i];
    for (let index = 1; index <= LAST; index++) forward(index, gated[index]);
    const target = set.targets ? set.targets[point] : 0;
    const loss = crossEntropy(activations[LAST], target);
    if (backward) backpropagate(gates, target);
    visit(point, loss);
  }
}

function forward(index, gated) {
  const { inputs, outputs, bias, activation } = layers[index];
  const before = activations[index - 1];
  for (let j = 0; j < outputs; j++) {
    let sum = bias[j];
    for (let i = 0; i < inputs; i++) sum += before[i] * gated[i * outputs + j];
    sums[index][j] = sum;
    activations[index][j] = activation[0](sum);
  }
}

// -log softmax(z)[target], from the largest z on, so that nothing overflows and small losses keep their digits.
function crossEntropy(z, target) {
  let top = 0;
  for (let j = 1; j < z.length; j++) if (z[j] > z[top]) top = j;
  let others = 0;
  for (let j = 0; j < z.length; j++) {
    chances[j] = Math.exp(z[j] - z[top]);
    if (j !== top) others += chances[j];
  }
  for (let j = 0; j < z.length; j++) chances[j] /= 1 + others;
  return z[top] - z[target] + Math.log1p(others);
}

function backpropagate(gates, target) {
  for (let j = 0; j < chances.length; j++) {
    deltas[LAST][j] = (chances[j] - (j === target ? 1 : 0)) * layers[LAST].activation[1](sums[LAST][j]);
  }
  for (let index = LAST; index > 0; index--) {
    const { inputs, outputs, kernel } = layers[index];
    const start = starts[index - 1];
    for (let i = 0; i < inputs; i++) {
      let upstream = 0;
      for (let j = 0; j < outputs; j++) upstream += deltas[index][j] * kernel[i * outputs + j];
      pull[start + i] = activations[index - 1][i] * upstream;
      if (index > 1) {
        deltas[index - 1][i] = upstream * gates[start + i] * layers[index - 1].activation[1](sums[index - 1][i]);
      }
    }
  }
}

const largest = (values) => {
  let top = 0;
  for (let j = 1; j < values.length; j++) if (values[j] > values[top]) top = j;
  return top;
};

const test = prepare(data.inputs, data.targets);

// Mean loss, accuracy and mean gate gradient over the test points; loss, choice and pull of the selected node by point.
function measure(gates, node = 0) {
  const mean = new Float64Array(NODES);
  const [losses, right, pulls] = [0, 1, 2].map(() => new Float64Array(test.count));
  let loss = 0;
  walk(test, gates, true, (point, value) => {
    loss += value;
    losses[point] = value;
    pulls[point] = pull[node];
    right[point] = largest(chances) === test.targets[point] ? 1 : 0;
    for (let i = 0; i < NODES; i++) mean[i] += pull[i] / test.count;
  });
  const accuracy = right.reduce((sum, one) => sum + one, 0) / test.count;
  return { loss: loss / test.count, accuracy, gradient: mean, each: { loss: losses, right, pull: pulls } };
}
