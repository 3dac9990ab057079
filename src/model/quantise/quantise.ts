/** Float model to integer model. Deterministic: the same model, ranges and options give the same bytes. */
import { TrisealError } from "../../core/errors.ts";
import type {
  FloatAdd,
  FloatClip,
  FloatConcat,
  FloatConv,
  FloatLinear,
  FloatModel,
  FloatOp,
  FloatPool,
} from "../float/float-model.ts";
import { roundHalfEven } from "../integer/encode-input.ts";
import type { AffineEncoding, CheckedModel, IntegerInput, IntegerModel } from "../integer/integer-model.ts";
import { checkIntegerModel } from "../integer/parse-model.ts";
import type { Calibration, Range } from "./calibrate.ts";
import { assertOptions, bitsAt, type QuantiseOptions } from "./options.ts";
import { type Ahead, lookAhead, type Readers, readersOf, targetOfClip, targetOver } from "./plan.ts";
import { Program, type Quantised } from "./program.ts";
import { quantiseTrees } from "./quantise-trees.ts";

/** How far the accepted inputs reach beyond the calibration's range, as a share of it on each side. */
const INPUT_MARGIN = 0.25;

/** Sums beyond this are not exact in FP32, the only type in which onnxruntime sums over windows. */
const EXACT_IN_FP32 = 2 ** 24;

/** Steps into which one step of an addition's coarsest term is divided. */
const LEAST_FINENESS = 64;
const MOST_FINENESS = 4096;

function unsupported(reason: string): never {
  throw new TrisealError("MODEL_UNSUPPORTED", reason);
}

/** Whole numbers from 0 that fit the bits are taken as they are; other inputs are spread over an even grid. */
function encodingOf(calibration: Calibration, options: QuantiseOptions): AffineEncoding {
  const { lo, hi } = calibration.ranges[0] ?? { lo: 0, hi: 1 };
  const most = 2 ** options.inputBits - 1;
  if (calibration.wholeInputs && options.inputRange === null && lo >= 0 && hi >= 1 && hi <= most) {
    return { kind: "affine", multiplier: 1, zero: 0, max: 2 ** Math.ceil(Math.log2(hi + 1)) - 1 };
  }
  const margin = (hi - lo) * INPUT_MARGIN;
  return gridOver(options.inputRange ?? { lo: lo < 0 ? lo - margin : lo, hi: hi + margin }, most);
}

/** An even grid over `range`, which is widened to hold 0. */
function gridOver(range: Range, max: number): AffineEncoding {
  const [lo, hi] = [Math.min(0, range.lo), Math.max(0, range.hi)];
  // One step less than fits, so that rounding at both ends stays inside.
  const multiplier = Math.fround((max - 1) / (hi - lo || 1));
  if (!(multiplier >= 2 ** -60 && multiplier <= 2 ** 60)) unsupported("the range of inputs is too wide or too narrow");
  return { kind: "affine", multiplier, zero: -roundHalfEven(lo * multiplier), max };
}

class Quantiser {
  readonly program: Program;
  private readonly model: FloatModel;
  private readonly calibration: Calibration;
  private readonly options: QuantiseOptions;
  private readonly readers: Readers;
  private readonly done: Quantised[];
  private layer = 0;

  constructor(
    model: FloatModel,
    calibration: Calibration,
    options: QuantiseOptions,
    input: IntegerInput,
    encoding: AffineEncoding,
  ) {
    this.model = model;
    this.calibration = calibration;
    this.options = options;
    this.readers = readersOf(model);
    this.program = new Program(input);
    this.done = [{ value: 0, scale: 1 / encoding.multiplier, zero: encoding.zero }];
  }

  /** Translates every operation; returns what the output stands for. */
  run(): Quantised {
    this.model.ops.forEach((op, at) => {
      this.done.push(this.translate(op, at + 1));
    });
    return this.of(this.model.ops.length);
  }

  private of(value: number): Quantised {
    return this.done[value] ?? unsupported("an operation reads a later value");
  }

  private range(value: number): Range {
    return this.calibration.ranges[value] ?? { lo: 0, hi: 1 };
  }

  private get activationBits(): number {
    return bitsAt(this.options.activationBits, Math.max(0, this.layer - 1));
  }

