import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { ProgramCompiler } from "../../../src/paths/fhe/server/program-compiler.ts";

/** A thread that answers with the price 1, and nothing for what is called `stuck`. */
const THREAD = `
  import { parentPort } from "node:worker_threads";
  parentPort.on("message", ({ name }) => name === "stuck" || parentPort.postMessage({ bytes: null, pbs: 1, depth: 1 }));
`;

async function compilerOf(maxQueued: number, timeoutMs: number): Promise<ProgramCompiler> {
  const folder = await mkdtemp(join(tmpdir(), "triseal-compiler-"));
  const thread = join(folder, "thread.mjs");
  await writeFile(thread, THREAD);
  const compiler = new ProgramCompiler(thread, { mostPbs: 1, timeoutMs, memoryMib: 64, maxQueued });
  onTestFinished(async () => {
    await compiler.close();
    await rm(folder, { recursive: true, force: true });
  });
  return compiler;
}

const asked = (name: string) => ({ name, document: new Uint8Array(), clear: null });

it("a program that nobody waits for any more gives up its place, and one that is late has a code", async () => {
  const compiler = await compilerOf(1, 2000);
  const gone = new AbortController();
  const stuck = expect(compiler.compile(asked("stuck"))).rejects.toMatchObject({ code: "FHE_COMPILE_LIMIT" });
  const left = expect(compiler.compile(asked("left"), gone.signal)).rejects.toThrow("the caller is gone");
  await expect(compiler.compile(asked("refused"))).rejects.toMatchObject({ code: "OVERLOADED" });
  gone.abort(new Error("the caller is gone"));
  await left;
  const next = compiler.compile(asked("next"));
  await expect(compiler.compile(asked("late"), gone.signal)).rejects.toThrow("the caller is gone");
  await stuck;
  expect(await next).toEqual({ bytes: null, pbs: 1, depth: 1 });
});

it("a caller who goes while its own program is compiled is told at once, and the thread goes on", async () => {
  const compiler = await compilerOf(1, 500);
  const gone = new AbortController();
  const stuck = expect(compiler.compile(asked("stuck"), gone.signal)).rejects.toThrow("the caller is gone");
  gone.abort(new Error("the caller is gone"));
  await stuck;
  expect(await compiler.compile(asked("next"))).toEqual({ bytes: null, pbs: 1, depth: 1 });
});
