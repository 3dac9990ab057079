import { describe, expect, it } from "vitest";
import type { StateAccount } from "../../../src/core/kept-state.ts";
import type { Engine } from "../../../src/paths/fhe/server/engine.ts";
import type { RunPlan } from "../../../src/paths/fhe/server/run-plan.ts";
import { warmStates } from "../../../src/paths/fhe/server/warm-states.ts";

/** An account whose state's digest is this byte, 32 times. */
const state = (byte: string | null) => ({ digest: byte === null ? null : byte.repeat(32) }) as StateAccount;
const MISSING = "00";
const OPTIONS = { signal: new AbortController().signal };
const KEY = "ab".repeat(32);

const PLAN = {
  program: { inputs: ["from", "to", "amount", "limit"].map((n) => ({ n, t: "u64" })) },
  run: {
    keyId: KEY,
    inputs: new Map<string, object>([
      ["from", { account: "alice" }],
      ["to", { account: "bob" }],
      ["amount", { list: 0, index: 0 }],
      ["limit", { clear: "7" }],
    ]),
  },
} as unknown as RunPlan;

/** What the engine was told to expand, where alice's state is `aa` and bob's is `bb`. */
async function expanded(
  rows: ReadonlyMap<string, StateAccount>,
  fail: "engine" | "blobs" | null = null,
): Promise<readonly string[]> {
  const told: string[] = [];
  const engine = {
    expand: async (value: Uint8Array, of: { readonly keyId: string; readonly type: string }) => {
      told.push(`${new TextDecoder().decode(value)} ${of.type} ${of.keyId === KEY}`);
      if (fail === "engine") throw new Error("the engine died");
      return value;
    },
  } as unknown as Engine;
  const get = async (digest: string) => {
    const short = digest.slice(0, "sha256:aa".length);
    if (fail === "blobs" && short === "sha256:aa") throw new Error("the disk is gone");
    return short === `sha256:${MISSING}` ? null : new TextEncoder().encode(short);
  };
  await warmStates(PLAN, rows, { engine, blobs: { get, put: async () => undefined } as never }, OPTIONS);
  return told;
}

describe("states that a run reads", () => {
  it("are not expanded where there are none: no account, nothing written to it yet, bytes that are missing", async () => {
    expect(await expanded(new Map())).toEqual([]);
    expect(
      await expanded(
        new Map([
          ["alice", state(null)],
          ["bob", state(null)],
        ]),
      ),
    ).toEqual([]);
    expect(await expanded(new Map([["alice", state(MISSING)]]))).toEqual([]);
  });

  it("that cannot be read or expanded fail nothing: the run says what is wrong", async () => {
    const rows = new Map([
      ["alice", state("aa")],
      ["bob", state("bb")],
    ]);
    expect(await expanded(rows, "blobs")).toEqual(["sha256:bb u64 true"]);
    expect(await expanded(rows, "engine")).toHaveLength(2);
  });

  it("are expanded under the run's key and their types; fresh and clear inputs are not", async () => {
    const rows = new Map([
      ["alice", state("aa")],
      ["bob", state("bb")],
      ["carol", state("cc")],
    ]);
    expect(await expanded(rows)).toEqual(["sha256:aa u64 true", "sha256:bb u64 true"]);
  });
});