  private translate(op: FloatOp, value: number): Quantised {
    switch (op.op) {
      case "linear":
      case "conv":
        return this.weighted(op, value);
      case "clip":
        return this.clip(op, value);
      case "average-pool":
        return this.averagePool(op);
      case "max-pool":
        return this.maxPool(op, value);
      case "add":
        return this.add(op);
      case "concat":
        return this.concat(op, value);
      case "reshape": {
        const x = this.of(op.x);
        return { ...x, value: this.program.push({ op: "reshape", x: x.value, shape: op.shape }) };
      }
      case "arg-max":
        return { value: this.program.push({ op: "arg-max", x: this.of(op.x).value }), scale: 1, zero: 0 };
      case "trees":
        return unsupported("a tree ensemble beside other layers is not supported: build it as a model of its own");
    }
  }

  /** The value, brought down to an activation if it is wide. */
  private narrow(value: number): Quantised {
    const x = this.of(value);
    if (!this.program.isWide(x.value)) return x;
    const narrowed = this.program.requant(x, targetOver(this.range(value), this.activationBits));
    this.done[value] = narrowed;
    return narrowed;
  }

  /** The step of the weights: as fine as their bits allow, and such that a shift takes the sums to their target. */
  private weightScale(op: FloatLinear | FloatConv, x: Quantised, bits: number, ahead: Ahead | null): number {
    const largest = op.weights.reduce((most, weight) => Math.max(most, Math.abs(weight)), 0) || 1;
    const finest = largest / (2 ** (bits - 1) - 1);
    if (ahead === null) return finest;
    const reach = (ahead.target.scale * ahead.divisor) / (x.scale * finest);
    const shift = Math.floor(Math.log2(reach) + 1e-9);
    return shift < 0 ? finest : Math.max(finest, (ahead.target.scale * ahead.divisor) / (x.scale * 2 ** shift));
  }

  private weighted(op: FloatLinear | FloatConv, value: number): Quantised {
    const x = this.narrow(op.x);
    const bits = bitsAt(this.options.weightBits, this.layer);
    this.layer++;
    const ahead = lookAhead(this.model, this.readers, this.calibration, value, this.activationBits);
    const step = this.weightScale(op, x, bits, ahead);
    const most = 2 ** (bits - 1) - 1;
    const weights = Int8Array.from(op.weights, (weight) => Math.min(most, Math.max(-most, roundHalfEven(weight / step))));
    const scale = x.scale * step;
    const each = weights.length / op.bias.length;
    const bias = Array.from(op.bias, (item, row) => {
      const total = weights.subarray(row * each, (row + 1) * each).reduce((sum, weight) => sum + weight, 0);
      return roundHalfEven(item / scale) - x.zero * total + 0;
    });
    if (!bias.every((item) => Math.abs(item) < 2 ** 31)) unsupported("a bias is too large beside its layer's weights");
    const shared = { x: x.value, bits, weights, bias };
    if (op.op === "linear") return { value: this.program.push({ op: "linear", rows: op.rows, ...shared }), scale, zero: 0 };
    const { kernel, stride, pad, dilation, groups, channels } = op;
    const form = { kernel, stride, pad, dilation, groups, channels, fill: x.zero };
    return { value: this.program.push({ op: "conv", ...form, ...shared }), scale, zero: 0 };
  }

  private clip(op: FloatClip, value: number): Quantised {
    if (op.min > 0 || op.max <= 0) unsupported("a Clip whose range does not hold 0 and more is not supported");
    const x = this.of(op.x);
    const { lo, hi } = this.program.span(x.value);
    // What was clipped before a pool is not clipped again.
    if (lo - x.zero >= op.min / x.scale && (hi - x.zero) * x.scale <= op.max) return x;
    return this.program.requant(x, targetOfClip(op, this.range(value), this.activationBits));
  }

  private averagePool(op: FloatPool): Quantised {
    const sums = this.of(op.x);
    const isLarge = this.program.bounds(sums.value).magnitude * op.kernel[0] * op.kernel[1] > EXACT_IN_FP32;
    const x = isLarge ? this.narrow(op.x) : sums;
    if (x.zero !== 0 && op.pad.some((pad) => pad > 0)) unsupported("padded average pooling of values below 0 is not supported");
    const size = op.kernel[0] * op.kernel[1];
    const { kernel, stride, pad } = op;
    const value = this.program.push({ op: "sum-pool", x: x.value, kernel, stride, pad });
    return { value, scale: x.scale / size, zero: x.zero * size };
  }

