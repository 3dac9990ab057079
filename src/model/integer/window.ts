/** Sliding windows over images, for convolution and pooling. SPEC section 4. */
import { TrisealError } from "../../core/errors.ts";
import type { Shape, Window } from "./integer-model.ts";

/** Which input position each tap of each window reads. */
export interface WindowPlan {
  /** Channels of the input, positions in each, and windows over it. */
  readonly channels: number;
  readonly plane: number;
  readonly positions: number;
  /** Taps per window. */
  readonly size: number;
  /** `taps[p * size + t]`: position in one channel that tap `t` of window `p` reads, or -1 in the padding. */
  readonly taps: Int32Array;
}

/** Most taps that a plan may hold: bounds its memory. */
const MAX_TAPS = 2 ** 26;

/** Height and width of the output. @throws TrisealError `MODEL_INVALID`. */
export function windowOutput(shape: Shape, window: Window, dilation: readonly [number, number]): readonly [number, number] {
  const lengths = ([0, 1] as const).map((axis) => {
    const extent = dilation[axis] * (window.kernel[axis] - 1) + 1;
    const [before, after] = [window.pad[axis], window.pad[axis === 0 ? 2 : 3]];
    if (before >= extent || after >= extent) invalid("a pad is not smaller than the window");
    const room = (shape[axis + 1] ?? 0) + before + after - extent;
    if (room < 0) invalid("a window is larger than its input");
    return Math.floor(room / window.stride[axis]) + 1;
  });
  const [height = 0, width = 0] = lengths;
  if (height * width * window.kernel[0] * window.kernel[1] > MAX_TAPS) invalid("a window operation is too large");
  return [height, width];
}

function invalid(reason: string): never {
  throw new TrisealError("MODEL_INVALID", `integer model: ${reason}`);
}

/** The plan of `window` over `shape` (`[channels, height, width]`). @throws TrisealError `MODEL_INVALID`. */
export function planWindows(shape: Shape, window: Window, dilation: readonly [number, number] = [1, 1]): WindowPlan {
  const [height, width] = windowOutput(shape, window, dilation);
  const [channels = 0, inHeight = 0, inWidth = 0] = shape;
  const [kh, kw] = window.kernel;
  const size = kh * kw;
  const taps = new Int32Array(height * width * size);
  for (let at = 0; at < taps.length; at++) {
    const position = Math.floor(at / size);
    const tap = at % size;
    const y = Math.floor(position / width) * window.stride[0] - window.pad[0] + Math.floor(tap / kw) * dilation[0];
    const x = (position % width) * window.stride[1] - window.pad[1] + (tap % kw) * dilation[1];
    taps[at] = y >= 0 && y < inHeight && x >= 0 && x < inWidth ? y * inWidth + x : -1;
  }
  return { channels, plane: inHeight * inWidth, positions: height * width, size, taps };
}

/** Channels that one group of a convolution reads and makes. */
export interface GroupSize {
  readonly inputs: number;
  readonly outputs: number;
}

/** Channels per group of `op` over `plan`. */
export function groupSize(op: { readonly channels: number; readonly groups: number }, plan: WindowPlan): GroupSize {
  return { inputs: plan.channels / op.groups, outputs: op.channels / op.groups };
}

/** Copies what window `position` reads into `patch`, channel by channel from `first` on, as many as fit; the padding reads `fill`. */
export function gatherWindow(
  plan: WindowPlan,
  position: number,
  first: number,
  x: Int32Array | Float64Array,
  fill: number,
  patch: Int32Array | Float64Array,
): void {
  const start = position * plan.size;
  for (let at = 0; at < patch.length; at++) {
    const tap = plan.taps[start + (at % plan.size)] as number;
    patch[at] = tap < 0 ? fill : (x[(first + Math.floor(at / plan.size)) * plan.plane + tap] as number);
  }
}
