/** Where a period ends: what ends at a second holds until just before it, for every kind of document. */
import { beforeAll, describe, expect, it } from "vitest";
import { holdsUntil } from "../../src/core/time.ts";
import { parseBundle } from "../../src/receipt/index.ts";
import { buildBundle, type Changes } from "../fixtures/bundle.ts";
import { failedChecks, judge, judgeChanged } from "../fixtures/verdict.ts";
import { createTestWorker, createWorld, trustOf, type World } from "../fixtures/world.ts";

let world: World;
/** The moment that the bundle's evidence and keysets are judged for, and the receipt's own time. */
let judgedAt: number;
let servedAt: number;

beforeAll(async () => {
  world = await createWorld();
  const { bundle } = await buildBundle(world, {});
  const verdict = await judge(bundle, trustOf(world));
  judgedAt = verdict.judgedAt?.seconds ?? 0;
  servedAt = parseBundle(bundle).receipt.served_at;
  expect(Math.min(judgedAt, servedAt)).toBeGreaterThan(0);
});

const ends: readonly [string, string, string, (offset: number) => Changes | Promise<Changes>][] = [
  ["the gateway's keyset", "keyset.current", "KEYSET_EXPIRED", (offset) => ({ keysetNotAfter: judgedAt + offset })],
  [
    "the worker's keyset",
    "evidence.keyset-current",
    "KEYSET_EXPIRED",
    async (offset) => ({
      worker: await createTestWorker("alpha", 15, world.platform, world.worker.modelDigests, judgedAt + offset),
    }),
  ],
  [
    "the session",
    "session.window",
    "SESSION_NOT_CURRENT",
    (offset) => ({ session: (document) => ({ ...document, expires_at: servedAt + offset }) }),
  ],
];

describe.each(ends)("%s", (_, check, code, changes) => {
  it.each([0, -1, -2])("holds no more where it ended %i seconds after the moment", async (offset) => {
    const verdict = await judgeChanged(world, await changes(offset));
    expect(verdict).toMatchObject({ outcome: "rejected", code });
    expect(failedChecks(verdict)).toContain(check);
  });

  it("still holds where it ends a second later", async () => {
    expect(failedChecks(await judgeChanged(world, await changes(1)))).toEqual([]);
  });
});

describe("the rule", () => {
  it("is `now < not_after`", () => {
    expect([99, 100, 101].map((now) => holdsUntil(100, now))).toEqual([true, false, false]);
  });
});