  /** Rounding and clipping are monotone: they commute with a maximum, and a maximum of few bits is cheaper. */
  private maxPool(op: FloatPool, value: number): Quantised {
    const ahead = lookAhead(this.model, this.readers, this.calibration, value, this.activationBits);
    const clip = ahead?.divisor === 1 ? ahead.clip : null;
    const wide = this.of(op.x);
    const x =
      clip !== null && ahead !== null && this.program.isWide(wide.value)
        ? this.program.requant(wide, ahead.target)
        : this.narrow(op.x);
    const { kernel, stride, pad } = op;
    return { ...x, value: this.program.push({ op: "max-pool", x: x.value, kernel, stride, pad }) };
  }

  private add(op: FloatAdd): Quantised {
    const terms = op.x.map((value) => this.narrow(value));
    const coarsest = Math.max(...terms.map((term) => term.scale));
    const { fineness, multipliers } = this.multipliersOf(terms, coarsest);
    const value = this.program.push({ op: "add", x: terms.map((term) => term.value), multipliers });
    // A term far from its zero would carry the rounding of its multiplier into the sum: the zeros count unrounded.
    const zero = terms.reduce((sum, term) => sum + term.zero * (term.scale / coarsest) * fineness, 0);
    return { value, scale: coarsest / fineness, zero: roundHalfEven(zero) };
  }

  /** What each term is multiplied by to stand on one grid, as fine as keeps the rounding within one step of the coarsest term. */
  private multipliersOf(terms: readonly Quantised[], coarsest: number): { fineness: number; multipliers: readonly number[] } {
    if (terms.every((term) => term.scale === coarsest)) return { fineness: 1, multipliers: terms.map(() => 1) };
    for (let fineness = LEAST_FINENESS; ; fineness *= 2) {
      const wanted = terms.map((term) => (term.scale / coarsest) * fineness);
      const multipliers = wanted.map((item) => Math.max(1, Math.round(item)));
      const rounding = terms.map(({ value }, k) => {
        const { lo, hi } = this.program.span(value);
        return (Math.abs((multipliers[k] ?? 0) - (wanted[k] ?? 0)) * Math.max(Math.abs(lo), Math.abs(hi))) / fineness;
      });
      if (fineness === MOST_FINENESS || rounding.every((item) => item <= 1)) return { fineness, multipliers };
    }
  }

  private concat(op: FloatConcat, value: number): Quantised {
    const parts = op.x.map((at) => this.narrow(at));
    const [first] = parts;
    if (first === undefined) return unsupported("a Concat of nothing");
    const isEven = parts.every((part) => part.scale === first.scale && part.zero === first.zero);
    const target = targetOver(this.range(value), this.activationBits);
    const even = isEven ? parts : parts.map((part) => this.rescale(part, target));
    const joined = this.program.push({ op: "concat", x: even.map((part) => part.value), axis: op.axis });
    return isEven ? { ...first, value: joined } : { value: joined, scale: target.scale, zero: target.zero };
  }

  /** A value on another grid: times a multiplier of seven bits, then shifted. */
  private rescale(x: Quantised, target: { readonly scale: number; readonly zero: number; readonly max: number }): Quantised {
    const ratio = x.scale / target.scale;
    const shift = Math.max(0, 6 - Math.floor(Math.log2(ratio)));
    if (shift > 24) unsupported("the parts of a Concat differ too much in range");
    const multiplier = Math.max(1, Math.round(ratio * 2 ** shift));
    const value = this.program.push({ op: "add", x: [x.value], multipliers: [multiplier] });
    const half = shift === 0 ? 0 : 2 ** (shift - 1);
    const offset = half + target.zero * 2 ** shift - x.zero * multiplier;
    return { value: this.program.push({ op: "requant", x: value, offset, shift, max: target.max }), ...target };
  }
}

/**
 * The integer model of a float model, checked: its bounds show that no sum can leave int32.
 * @throws TrisealError `MODEL_UNSUPPORTED` where it does not fit, `FORMAT_INVALID` for bad options.
 */
export function quantise(model: FloatModel, calibration: Calibration, options: QuantiseOptions): CheckedModel {
  assertOptions(options);
  if (model.ops.some((op) => op.op === "trees")) return quantiseTrees(model);
  const encoding = encodingOf(calibration, options);
  const input: IntegerInput = { name: model.input.name, shape: model.input.shape, encoding };
  const quantiser = new Quantiser(model, calibration, options, input, encoding);
  const output = quantiser.run();
  const { name, meaning, offset } = model.output;
  const isClass = meaning === "class";
  const integer: IntegerModel = {
    v: 1,
    input,
    ops: quantiser.program.ops,
    output: {
      name,
      meaning,
      scale: isClass ? 1 : output.scale,
      offset: isClass ? 0 : offset - output.scale * output.zero + 0,
    },
  };
  return checkIntegerModel(integer);
}
