/** Programs compiled in the built thread: the same as without it, bounded, and beside a gateway that answers meanwhile. */
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import { encodeJcs } from "../../src/core/jcs.ts";
import type { JsonValue } from "../../src/core/json.ts";
import { compileProgram } from "../../src/paths/fhe/compile/compile.ts";
import { findShipped } from "../../src/paths/fhe/compile/shipped.ts";
import { programReader } from "../../src/paths/fhe/server/compiled-program.ts";
import { type CompileLimits, ProgramCompiler } from "../../src/paths/fhe/server/program-compiler.ts";
import { type Program, parseProgram } from "../../src/paths/fhe/wire/program.ts";
import { startWorld } from "../unit/fhe/fhe-world.ts";

const THREAD = fileURLToPath(new URL("../../dist/src/paths/fhe/server/compile-thread.js", import.meta.url));
const LIMITS: CompileLimits = { mostPbs: 65_536, timeoutMs: 120_000, memoryMib: 2048, maxQueued: 8 };

function compilerOf(more: Partial<CompileLimits> = {}): ProgramCompiler {
  const compiler = new ProgramCompiler(THREAD, { ...LIMITS, ...more });
  onTestFinished(() => compiler.close());
  return compiler;
}

const names = Array.from({ length: 64 }, (_, index) => `x${index}`);
const inputs = names.map((n) => ({ n, t: "u64" }));

/** A chain of products: 41 of them are 64 452 nodes, of at most 65 536. */
const products = (count: number): JsonValue => ({
  v: 1,
  in: inputs,
  ops: Array.from({ length: count }, (_, at) => [`m${at}`, "mul", at === 0 ? "x0" : `m${at - 1}`, `x${(at + 1) % 64}`]),
  out: [`m${count - 1}`],
});
const asked = ({ digest, bytes }: Program, clear: ReadonlyMap<string, string> | null = null) => ({
  name: digest,
  document: bytes,
  clear,
});
const read = (document: JsonValue) => parseProgram(encodeJcs(document));
const LARGEST = read(products(41));

const shipped = (name: string): Program => {
  const found = findShipped(name);
  if (found === null) throw new Error(`no program ${name}`);
  return found.program;
};
const code = (name: string) => expect.objectContaining({ code: name });

describe("a thread that compiles programs", () => {
  it("refuses what the compiler refuses, with its codes, and goes on", async () => {
    const compiler = compilerOf();
    const mint = shipped("mint-u64");
    await expect(compiler.compile(asked(mint, new Map()))).rejects.toThrow(code("FHE_RUN_INVALID"));
    await expect(compiler.compile(asked(mint, new Map([["amount", "-1"]])))).rejects.toThrow(code("FHE_OUT_OF_RANGE"));
    await expect(compiler.compile({ name: "x", document: encodeJcs({ v: 2 }), clear: null })).rejects.toThrow(
      code("FHE_PROGRAM_INVALID"),
    );
    await expect(compiler.compile(asked(read(products(42))))).rejects.toThrow(code("FHE_PRICE_EXCEEDED"));
    const { bytes, pbs, depth } = await compiler.compile(asked(mint, new Map([["amount", "7"]])));
    const expected = compileProgram(mint).circuit(new Map([["amount", "7"]]));
    expect({ bytes, pbs, depth }).toEqual({ bytes: expected.bytes, ...expected.price });
    expect(await compiler.compile(asked(mint))).toEqual({ bytes: null, ...expected.price });
  });

  it("gives up on a program that takes too long, too much memory or too many bootstraps, and goes on with the next", async () => {
    const transfer = shipped("transfer-u64");
    const { price } = compileProgram(transfer);
    const late = compilerOf({ timeoutMs: 200 });
    await expect(late.compile(asked(LARGEST))).rejects.toThrow(code("FHE_COMPILE_LIMIT"));
    const small = compilerOf({ memoryMib: 16 });
    await expect(small.compile(asked(LARGEST))).rejects.toThrow(code("FHE_COMPILE_LIMIT"));
    const cheap = compilerOf({ mostPbs: price.pbs });
    await expect(cheap.compile(asked(LARGEST))).rejects.toThrow(code("FHE_PRICE_EXCEEDED"));
    expect(await cheap.compile(asked(transfer))).toEqual({ bytes: null, ...price });
  });

  it("takes no more than may wait, those of runs first, and nothing once it is closed", async () => {
    const compiler = compilerOf({ maxQueued: 2 });
    const mint = shipped("mint-u64");
    const order: string[] = [];
    const noted = (what: string) => () => void order.push(what);
    const running = compiler.compile(asked(LARGEST)).then(noted("largest"));
    const priced = compiler.compile(asked(shipped("burn-u64"))).then(noted("price"));
    const run = compiler.compile(asked(mint, new Map([["amount", "7"]]))).then(noted("run"));
    await expect(compiler.compile(asked(mint))).rejects.toThrow(code("OVERLOADED"));
    await Promise.all([running, priced, run]);
    expect(order).toEqual(["largest", "run", "price"]);
    const left = expect(compiler.compile(asked(LARGEST))).rejects.toThrow(code("PATH_UNAVAILABLE"));
    await compiler.close();
    await left;
    await expect(compiler.compile(asked(mint))).rejects.toThrow(code("PATH_UNAVAILABLE"));
  });

  it("keeps the gateway answering while it compiles the largest program that is allowed", async () => {
    const compiler = compilerOf();
    const world = await startWorld({ read: programReader(compiler), mostPbs: 65_536 });
    let answered = false;
    const registered = world.call("POST", "/v1/fhe/programs", new TextDecoder().decode(LARGEST.bytes)).then((answer) => {
      answered = true;
      return answer;
    });
    let healths = 0;
    for (; !answered; healths++) {
      expect((await world.call("GET", "/v2/health/live")).status).toBe(200);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const { status, json } = await registered;
    expect([status, json["price"]]).toEqual([201, { pbs: 64_452, depth: expect.any(Number) }]);
    // With the compiler in the event loop one was answered before, and the next one after.
    expect(healths).toBeGreaterThan(5);
  });
});
