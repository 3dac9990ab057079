/** What an account holds that nothing was written to: the outcome of a circuit of constants, the same bytes for everyone who has the server key. */
import { encodeJcs } from "../../../core/jcs.ts";

/** Bits of a block. */
const BLOCK_BITS = 2;

/** Circuit without inputs whose one output is zero. @param t the name of a type (SPEC 1). */
export function zeroCircuit(t: string): Uint8Array {
  const blocks = t === "bool" ? 1 : Number(t.slice(1)) / BLOCK_BITS;
  const places = Array.from({ length: blocks }, (_, block) => block);
  const table = Array<number>(16).fill(0);
  const nodes = places.map(() => [[], 0, [table]]);
  return encodeJcs({ v: 1, kind: "radix", inputs: [], nodes, outputs: [{ t, w: places }] });
}

/** Seed of runs that make a zero: it has no input to re-randomise. */
export const ZERO_SEED: string = "0".repeat(64);
