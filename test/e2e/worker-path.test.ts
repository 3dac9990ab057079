import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { utf8 } from "../../src/core/bytes.ts";
import { digestOf } from "../../src/core/digest.ts";
import { factsDigest, parseInferenceResponse } from "../../src/core/oip.ts";
import { unixSeconds } from "../../src/core/time.ts";
import { labelOf, type ModelPackage, standardizeRow } from "../../src/model/model-package.ts";
import { createTeeClient, sessionKeyset } from "../../src/paths/tee/client/seal-client.ts";
import { parseTeeLeg, verifyTeeLeg } from "../../src/paths/tee/wire/leg.ts";
import { decodeSession } from "../../src/receipt/session.ts";
import {
  boundRequest,
  clock,
  createWorkplace,
  heldBackRows,
  never,
  oipBody,
  type RunningPath,
  sealTo,
  slowBody,
  startPath,
  type Workplace,
} from "./worker-harness.ts";

let place: Workplace;
let running: RunningPath;

beforeAll(async () => {
  place = await createWorkplace();
  running = startPath(place);
  await running.path.admitted(AbortSignal.timeout(60_000));
});

afterAll(async () => {
  await running.path.close();
  await place.remove();
});

function model(name: string): ModelPackage {
  const found = place.packages.get(name);
  if (found === undefined) throw new Error(name);
  return found;
}

const code = (name: string, forwarded?: boolean) =>
  expect.objectContaining({
    code: name,
    ...(forwarded === undefined ? {} : { details: expect.objectContaining({ forwarded }) }),
  });

