import { expect, it } from "vitest";
import { encodeJcs } from "../../../src/core/jcs.ts";
import { compileProgram } from "../../../src/paths/fhe/compile/compile.ts";
import { KeptPrograms } from "../../../src/paths/fhe/server/kept-programs.ts";
import { parseProgram } from "../../../src/paths/fhe/wire/program.ts";

/** A program that gives what it got, and works out `products` products that nobody asks for: no bootstrap is left of them. */
const idle = (products: number) => {
  const ops = Array.from({ length: products }, (_, at) => [`m${at}`, "mul", at === 0 ? "x" : `m${at - 1}`, "x"]);
  return compileProgram(parseProgram(encodeJcs({ v: 1, in: [{ n: "x", t: "u64" }], ops, out: ["x"] })));
};

const [small, large] = [idle(1), idle(3)];

/** Which of the names are still kept, the ones that are not compiled anew. */
function keptOf(kept: KeptPrograms, names: readonly string[]): readonly string[] {
  return names.filter((name) => {
    try {
      kept.take(name, () => {
        throw new Error("compiled again");
      });
      return true;
    } catch {
      return false;
    }
  });
}

it("programs that cost no bootstrap are dropped by what they take in memory, those that were used last at the end", () => {
  expect([small.price.pbs, large.price.pbs]).toEqual([0, 0]);
  expect(large.wires).toBeGreaterThan(2 * small.wires);
  const kept = new KeptPrograms({ wires: large.wires + small.wires, programs: 10 });
  for (const name of ["a", "b", "c"]) kept.take(name, () => small);
  kept.take("a", () => large);
  kept.take("d", () => large);
  expect(keptOf(kept, ["a", "b", "c", "d"])).toEqual(["a", "d"]);
});

it("no more are kept than their number, and the newest also where it alone is too large", () => {
  const kept = new KeptPrograms({ wires: small.wires * 10, programs: 2 });
  for (const name of ["a", "b", "c"]) kept.take(name, () => small);
  expect(keptOf(kept, ["a", "b", "c"])).toEqual(["b", "c"]);
  const narrow = new KeptPrograms({ wires: 1, programs: 2 });
  for (const name of ["a", "b"]) expect(narrow.take(name, () => large)).toBe(large);
  expect(keptOf(narrow, ["a", "b"])).toEqual(["b"]);
});
