/**
 * Sums `Σ scalar · point` over the library's WebAssembly. Most wires of a model are bits or small integers: they are summed
 * in windows of their own size, and a negative one is its positive multiple taken off. The library goes through all bits of the
 * field for every wire.
 */
import type { Curve, Group, Task } from "snarkjs";
import type { WirePoints } from "./proving-key.ts";

const FIELD_WORDS = 8;
/** Windows of small scalars, in bits. */
const SMALL_WINDOW = 8;

/** The values of a witness, sorted by size. */
export interface Scalars {
  /** Of every wire: 0 zero, 1 below 2^32, 2 above -2^32, 3 any other. */
  readonly kinds: Uint8Array;
  /** The magnitude of a small one. */
  readonly small: Uint32Array;
  /** All of them as words, lowest first. */
  readonly words: Uint32Array;
}

/** Scalars of one size with their points. */
interface Batch {
  readonly points: Uint8Array;
  readonly scalars: Uint8Array;
  readonly scalarBytes: number;
  /** The highest bit that any scalar has, and one. */
  readonly bits: number;
  readonly window: number;
}

/** Whether words 2 to 7 of the value at `base` are those of the order, and word 1 is, after the borrow of word 0. */
function isNearOrder(words: Uint32Array, base: number, order: Uint32Array): boolean {
  const borrow = (words[base] ?? 0) > (order[0] ?? 0) ? 1 : 0;
  if ((words[base + 1] ?? 0) + borrow !== order[1]) return false;
  for (let word = 2; word < FIELD_WORDS; word++) if (words[base + word] !== order[word]) return false;
  return true;
}

/** Sorts the values of a witness by size. `order` is the field's order in words, lowest first. */
export function classify(values: Uint8Array, order: Uint32Array): Scalars {
  const words = new Uint32Array(new Uint8Array(values).buffer);
  const count = words.length / FIELD_WORDS;
  const kinds = new Uint8Array(count);
  const small = new Uint32Array(count);
  for (let at = 0; at < count; at++) {
    const base = at * FIELD_WORDS;
    const low = words[base] ?? 0;
    if (words.subarray(base + 1, base + FIELD_WORDS).every((word) => word === 0)) {
      kinds[at] = low === 0 ? 0 : 1;
      small[at] = low;
    } else if (isNearOrder(words, base, order)) {
      kinds[at] = 2;
      small[at] = (order[0] ?? 0) - low;
    } else {
      kinds[at] = 3;
    }
  }
  return { kinds, small, words };
}

/** Bits of a window over `count` scalars of the field's size: additions and the summing up of its table in balance. */
const windowFor = (count: number): number => Math.max(2, Math.floor(Math.log2(count) * 0.75));

function batchOf({ group, wires, points }: WirePoints, { kinds, small, words }: Scalars, kind: number): Batch | null {
  const size = group === "G1" ? 64 : 128;
  let count = 0;
  for (const wire of wires) if (kinds[wire] === kind) count++;
  if (count === 0) return null;
  const isSmall = kind !== 3;
  const scalars = new Uint32Array(count * (isSmall ? 1 : FIELD_WORDS));
  const kept = new Uint8Array(count * size);
  let [next, all] = [0, 0];
  wires.forEach((wire, at) => {
    if (kinds[wire] !== kind) return;
    kept.set(points.subarray(at * size, (at + 1) * size), next * size);
    if (isSmall) scalars[next] = small[wire] ?? 0;
    else scalars.set(words.subarray(wire * FIELD_WORDS, (wire + 1) * FIELD_WORDS), next * FIELD_WORDS);
    all |= small[wire] ?? 0;
    next++;
  });
  const bits = isSmall ? 32 - Math.clz32(all) : FIELD_WORDS * 32;
  const window = isSmall ? SMALL_WINDOW : windowFor(count);
  return { points: kept, scalars: new Uint8Array(scalars.buffer), scalarBytes: isSmall ? 4 : 32, bits, window };
}

/** One task that sums the windows `from` to below `to` of a batch, lowest first. */
function windowTask(group: "G1" | "G2", { points, scalars, scalarBytes, window }: Batch, from: number, to: number): Task {
  const [affine, projective] = group === "G1" ? [64, 96] : [128, 192];
  const count = points.length / affine;
  const task: Task = [
    { cmd: "ALLOCSET", var: 0, buff: points },
    { cmd: "ALLOCSET", var: 1, buff: scalars },
  ];
  for (let at = from; at < to; at++) task.push({ cmd: "ALLOC", var: 2 + at - from, len: projective });
  // The table of a window is laid above all this: an allocation leaves as much room again above it.
  task.push({ cmd: "ALLOC", var: 2 + to - from, len: 2 ** window * projective });
  for (let at = from; at < to; at++) {
    const params = [
      { var: 0 },
      { var: 1 },
      { val: scalarBytes },
      { val: count },
      { val: at * window },
      { val: Math.min(window, scalarBytes * 8 - at * window) },
      { var: 2 + at - from },
    ];
    task.push({ cmd: "CALL", fnName: `${group.toLowerCase()}m_multiexpAffine_chunk`, params });
    task.push({ cmd: "GET", out: at - from, var: 2 + at - from, len: projective });
  }
  return task;
}

function joinWindows(group: Group, windows: readonly Uint8Array[], window: number): Uint8Array {
  let sum = group.zero;
  for (const part of windows.toReversed()) {
    for (let left = window; left > 0; left--) sum = group.double(sum);
    sum = group.add(sum, part);
  }
  return sum;
}

async function sumBatch(curve: Curve, name: "G1" | "G2", batch: Batch, parts: number): Promise<Uint8Array> {
  const count = Math.ceil(batch.bits / batch.window);
  const each = Math.ceil(count / parts);
  const tasks: Promise<readonly Uint8Array[]>[] = [];
  for (let from = 0; from < count; from += each) {
    tasks.push(curve.tm.queueAction(windowTask(name, batch, from, Math.min(count, from + each))));
  }
  return joinWindows(curve[name], (await Promise.all(tasks)).flat(), batch.window);
}

/** The sum over the wires of one polynomial. */
export async function sumWires(curve: Curve, list: WirePoints, scalars: Scalars): Promise<Uint8Array> {
  const group = curve[list.group];
  const parts = [1, 2, 3].map(async (kind) => {
    const batch = batchOf(list, scalars, kind);
    return batch === null ? group.zero : sumBatch(curve, list.group, batch, 1);
  });
  const [plus = group.zero, minus = group.zero, large = group.zero] = await Promise.all(parts);
  return group.add(group.sub(plus, minus), large);
}

/** The sum over `points` of G1 with scalars of the field's size, on all threads. */
export function sumFull(curve: Curve, points: Uint8Array, scalars: Uint8Array): Promise<Uint8Array> {
  const window = windowFor(points.length / 64);
  return sumBatch(curve, "G1", { points, scalars, scalarBytes: 32, bits: 256, window }, 2 * curve.tm.concurrency);
}
