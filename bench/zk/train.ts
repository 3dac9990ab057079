/** Training of small dense networks, the same weights in every run: real weights for architectures that are not shipped. */
import { seededRandom } from "../statistics.ts";

/** A dense layer: `weights[row * inputs + column]`. */
export interface DenseLayer {
  readonly inputs: number;
  readonly rows: number;
  readonly weights: Float64Array;
  readonly bias: Float64Array;
}

/** A labelled sample. */
export interface Labelled {
  readonly x: readonly number[];
  readonly label: number;
}

function initial(sizes: readonly number[], random: () => number): DenseLayer[] {
  return sizes.slice(1).map((rows, at) => {
    const inputs = sizes[at] ?? 0;
    const reach = Math.sqrt(6 / inputs);
    const weights = Float64Array.from({ length: rows * inputs }, () => (random() * 2 - 1) * reach);
    return { inputs, rows, weights, bias: new Float64Array(rows) };
  });
}

/** Every layer's values for `x`, the input first; ReLU between layers. */
function forward(layers: readonly DenseLayer[], x: ArrayLike<number>): Float64Array[] {
  const values = [Float64Array.from(x)];
  layers.forEach(({ inputs, rows, weights, bias }, at) => {
    const from = values[at] ?? new Float64Array();
    const sums = Float64Array.from({ length: rows }, (_, row) => {
      let sum = bias[row] ?? 0;
      for (let column = 0; column < inputs; column++) sum += (weights[row * inputs + column] ?? 0) * (from[column] ?? 0);
      return at < layers.length - 1 ? Math.max(0, sum) : sum;
    });
    values.push(sums);
  });
  return values;
}

/** What the last layer's sums should change by: the chances of a softmax less the truth. */
function outputGradient(sums: Float64Array, label: number): Float64Array {
  const largest = Math.max(...sums);
  const powers = sums.map((sum) => Math.exp(sum - largest));
  const total = powers.reduce((sum, item) => sum + item, 0);
  return powers.map((item, at) => item / total - (at === label ? 1 : 0));
}

/** One step down the gradient of one sample. */
function step(layers: readonly DenseLayer[], { x, label }: Labelled, rate: number): void {
  const values = forward(layers, x);
  let gradient = outputGradient(values.at(-1) ?? new Float64Array(), label);
  for (let at = layers.length - 1; at >= 0; at--) {
    const [layer, from] = [layers[at], values[at]];
    if (layer === undefined || from === undefined) return;
    const { inputs, weights, bias } = layer;
    const back = new Float64Array(inputs);
    gradient.forEach((slope, row) => {
      if (slope === 0) return;
      bias[row] = (bias[row] ?? 0) - rate * slope;
      for (let column = 0; column < inputs; column++) {
        const place = row * inputs + column;
        const weight = weights[place] ?? 0;
        back[column] = (back[column] ?? 0) + slope * weight;
        weights[place] = weight - rate * slope * (from[column] ?? 0);
      }
    });
    gradient = back.map((slope, column) => ((from[column] ?? 0) > 0 ? slope : 0));
  }
}

/** The class that the network chooses. */
export function classify(layers: readonly DenseLayer[], x: readonly number[]): number {
  const sums = forward(layers, x).at(-1) ?? new Float64Array();
  return sums.indexOf(Math.max(...sums));
}

/** Trains a network of `sizes` with ReLU between its layers, by single samples in an order of a fixed seed. */
export function trainDense(
  sizes: readonly number[],
  samples: readonly Labelled[],
  { epochs, rate }: { readonly epochs: number; readonly rate: number },
): readonly DenseLayer[] {
  const random = seededRandom(11);
  const layers = initial(sizes, random);
  for (let epoch = 0; epoch < epochs; epoch++) {
    for (let at = 0; at < samples.length; at++) {
      const sample = samples[Math.floor(random() * samples.length)];
      if (sample !== undefined) step(layers, sample, rate * (1 - epoch / epochs));
    }
  }
  return layers;
}
