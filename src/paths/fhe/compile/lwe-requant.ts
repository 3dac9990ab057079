/**
 * `requant` by lookups: `clamp(floor(v / 2^shift), 0, max)` of an exact sum v, exactly. SPEC section 9.4. Three steps: fold what is far
 * outside the clamp towards it, take the low bits away digit by digit, and rectify the five bits that stay.
 */
import { type LweBuilder, unsupported } from "./lwe-builder.ts";
import type { LweTable } from "./lwe-circuit.ts";
import { DECISION_VARIANCE } from "./lwe-parameters.ts";

/** Bits that a wire without a padding bit carries through a lookup. */
const WINDOW = 5;
/** Largest activation: its negative and itself fit the 16 slots of the last lookup. */
const MOST_ACTIVATION = 7;
/** Slots of a fold's table: finer than noise, so that a fold is near to a straight line. */
const FOLD_SLOTS = 128;
/** How far noise may push the argument of a fold, on the torus: 11 standard deviations. */
const FOLD_MARGIN = 11 * Math.sqrt(DECISION_VARIANCE);

/** An integer on a wire: its steps are 2^exponent of the torus, its bounds hold for every input. */
export interface Held {
  readonly wire: number;
  readonly exponent: number;
  readonly lo: number;
  readonly hi: number;
}

/** What `requant` does, its offset already in the value. */
export interface Clamp {
  readonly shift: number;
  readonly max: number;
}

/** Bits of a two's complement number that holds `lo` to `hi`. */
export function signedBits(lo: number, hi: number): number {
  let bits = 1;
  while (lo < -(2 ** (bits - 1)) || hi >= 2 ** (bits - 1)) bits++;
  return bits;
}

/** Scale and slots of a fold of `v`: half the torus holds its range and the noise at both ends. */
interface FoldScale {
  readonly bits: number;
  readonly slot: number;
  /** The noise's margin in steps of v. */
  readonly reach: number;
  /** What the first slot's lower end stands for. */
  readonly least: number;
}

function foldScale(v: Held): FoldScale {
  for (let bits = 7; ; bits++) {
    const reach = FOLD_MARGIN * 2 ** (bits - 63);
    const room = 2 ** bits - (v.hi - v.lo);
    if (room >= 2 * reach + 2) {
      return { bits, slot: 2 ** bits / FOLD_SLOTS, reach, least: v.lo - Math.floor(room / 2) };
    }
  }
}

interface Fold {
  readonly subtract: readonly number[];
  readonly lo: number;
  readonly hi: number;
}

/** What takes `low` to `high` to just below 0 or just below `half`, where it does not fit as it is. */
function shiftOf(low: number, high: number, half: number): number {
  if (low < -half) return high + 1;
  return high >= half ? high - half + 1 : 0;
}

/** What to subtract in each slot so that v fits `bits` and is clamped alike; null where noise leaves no room for that. */
function planFold(v: Held, scale: FoldScale, clamp: Clamp, bits: number): Fold | null {
  const half = 2 ** (bits - 1);
  const clamped = clamp.max * 2 ** clamp.shift;
  let [lo, hi] = [0, 0];
  const subtract: number[] = [];
  for (let slot = 0; slot < FOLD_SLOTS; slot++) {
    const low = Math.max(v.lo, Math.floor(scale.least + slot * scale.slot - scale.reach));
    const high = Math.min(v.hi, Math.ceil(scale.least + (slot + 1) * scale.slot + scale.reach));
    const by = low > high ? 0 : shiftOf(low, high, half);
    subtract.push(by);
    if (low > high) continue;
    // What is subtracted from lies above the clamp and stays there; what is added to lies below 0 and stays there.
    if (by > 0 && low - by < clamped) return null;
    if (by < 0 && high >= 0) return null;
    [lo, hi] = [Math.min(lo, low - by), Math.max(hi, high - by)];
  }
  return lo >= -half && hi < half ? { subtract, lo, hi } : null;
}

