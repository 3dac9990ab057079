import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseInferenceResponse } from "../../src/core/oip.ts";
import type { ModelPackage } from "../../src/model/model-package.ts";
import { sessionKeyset } from "../../src/paths/tee/client/seal-client.ts";
import { isRunning } from "./gateway-process.ts";
import {
  appraiseSimulated,
  boundRequest,
  createWorkplace,
  never,
  oipBody,
  type RunningPath,
  sealTo,
  slowBody,
  startPath,
  type Workplace,
} from "./worker-harness.ts";

let place: Workplace;

beforeAll(async () => {
  place = await createWorkplace();
});

afterAll(async () => {
  await place.remove();
});

function model(name: string): ModelPackage {
  const found = place.packages.get(name);
  if (found === undefined) throw new Error(name);
  return found;
}

const code = (name: string) => expect.objectContaining({ code: name });

function currentSession({ path }: RunningPath) {
  const session = path.sessions().find(({ current }) => current);
  if (session === undefined) throw new Error("no current session");
  return session;
}

/** Seals the square root of 9 to the worker of `session` and sends it. */
async function sealedRoot({ path }: RunningPath, session: ReturnType<typeof currentSession>): Promise<unknown> {
  const body = oipBody([{ name: "x", datatype: "FP32", shape: [1], data: [9] }]);
  const sealed = await sealTo(sessionKeyset(session.document), "root", body);
  const answer = await path.infer(boundRequest(model("root"), sealed.body, { sealedBy: "caller" }), { signal: never });
  return [...(parseInferenceResponse(await sealed.openResponse(answer.body)).outputs[0]?.data ?? [])];
}

describe("a worker that is replaced", () => {
  it("answers what it holds and what is sealed to it while it drains, and its key is stale afterwards", {
    timeout: 90_000,
  }, async () => {
    const mine = startPath(place, { drainMs: 8000 });
    try {
      await mine.path.admitted(AbortSignal.timeout(60_000));
      const old = currentSession(mine);
      const [pid] = mine.path.pids();
      const held = mine.path.infer(boundRequest(model("slow"), slowBody(100)), { signal: never });
      const restarted = mine.path.restart();
      await expect.poll(() => currentSession(mine).id, { timeout: 60_000 }).not.toBe(old.id);
      expect(await sealedRoot(mine, old)).toEqual([3]);
      expect(await sealedRoot(mine, currentSession(mine))).toEqual([3]);
      expect((await held).leg.sessionId).toBe(old.id);
      await restarted;
      expect([isRunning(pid ?? 0), mine.path.pids().length]).toEqual([false, 1]);
      await expect(sealedRoot(mine, old)).rejects.toEqual(code("WORKER_KEY_STALE"));
      expect(await sealedRoot(mine, currentSession(mine))).toEqual([3]);
      // The session that is over stays to be shown: receipts cite it.
      expect(mine.path.sessions().map(({ id }) => id)).toContain(old.id);
    } finally {
      await mine.path.close();
    }
  });

  it("stays where its successor is not admitted, and the successor is gone", { timeout: 90_000 }, async () => {
    const admit = { yes: true };
    const appraise = async (bytes: Uint8Array) =>
      admit.yes ? appraiseSimulated(bytes) : ({ ok: false, code: "TRUST_WORKER", reason: "not this build" } as const);
    const mine = startPath(place, { appraise });
    try {
      await mine.path.admitted(AbortSignal.timeout(60_000));
      const [pids, session] = [mine.path.pids(), currentSession(mine)];
      admit.yes = false;
      await expect(mine.path.restart()).rejects.toEqual(code("UPSTREAM_NOT_VERIFIED"));
      expect(mine.path.pids()).toEqual(pids);
      expect(currentSession(mine).id).toBe(session.id);
      expect(await sealedRoot(mine, session)).toEqual([3]);
      admit.yes = true;
      await mine.path.restart();
      expect(await sealedRoot(mine, currentSession(mine))).toEqual([3]);
    } finally {
      await mine.path.close();
    }
  });

  it("is not started again where it dies while it drains", { timeout: 90_000 }, async () => {
    const mine = startPath(place, { drainMs: 3000 });
    try {
      await mine.path.admitted(AbortSignal.timeout(60_000));
      const old = currentSession(mine);
      const [pid = 0] = mine.path.pids();
      const restarted = mine.path.restart();
      await expect.poll(() => currentSession(mine).id, { timeout: 60_000 }).not.toBe(old.id);
      process.kill(pid, "SIGKILL");
      await restarted;
      expect(mine.path.pids()).toHaveLength(1);
      expect(mine.notes.filter((note) => note.includes("worker up"))).toHaveLength(2);
      expect(await sealedRoot(mine, currentSession(mine))).toEqual([3]);
    } finally {
      await mine.path.close();
    }
  });
});
