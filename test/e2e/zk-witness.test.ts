/** The thread that makes witnesses: what it refuses, what ends it, and that the event loop stays free meanwhile. */
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseIntegerModel } from "../../src/model/integer/parse-model.ts";
import { compileCircuit } from "../../src/paths/zk/compile/circuit.ts";
import { generateWitness } from "../../src/paths/zk/compile/witness.ts";
import { WitnessMaker } from "../../src/paths/zk/server/witness-maker.ts";
import { FIELD_ORDER } from "../../src/paths/zk/wire/field.ts";
import { repository } from "./gateway-process.ts";

const PROGRAM = join(repository, "dist/src/paths/zk/server/witness-thread.js");
const LIMITS = { memoryMib: 512, maxQueued: 2 };

function loaded(name: string) {
  const checked = parseIntegerModel(readFileSync(join(repository, "models", name, "integer.json")));
  return { checked, circuit: compileCircuit(checked) };
}

const digits = loaded("digits-mlp");
const lenet = loaded("mnist-lenet5");
const salt = new Uint8Array(16).fill(7);
const runOf = ({ checked }: typeof digits) => {
  const input = Int32Array.from(checked.values[0]?.hi ?? [], (hi, at) => at % (hi + 1));
  return { input, salt, context: 5n };
};
const { signal } = new AbortController();
const code = (name: string) => expect.objectContaining({ code: name });
const codeOf = (making: Promise<unknown>) =>
  making.then(
    () => "made",
    (error: { code?: string }) => error.code ?? "none",
  );

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "triseal-witness-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A program in place of the thread's. */
async function program(name: string, text: string): Promise<string> {
  const file = join(folder, `${name}.mjs`);
  await writeFile(file, `import { parentPort } from "node:worker_threads";\n${text}`);
  return file;
}

describe("a thread that makes witnesses", () => {
  it("refuses inputs out of range, salts of another size and contexts beyond the field, and goes on", async () => {
    const maker = new WitnessMaker(PROGRAM, digits, LIMITS);
    const run = runOf(digits);
    await expect(maker.make({ ...run, input: run.input.map(() => 1000) }, signal)).rejects.toThrow(code("INPUT_OUT_OF_RANGE"));
    await expect(maker.make({ ...run, input: run.input.map(() => -1) }, signal)).rejects.toThrow(code("INPUT_OUT_OF_RANGE"));
    await expect(maker.make({ ...run, salt: new Uint8Array(3) }, signal)).rejects.toThrow(code("FORMAT_INVALID"));
    await expect(maker.make({ ...run, context: FIELD_ORDER }, signal)).rejects.toThrow(code("FORMAT_INVALID"));
    expect(await codeOf(maker.make(run, signal))).toBe("made");
    await maker.close();
  });

  it("makes the bytes that are made without it, and leaves the caller's input as it was", async () => {
    const maker = new WitnessMaker(PROGRAM, digits, LIMITS);
    const run = runOf(digits);
    const [made, again] = [await maker.make(run, signal), await maker.make(run, signal)];
    const expected = generateWitness(digits.circuit, digits.checked, runOf(digits));
    for (const witness of [made, again]) expect(witness).toEqual(expected);
    expect(run).toEqual(runOf(digits));
    await maker.close();
  });

  it("lets only so many wait, and none once it is closed", async () => {
    const silent = await program("silent", "parentPort.on('message', () => undefined);");
    const maker = new WitnessMaker(silent, digits, LIMITS);
    const held = [1, 2, 3].map(() => codeOf(maker.make(runOf(digits), signal)));
    await expect(maker.make(runOf(digits), signal)).rejects.toThrow(code("ZK_PROVER_OVERLOADED"));
    await maker.close();
    expect(await Promise.all(held)).toEqual(["ZK_PROVER_LOST", "ZK_PROVER_LOST", "ZK_PROVER_LOST"]);
    await expect(maker.make(runOf(digits), signal)).rejects.toThrow(code("ZK_PROVER_LOST"));
  });

  it("ends with the request that it works on, not with one that waits, and starts anew", async () => {
    // Holds still for a context of one, as a computation does that does not end.
    const stuck = await program(
      "stuck",
      `parentPort.on("message", ({ context }) => { for (;;) if (context !== 1n) break;
        parentPort.postMessage({ witness: { file: new Uint8Array(1), publicSignals: [context], outputs: new Int32Array(1) } }); });`,
    );
    const maker = new WitnessMaker(stuck, digits, LIMITS);
    const [first, second] = [new AbortController(), new AbortController()];
    const held = maker.make({ ...runOf(digits), context: 1n }, first.signal);
    const waiting = maker.make({ ...runOf(digits), context: 2n }, second.signal);
    const last = maker.make({ ...runOf(digits), context: 3n }, signal);
    second.abort(new Error("no longer wanted"));
    await expect(waiting).rejects.toThrow("no longer wanted");
    first.abort(new Error("given up"));
    await expect(held).rejects.toThrow("given up");
    expect((await last).publicSignals).toEqual([3n]);
    await expect(maker.make(runOf(digits), first.signal)).rejects.toThrow("given up");
    await maker.close();
  });

  it("that dies fails its request alone, with a code", async () => {
    const dying = await program(
      "dying",
      `parentPort.on("message", ({ context }) => { if (context === 1n) process.exit(3); throw new Error("x"); });`,
    );
    const maker = new WitnessMaker(dying, digits, LIMITS);
    const runs = [1n, 2n, 1n].map((context) => codeOf(maker.make({ ...runOf(digits), context }, signal)));
    expect(await Promise.all(runs)).toEqual(["ZK_PROVER_LOST", "ZK_PROVER_LOST", "ZK_PROVER_LOST"]);
    await maker.close();
  });

  it("may use so much memory and no more", async () => {
    const small = new WitnessMaker(PROGRAM, lenet, { ...LIMITS, memoryMib: 1 });
    await expect(small.make(runOf(lenet), signal)).rejects.toThrow(code("ZK_PROVER_MEMORY"));
    const hungry = await program(
      "hungry",
      `parentPort.on("message", () => { const held = []; for (;;) held.push(Array(1e5).fill({})); });`,
    );
    const maker = new WitnessMaker(hungry, digits, { ...LIMITS, memoryMib: 32 });
    await expect(maker.make(runOf(digits), signal)).rejects.toThrow(code("ZK_PROVER_MEMORY"));
    await Promise.all([small.close(), maker.close()]);
  });
});

describe("while a convolutional model's witness is made", () => {
  let server: Server;
  afterAll(() => server?.close());

  it("the event loop answers others: health before the witness is there", async () => {
    server = createServer((_, response) => response.end("ok")).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address() as AddressInfo;
    const maker = new WitnessMaker(PROGRAM, lenet, { ...LIMITS, maxQueued: 8 });
    await maker.make(runOf(lenet), signal);
    const order: string[] = [];
    // Six witnesses one after the other: made on this thread, none of the requests below would be answered before them.
    const witnesses = Promise.all(Array.from({ length: 6 }, () => maker.make(runOf(lenet), signal))).then(() =>
      order.push("witnesses"),
    );
    for (let at = 0; at < 3; at++) {
      const answer = await fetch(`http://127.0.0.1:${port}/health`);
      order.push(await answer.text());
    }
    await witnesses;
    expect(order).toEqual(["ok", "ok", "ok", "witnesses"]);
    await maker.close();
  });
});