describe("a request through the tee path", () => {
  it("classifies held-back digits that the gateway sealed, and signs what it did", async () => {
    const digits = model("digits-mlp");
    const rows = (await heldBackRows("digits-mlp")).slice(0, 40);
    let right = 0;
    for (const row of rows) {
      const body = oipBody([{ name: "pixels", datatype: "FP32", shape: [1, 64], data: standardizeRow(digits, row.x) }]);
      const request = boundRequest(digits, body);
      const answer = await running.path.infer(request, { signal: never });
      const { outputs } = parseInferenceResponse(answer.body);
      if (labelOf(digits, outputs)?.label === row.label) right++;
      const leg = parseTeeLeg(answer.leg.bytes);
      expect(leg.statement.binding).toEqual({
        v: 1,
        ...request.context,
        requestDigest: digestOf(body),
        responseDigest: digestOf(answer.body),
      });
      expect(leg.statement.wire.requestDigest).toBe(answer.forwardedDigest);
      expect(answer.leg.requestGuessable).toBe(false);
    }
    expect(right).toBeGreaterThanOrEqual(38);
  });

  it("forwards a body that the caller sealed untouched, and only the caller can open the answer", async () => {
    const mlp = model("breast-cancer-mlp");
    const [row] = await heldBackRows("breast-cancer-mlp");
    if (row === undefined) throw new Error("no row");
    const client = createTeeClient({ appraiseSession: async () => [] });
    const facts = { classification: "personal", value_usd: 12 };
    const body = oipBody([{ name: "features", datatype: "FP32", shape: [1, 30], data: standardizeRow(mlp, row.x) }], {
      parameters: facts,
    });
    const session = running.path.sessions()[0];
    if (session === undefined) throw new Error("no session");
    const prepared = await client.prepare({ model: mlp.name, facts, body }, session, clock());
    const [backend] = running.path.backends(mlp, prepared.body);
    const request = boundRequest(mlp, prepared.body, { facts, sealedBy: "caller", backendId: backend?.id ?? "" });
    const answer = await running.path.infer(request, { signal: never });
    expect(answer.forwardedDigest).toBe(digestOf(prepared.body));
    expect(answer.mediaType).toBe("application/vnd.triseal.sealed");
    const leg = parseTeeLeg(answer.leg.bytes);
    expect(leg.statement.wire).toEqual({ requestDigest: digestOf(prepared.body), responseDigest: digestOf(answer.body) });
    expect(leg.statement.factsDigest).toBe(factsDigest(facts));
    const opened = await prepared.open(answer.body);
    expect(digestOf(opened)).toBe(leg.statement.binding.responseDigest);
    expect(labelOf(mlp, parseInferenceResponse(opened).outputs)?.label).toBe(row.label);
    const [legKey] = sessionKeyset(session.document).legKeys;
    expect(verifyTeeLeg(leg, legKey?.publicKey ?? "")).toBe(true);
  });

  it("states the age of evidence for the moment of the decision, not for a clock that ticked meanwhile", () => {
    const established = Number(running.path.sessions()[0]?.document["established_at"]);
    const [backend] = running.path.backends(model("root"), undefined, unixSeconds(established + 77));
    expect(backend?.facts).toContainEqual({ name: "evidence_age_seconds", origin: "evidence", value: 77 });
  });

  it("reports each input outside the model as the worker sees it, with the digest that was forwarded", async () => {
    const body = oipBody([{ name: "x", datatype: "FP32", shape: [1], data: [-1] }]);
    await expect(running.path.infer(boundRequest(model("root"), body), { signal: never })).rejects.toEqual(
      expect.objectContaining({
        code: "REQUEST_NOT_FINITE",
        details: { forwarded: true, forwardedDigest: expect.stringMatching(/^sha256:/) },
      }),
    );
  });

  it("refuses a sealed body whose clear part is not what policy decided on", async () => {
    const session = running.path.sessions()[0];
    if (session === undefined) throw new Error("no session");
    const keyset = sessionKeyset(session.document);
    const sealed = await sealTo(keyset, "root", oipBody([]), { facts: { classification: "public" } });
    const refused = (name: string, facts: object) =>
      running.path.infer(boundRequest(model(name), sealed.body, { facts, sealedBy: "caller" }), { signal: never });
    await expect(refused("root", {})).rejects.toEqual(code("SEALED_FACTS_MISMATCH"));
    await expect(refused("pick", { classification: "public" })).rejects.toEqual(code("SEALED_MALFORMED"));
    await expect(refused("root", { classification: "public", value_usd: 1 })).rejects.toEqual(code("SEALED_FACTS_MISMATCH"));
  });

  it("refuses a body that is sealed to a keyset which no admitted worker has, before a byte leaves", async () => {
    const session = running.path.sessions()[0];
    if (session === undefined) throw new Error("no session");
    const keyset = { ...sessionKeyset(session.document), subject: "another" };
    const sealed = await sealTo(keyset, "root", oipBody([]));
    expect(running.path.backends(model("root"), sealed.body)).toHaveLength(1);
    const refused = running.path.infer(boundRequest(model("root"), sealed.body, { sealedBy: "caller" }), { signal: never });
    await expect(refused).rejects.toEqual(expect.objectContaining({ code: "WORKER_KEY_STALE", details: {} }));
  });

  it("refuses a backend that is not of this path, a malformed envelope, and an aborted request", async () => {
    const other = boundRequest(model("root"), oipBody([]), { backendId: "tee:nobody" });
    await expect(running.path.infer(other, { signal: never })).rejects.toEqual(code("PATH_UNAVAILABLE"));
    const malformed = boundRequest(model("root"), utf8("{}"), { sealedBy: "caller" });
    await expect(running.path.infer(malformed, { signal: never })).rejects.toEqual(code("SEALED_MALFORMED"));
    const aborted = running.path.infer(boundRequest(model("root"), oipBody([])), { signal: AbortSignal.abort() });
    await expect(aborted).rejects.toEqual(code("CLIENT_ABORTED"));
  });

  it("stops waiting when the caller aborts, and serves the next request after the run has ended", async () => {
    const controller = new AbortController();
    const first = running.path.infer(boundRequest(model("slow"), slowBody(500)), { signal: controller.signal });
    setTimeout(() => controller.abort(), 100);
    await expect(first).rejects.toEqual(code("CLIENT_ABORTED", true));
    const answer = await running.path.infer(boundRequest(model("slow"), slowBody(1)), { signal: never });
    expect(parseInferenceResponse(answer.body).outputs[0]).toEqual({
      name: "largest",
      datatype: "FP32",
      shape: [],
      data: Float32Array.of(0),
    });
  });

  it("freezes the worker's evidence as an ACI session that hashes to its id, and hands it over before use", () => {
    const [record] = running.path.sessions();
    const session = decodeSession(record?.document);
    expect(session.id).toBe(record?.id);
    expect(running.documents).toContainEqual(record?.document);
    expect(record?.models).toContain("digits-mlp");
    expect(record?.current).toBe(true);
    expect(session.claims["tee_attested"]).toEqual({ status: "unknown" });
    expect(session.claims["extra"]).toEqual(expect.objectContaining({ evidence_type: "simulated" }));
    expect(running.path.backends(model("digits-mlp"))[0]?.facts).toContainEqual({
      name: "jurisdiction",
      origin: "claim",
      value: "EU",
    });
  });
});