function fold(builder: LweBuilder, v: Held, clamp: Clamp): Held {
  const scale = foldScale(v);
  for (let bits = clamp.shift + WINDOW; bits < signedBits(v.lo, v.hi); bits++) {
    const plan = planFold(v, scale, clamp, bits);
    if (plan === null) continue;
    const up = 63 - scale.bits;
    if (up < v.exponent) unsupported(builder.place, "a sum is too wide to fold");
    const middle = -scale.least * 2 - scale.slot;
    const argument = builder.dot([[v.wire, 1]], [middle, v.exponent - 1]);
    const [by = 0] = builder.lut(argument, up - v.exponent, [[v.exponent, plan.subtract]], FOLD_MARGIN);
    const wire = builder.dot(
      [
        [v.wire, 1],
        [by, -1],
      ],
      [0, 0],
    );
    return { ...v, wire, lo: plan.lo, hi: plan.hi };
  }
  return unsupported(builder.place, "a sum is too wide beside its clamp");
}

/** Takes the lowest `count` bits away: for each digit its top bit by the sign of a shifted wire, then the rest, which has a padding bit. */
function dropBits(builder: LweBuilder, v: Held, count: number): Held {
  let { wire } = v;
  for (let done = 0; done < count; ) {
    const digit = Math.min(WINDOW, count - done);
    const up = 64 - done - digit - v.exponent;
    const half = v.exponent + done + digit - 2;
    const [sign = 0] = builder.lut(wire, up, [[half, Array.from({ length: 2 ** (digit - 1) }, () => -1)]]);
    wire = builder.dot(
      [
        [wire, 1],
        [sign, -1],
      ],
      [-1, half],
    );
    if (digit > 1) {
      const entries = Array.from({ length: 2 ** (digit - 1) }, (_, entry) => entry);
      const [rest = 0] = builder.lut(wire, up, [[v.exponent + done, entries]]);
      wire = builder.dot(
        [
          [wire, 1],
          [rest, -1],
        ],
        [0, 0],
      );
    }
    done += digit;
  }
  return { ...v, wire };
}

/** Five bits rectified: the negacyclic lookup gives g(u) from 0 on and -g(u + 16) below, and the second one keeps what is positive. */
function rectify(builder: LweBuilder, v: Held, bits: number, clamp: Clamp, exponent: number): number {
  const divide = clamp.shift - (bits - WINDOW);
  const folded: LweTable = [59, Array.from({ length: 16 }, (_, u) => Math.min(clamp.max, Math.floor(u / 2 ** divide)))];
  const [both = 0] = builder.lut(v.wire, 64 - bits - v.exponent, [folded]);
  const centred = builder.dot([[both, 1]], [8, 59]);
  const [y = 0] = builder.lut(centred, 0, [[exponent, Array.from({ length: 16 }, (_, slot) => Math.max(0, slot - 8))]]);
  return y;
}

/**
 * The wire of `clamp(floor(v / 2^shift), 0, max)` in steps of 2^exponent.
 * @throws TrisealError `FHE_MODEL_UNSUPPORTED` where the activation has more than three bits, or noise leaves no room.
 */
export function lowerRequant(builder: LweBuilder, sum: Held, asked: Clamp, exponent: number): Held {
  const reachable = Math.max(0, Math.floor(sum.hi / 2 ** asked.shift));
  const clamp = { shift: asked.shift, max: Math.min(asked.max, reachable) };
  if (clamp.max > MOST_ACTIVATION) {
    unsupported(
      builder.place,
      `an activation up to ${clamp.max}; encrypted ones go up to ${MOST_ACTIVATION} (--activation-bits 3)`,
    );
  }
  let v = sum;
  while (signedBits(v.lo, v.hi) > clamp.shift + WINDOW) v = fold(builder, v, clamp);
  const bits = Math.max(WINDOW, signedBits(v.lo, v.hi));
  const short = dropBits(builder, v, bits - WINDOW);
  return { wire: rectify(builder, short, bits, clamp, exponent), exponent, lo: 0, hi: clamp.max };
}
