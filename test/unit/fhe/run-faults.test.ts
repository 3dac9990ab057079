/** What a run is where its engine fails inside, takes too much, or nobody waits for it any more: a code, and no change. */
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { utf8 } from "../../../src/core/bytes.ts";
import { digestOf } from "../../../src/core/digest.ts";
import { COPY, startWorld, TRANSFER, type World } from "./fhe-world.ts";

const wish = {
  inputs: { from: { account: "alice" }, to: { account: "bob" }, amount: 1 },
  writes: { from_after: "alice", to_after: "bob" },
};

async function opened(options: Parameters<typeof startWorld>[0]): Promise<World> {
  const world = await startWorld(options);
  for (const name of ["alice", "bob"]) expect((await world.makeAccount(name)).status).toBe(201);
  return world;
}

const versions = async (world: World) => [await world.version("alice"), await world.version("bob")];
const lines = async (world: World, line: string) => (await world.diary()).split("\n").filter((found) => found === line).length;

/** The next run is made, by an engine that was started so many times in all. */
async function goesOn(world: World, starts: number): Promise<void> {
  expect((await world.run(TRANSFER, wish)).status).toBe(200);
  expect(await versions(world)).toEqual([1, 1]);
  expect(await lines(world, "start")).toBe(starts);
}

describe("a run that ends inside the engine", () => {
  it("by a panic has a code of its own and changes nothing, and the same engine goes on", async () => {
    const world = await opened({ fault: "panic" });
    const asked = await world.ask(TRANSFER);
    const failed = await world.run(TRANSFER, wish, { asked });
    expect([failed.status, failed.code]).toEqual([500, "FHE_ENGINE_PANIC"]);
    expect(await versions(world)).toEqual([0, 0]);
    await goesOn(world, 1);
  });

  it("by its memory has a code of its own and changes nothing, and another engine goes on", async () => {
    const world = await opened({ fault: "greedy", memoryBytes: 500 * 2 ** 20 });
    const failed = await world.run(TRANSFER, wish);
    expect([failed.status, failed.code]).toEqual([503, "FHE_ENGINE_MEMORY"]);
    expect(await versions(world)).toEqual([0, 0]);
    await goesOn(world, 2);
  });

  it("by its time is cancelled between two steps and changes nothing, and the same engine goes on", async () => {
    const world = await opened({ fault: "hang-in-run", timeoutMs: 2000 });
    const failed = await world.run(TRANSFER, wish);
    expect([failed.status, failed.code]).toEqual([504, "DEADLINE_EXCEEDED"]);
    expect([await versions(world), await lines(world, "cancel")]).toEqual([[0, 0], 1]);
    await goesOn(world, 1);
  });
});

describe("a run whose program waits to be compiled", () => {
  const waiting = (_: ReadonlyMap<string, string>, signal: AbortSignal) =>
    new Promise<never>((_resolve, reject) => {
      signal.addEventListener("abort", () => reject(new Error("the wait ended", { cause: signal.reason })));
    });

  it("ends with its own time, not with the queue's", async () => {
    const bytes = utf8("{}");
    const program = { ...COPY, bytes, digest: digestOf(bytes), name: digestOf(bytes), circuit: waiting };
    const world = await startWorld({ read: () => program, timeoutMs: 300 });
    expect((await world.call("POST", "/v1/fhe/programs", "{}")).status).toBe(201);
    const failed = await world.run(program, { inputs: { x: 1 } });
    expect([failed.status, failed.code]).toEqual([504, "DEADLINE_EXCEEDED"]);
  });
});

describe("a run whose caller is gone", () => {
  it("is cancelled between two steps and changes nothing, and the same engine goes on", async () => {
    const world = await opened({ fault: "hang-in-run" });
    const asked = await world.ask(TRANSFER);
    const gone = new AbortController();
    const called = world.run(TRANSFER, wish, { asked, signal: gone.signal });
    while (!(await world.diary()).includes("\nrun ")) await delay(20);
    gone.abort();
    const answer = await called.catch(() => null);
    expect([null, "CLIENT_ABORTED"]).toContain(answer?.code ?? null);
    while ((await lines(world, "cancel")) === 0) await delay(20);
    expect(await versions(world)).toEqual([0, 0]);
    await goesOn(world, 1);
  });
});