describe("a worker that dies", () => {
  it("loses the request in hand, comes back with new keys under a new session, and old envelopes are stale", async () => {
    const mine = startPath(place);
    try {
      await mine.path.admitted(AbortSignal.timeout(60_000));
      const before = mine.path.sessions()[0];
      const [pid] = mine.path.pids();
      if (before === undefined || pid === undefined) throw new Error("not admitted");
      const sealed = await sealTo(sessionKeyset(before.document), "slow", slowBody(1));
      const inHand = mine.path.infer(boundRequest(model("slow"), slowBody(1_000_000)), { signal: never });
      setTimeout(() => process.kill(pid, "SIGKILL"), 300);
      await expect(inHand).rejects.toEqual(code("WORKER_LOST", true));
      await expect.poll(async () => (await mine.path.ready(never)).ready, { timeout: 100 }).toBe(false);
      expect(mine.path.backends(model("slow"))).toEqual([]);
      await expect(mine.path.infer(boundRequest(model("slow"), slowBody(1)), { signal: never })).rejects.toEqual(
        code("WORKER_LOST"),
      );
      await mine.path.admitted(AbortSignal.timeout(60_000));
      const [after] = mine.path.sessions();
      if (after === undefined) throw new Error("not admitted again");
      expect(after.id).not.toBe(before.id);
      expect(sessionKeyset(after.document).legKeys).not.toEqual(sessionKeyset(before.document).legKeys);
      expect(mine.path.sessions().find((session) => session.id === before.id)?.current).toBe(false);
      const stale = mine.path.infer(boundRequest(model("slow"), sealed.body, { sealedBy: "caller" }), { signal: never });
      await expect(stale).rejects.toEqual(code("WORKER_KEY_STALE"));
      const answer = await mine.path.infer(boundRequest(model("slow"), slowBody(1)), { signal: never });
      expect(answer.leg.sessionId).toBe(after.id);
    } finally {
      await mine.path.close();
    }
  });
});

describe("a worker that is not admitted", () => {
  it("gets no byte of a request while its evidence is refused, and the path says why", async () => {
    const appraise = async () => ({ ok: false, code: "TRUST_SIMULATED", reason: "simulated evidence is not accepted" }) as const;
    const mine = startPath(place, { appraise });
    try {
      await expect.poll(() => mine.notes.some((note) => note.includes("not admitted")), { timeout: 30_000 }).toBe(true);
      const refused = mine.path.infer(boundRequest(model("slow"), slowBody(1)), { signal: never });
      await expect(refused).rejects.toEqual(expect.objectContaining({ code: "UPSTREAM_NOT_VERIFIED", details: {} }));
      expect(mine.path.backends(model("slow"))).toEqual([]);
      // What it said, and why it was refused, is for the operator: readiness is public, and gives the code.
      expect(await mine.path.ready(never)).toEqual({ ready: false, reason: "worker `worker-a`: UPSTREAM_NOT_VERIFIED" });
      expect(mine.notes.some((note) => note.includes("simulated evidence is not accepted"))).toBe(true);
      expect(mine.notes.some((note) => note.includes('"url":"/infer"'))).toBe(false);
      expect(mine.path.sessions()).toEqual([]);
    } finally {
      await mine.path.close();
    }
  });

  it("is not used while its session has not been logged, nor after the session has expired", async () => {
    const unlogged = startPath(place, {
      onSession: async () => {
        throw new Error("the log is full");
      },
    });
    const expired = startPath(place, {
      appraise: async () => ({ ok: true, facts: [], expiresAt: unixSeconds(clock() - 1) }),
    });
    try {
      for (const { path, notes } of [unlogged, expired]) {
        await expect.poll(() => notes.some((note) => note.includes("not admitted")), { timeout: 30_000 }).toBe(true);
        expect(path.backends(model("slow"))).toEqual([]);
        const refused = path.infer(boundRequest(model("slow"), slowBody(1)), { signal: never });
        await expect(refused).rejects.toEqual(code("UPSTREAM_NOT_VERIFIED"));
      }
    } finally {
      await Promise.all([unlogged.path.close(), expired.path.close()]);
    }
  });
});

