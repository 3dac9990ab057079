/** Runs circuits of kind `lwe` in the clear, on the torus: what the engine's decrypted wires are, with noise if wanted. */
import type { LweCircuit, LweTable } from "../../../src/paths/fhe/compile/lwe-circuit.ts";

const MASK = (1n << 64n) - 1n;

/** What noise adds: to an input, to the argument of a lookup, and to what it gives. */
export interface SimulatedNoise {
  readonly input: () => bigint;
  readonly decision: () => bigint;
  readonly lookup: () => bigint;
}

function signed(value: bigint): bigint {
  const low = value & MASK;
  return low >> 63n === 1n ? low - (1n << 64n) : low;
}

/** All tables side by side, negated once around; table t reads as far on as the tables before it are long. */
function lookup(tables: readonly LweTable[], argument: bigint): readonly bigint[] {
  const entries = tables.flatMap(([exponent, list]) => list.map((entry) => BigInt(entry) << BigInt(exponent)));
  const slots = BigInt(entries.length);
  const width = (1n << 63n) / slots;
  let first = 0n;
  return tables.map(([, list]) => {
    const slot = (((argument + width / 2n) & MASK) / width + first) % (2n * slots);
    first += BigInt(list.length);
    const value = entries[Number(slot % slots)] ?? 0n;
    return slot < slots ? value : -value;
  });
}

/** Outputs of `circuit` for integers `inputs`. */
export function simulateLwe(circuit: LweCircuit, inputs: ArrayLike<number>, noise?: SimulatedNoise): readonly number[] {
  const exponent = BigInt(circuit.inputs.exponent);
  const wires = Array.from(
    { length: circuit.inputs.count },
    (_, at) => (BigInt(inputs[at] ?? 0) << exponent) + (noise?.input() ?? 0n),
  );
  for (const node of circuit.nodes) {
    if (node[0] === "dot") {
      const [, terms, [constant, unit]] = node;
      const sum = terms.reduce((total, [wire, by]) => total + (wires[wire] ?? 0n) * BigInt(by), BigInt(constant) << BigInt(unit));
      wires.push(sum & MASK);
    } else {
      const [, wire, shift, numbers] = node;
      const argument = ((wires[wire] ?? 0n) << BigInt(shift)) + (noise?.decision() ?? 0n);
      const tables = numbers.map((table): LweTable => circuit.tables[table] ?? [0, []]);
      wires.push(...lookup(tables, argument).map((value) => (value + (noise?.lookup() ?? 0n)) & MASK));
    }
  }
  return circuit.outputs.map((parts) =>
    parts.reduce((sum, [wire, unit, weight]) => {
      const half = 1n << BigInt(unit - 1);
      return sum + weight * Number(signed((wires[wire] ?? 0n) + half) >> BigInt(unit));
    }, 0),
  );
}
