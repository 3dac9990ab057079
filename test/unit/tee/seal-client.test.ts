import { describe, expect, it } from "vitest";
import { utf8 } from "../../../src/core/bytes.ts";
import { digestOf } from "../../../src/core/digest.ts";
import type { JsonObject } from "../../../src/core/json.ts";
import { unixSeconds } from "../../../src/core/time.ts";
import { createTeeClient, sessionKeyset } from "../../../src/paths/tee/client/seal-client.ts";
import { makeSessionDocument } from "../../../src/paths/tee/server/session-document.ts";
import { parseEnvelope } from "../../../src/paths/tee/wire/envelope.ts";
import { parseWorkerEvidence, workerKeysetDigest } from "../../../src/paths/tee/wire/keyset.ts";
import { createFakeWorker, modelDigest } from "./fake-worker.ts";

const request = { model: "m", facts: { kind: "score" }, body: utf8("the request") };
const client = createTeeClient({ appraiseSession: async () => [] });
const now = unixSeconds(1000);

async function session(notAfter?: number) {
  const worker = await createFakeWorker(notAfter);
  const evidenceBytes = worker.evidence("00".repeat(32));
  const evidence = parseWorkerEvidence(evidenceBytes);
  const document = makeSessionDocument({
    upstreamName: "w",
    establishedAt: now,
    expiresAt: unixSeconds(2000),
    claims: {},
    evidenceBytes,
    evidence,
  });
  return { worker, document, id: "00".repeat(32) };
}

describe("the tee client", () => {
  it("seals to the session's keyset for two minutes, and opens the worker's answer", async () => {
    const { worker, document, id } = await session();
    const prepared = await client.prepare(request, { id, document }, now);
    const { ct, enc, ...clear } = parseEnvelope(prepared.body);
    expect([ct.length, enc.length]).toEqual([request.body.length + 16, 1120]);
    const keysetDigest = workerKeysetDigest(worker.keyset);
    expect(clear).toEqual({
      v: 1,
      form: "binary",
      model: "m",
      facts: request.facts,
      exp: 1120,
      keysetDigest,
      keyId: "seal-pq-1",
    });
    const context = { modelDigest, decisionDigest: modelDigest, nonce: "00".repeat(16) };
    const { sealed, response } = await worker.answer(prepared.body, context, request.facts);
    expect(await prepared.open(sealed)).toEqual(response);
  });

  it("seals nothing to a session that is malformed, of another kind, or without a key in force", async () => {
    const { document, id } = await session(1000);
    const prepare = (change: JsonObject) => client.prepare(request, { id, document: { ...document, ...change } }, now);
    const bad = expect.objectContaining({ code: "FORMAT_INVALID" });
    await expect(prepare({})).rejects.toEqual(expect.objectContaining({ code: "VERIFICATION_FAILED" }));
    await expect(prepare({ more: 1 })).rejects.toEqual(bad);
    const data = `data:application/json;base64,${Buffer.from("{}").toString("base64")}`;
    await expect(prepare({ evidence: { digest: digestOf(utf8("{}")), data } })).rejects.toEqual(bad);
    await expect(prepare({ evidence: { digest: digestOf(utf8("other")), data } })).rejects.toEqual(bad);
    expect(() => sessionKeyset({ ...document, evidence: null })).toThrow(bad);
  });
});