describe("a pool of workers", () => {
  it("sends a sealed body only to the worker that can open it, and the rest to any", async () => {
    const workers = ["worker-a", "worker-b"].map((name) => ({ name, claims: {}, ...place.command({ name }) }));
    const mine = startPath(place, { workers });
    try {
      await expect.poll(() => mine.path.backends(model("root")).length, { timeout: 30_000 }).toBe(2);
      for (const session of mine.path.sessions()) {
        const body = oipBody([{ name: "x", datatype: "FP32", shape: [1], data: [9] }]);
        const sealed = await sealTo(sessionKeyset(session.document), "root", body);
        const name = JSON.stringify(session.document["upstream_name"]).slice(1, -1);
        expect(mine.path.backends(model("root"), sealed.body).map((backend) => backend.id)).toEqual([`tee:${name}`]);
        const other = name === "worker-a" ? "tee:worker-b" : "tee:worker-a";
        const elsewhere = boundRequest(model("root"), sealed.body, { sealedBy: "caller", backendId: other });
        await expect(mine.path.infer(elsewhere, { signal: never })).rejects.toEqual(code("WORKER_KEY_STALE"));
        const there = boundRequest(model("root"), sealed.body, { sealedBy: "caller", backendId: `tee:${name}` });
        const answer = await mine.path.infer(there, { signal: never });
        expect(parseInferenceResponse(await sealed.openResponse(answer.body)).outputs[0]?.data).toEqual(Float32Array.of(3));
      }
      const slow = mine.path.infer(boundRequest(model("slow"), slowBody(200)), { signal: never });
      await expect.poll(() => mine.path.backends(model("root"))[0]?.id).toBe("tee:worker-b");
      await slow;
    } finally {
      await mine.path.close();
    }
  });

  it("appraises a worker again before its session ends, without a gap", async () => {
    const mine = startPath(place, { maxSessionAgeS: 3 });
    try {
      await mine.path.admitted(AbortSignal.timeout(60_000));
      while (mine.path.sessions().length < 3) {
        expect(mine.path.backends(model("root"))).toHaveLength(1);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      const [newest, ...older] = mine.path.sessions();
      expect(newest?.current).toBe(true);
      expect(older.every((session) => !session.current)).toBe(true);
      expect(mine.documents).toHaveLength(mine.path.sessions().length);
    } finally {
      await mine.path.close();
    }
  });

  it("refuses two workers of one name", () => {
    const worker = { name: "worker-a", claims: {}, ...place.command() };
    expect(() => startPath(place, { workers: [worker, worker] })).toThrow(code("CONFIG_INVALID"));
  });
});

describe("closing a path", () => {
  it("leaves no process behind", async () => {
    const mine = startPath(place);
    await mine.path.admitted(AbortSignal.timeout(60_000));
    const [pid] = mine.path.pids();
    await mine.path.close();
    expect(mine.path.pids()).toEqual([]);
    expect(() => readFileSync(`/proc/${pid}/status`)).toThrow();
    await expect(mine.path.infer(boundRequest(model("slow"), slowBody(1)), { signal: never })).rejects.toEqual(
      code("WORKER_LOST"),
    );
  });
});
