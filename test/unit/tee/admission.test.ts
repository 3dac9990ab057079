import { describe, expect, it } from "vitest";
import { utf8 } from "../../../src/core/bytes.ts";
import { digestOf } from "../../../src/core/digest.ts";
import { TrisealError } from "../../../src/core/errors.ts";
import type { JsonObject } from "../../../src/core/json.ts";
import { unixSeconds } from "../../../src/core/time.ts";
import { Admission, type AdmissionOptions, type WorkerAppraisal } from "../../../src/paths/tee/server/admission.ts";
import { parseWorkerEvidence, WORKER_EVIDENCE_TYPE } from "../../../src/paths/tee/wire/keyset.ts";
import { decodeSession } from "../../../src/receipt/session.ts";
import { createFakeWorker, modelDigest } from "./fake-worker.ts";

const pass: WorkerAppraisal = { ok: true, facts: [], expiresAt: unixSeconds(5000) };

async function admissionAt(start: number, overrides: Partial<AdmissionOptions> = {}) {
  const worker = await createFakeWorker();
  const time = { now: start };
  const documents: JsonObject[] = [];
  const failures: string[] = [];
  const nonces: string[] = [];
  const admission = new Admission({
    upstreamName: "worker-a",
    fetchEvidence: async (nonce) => {
      nonces.push(nonce);
      return worker.evidence(nonce);
    },
    appraise: async () => pass,
    onSession: async (document) => {
      documents.push(document);
    },
    clock: () => unixSeconds(time.now),
    maxAgeS: 600,
    onAdmitted: () => {},
    onFailure: (code) => failures.push(code),
    ...overrides,
  });
  return { admission, worker, time, documents, failures, nonces };
}

const notVerified = expect.objectContaining({ code: "UPSTREAM_NOT_VERIFIED" });

describe("admission", () => {
  it("freezes what was appraised as an ACI session, with claims that say no more than is known", async () => {
    const { admission, worker, documents, nonces } = await admissionAt(1000);
    expect(admission.current()).toBe(null);
    const session = await admission.renew();
    const decoded = decodeSession(documents[0]);
    expect(decoded.id).toBe(session.id);
    expect(decoded.evidenceMediaType).toBe(WORKER_EVIDENCE_TYPE);
    expect(parseWorkerEvidence(decoded.evidenceBytes).statement.nonce).toBe(nonces[0]);
    expect(decoded.document).toEqual(
      expect.objectContaining({
        api_version: "aci/1",
        upstream_name: "worker-a",
        endpoint: null,
        verifier_id: "triseal/1",
        established_at: 1000,
        expires_at: 1600,
        identity: { keyset_digest: session.keysetDigest, leg_key: worker.legSigner.publicKey },
      }),
    );
    expect(decoded.channel_binding).toEqual(
      worker.keyset.sealKeys.map(({ keyId, algo, publicKey }) => ({
        type: "e2ee_public_key_sha256",
        provider: "triseal",
        key_id: keyId,
        algorithm: algo,
        public_key_sha256: digestOf(Buffer.from(publicKey, "hex")).slice(7),
      })),
    );
    expect(decoded.channel_binding).toHaveLength(2);
    const { extra, ...claims } = decoded.claims;
    expect(Object.keys(claims)).toHaveLength(6);
    for (const claim of Object.values(claims)) expect(claim).toEqual({ status: "unknown" });
    expect(extra).toEqual(expect.objectContaining({ evidence_type: "simulated", model_digests: [modelDigest] }));
    admission.close();
  });

  it("asks under a fresh nonce each time, and appraises once for all who wait", async () => {
    const { admission, nonces } = await admissionAt(1000);
    const [first, second] = await Promise.all([admission.renew(), admission.renew()]);
    expect(first).toBe(second);
    const third = await admission.renew();
    expect(third.id).not.toBe(first.id);
    expect(new Set(nonces).size).toBe(2);
    expect(nonces.every((nonce) => /^[0-9a-f]{64}$/.test(nonce))).toBe(true);
    expect(admission.byKeyset(first.keysetDigest)).toBe(third);
    admission.close();
  });

  it("knows every session that the process had, also one that has ended, and no other", async () => {
    const { admission, time } = await admissionAt(1000);
    const first = await admission.renew();
    time.now = first.expiresAt;
    const second = await admission.renew();
    expect([admission.byId(first.id), admission.byId(second.id)?.id]).toEqual([null, second.id]);
    expect([first.id, second.id, "00".repeat(32)].map((id) => admission.hasAdmitted(id))).toEqual([true, true, false]);
    admission.close();
  });

  it("lets a session lapse at the earliest of appraisal, keyset and greatest age", async () => {
    const byAge = await admissionAt(1000);
    const byAppraisal = await admissionAt(1000, { appraise: async () => ({ ...pass, expiresAt: unixSeconds(1100) }) });
    const short = await createFakeWorker(1050);
    const byKeyset = await admissionAt(1000, { fetchEvidence: async (nonce) => short.evidence(nonce) });
    for (const [made, end] of [[byAge, 1600] as const, [byAppraisal, 1100] as const, [byKeyset, 1050] as const]) {
      const session = await made.admission.renew();
      expect(session.expiresAt).toBe(end);
      made.time.now = end - 1;
      expect(made.admission.current()).toBe(session);
      made.time.now = end;
      expect(made.admission.current()).toBe(null);
      expect(made.admission.byKeyset(session.keysetDigest)).toBe(null);
      made.admission.close();
    }
  });

  it("does not admit a worker whose evidence fails, is old, is for another challenge or other keys", async () => {
    const refuse: WorkerAppraisal = { ok: false, code: "TRUST_SIMULATED", reason: "not accepted" };
    const { worker } = await admissionAt(1000);
    const cases: Partial<AdmissionOptions>[] = [
      { appraise: async () => refuse },
      { appraise: async () => ({ ...pass, expiresAt: unixSeconds(1000) }) },
      { fetchEvidence: async () => worker.evidence("00".repeat(32)) },
      { fetchEvidence: async (nonce) => worker.evidence(nonce, { keysetDigest: digestOf(utf8("other")) }) },
    ];
    for (const overrides of cases) {
      const { admission, documents, failures } = await admissionAt(1000, overrides);
      await expect(admission.renew()).rejects.toEqual(notVerified);
      expect(admission.current()).toBe(null);
      expect(admission.failure?.code).toBe("UPSTREAM_NOT_VERIFIED");
      expect([documents.length, failures.length]).toEqual([0, 1]);
      admission.close();
    }
  });

  it("does not use a session before it is logged, nor what comes after closing", async () => {
    const unlogged = await admissionAt(1000, {
      onSession: async () => {
        throw new TrisealError("LOG_UNAVAILABLE", "the log is full");
      },
    });
    await expect(unlogged.admission.renew()).rejects.toEqual(expect.objectContaining({ code: "LOG_UNAVAILABLE" }));
    expect(unlogged.admission.current()).toBe(null);
    unlogged.admission.close();
    const closed = await admissionAt(1000);
    const renewal = closed.admission.renew();
    closed.admission.close();
    await expect(renewal).rejects.toEqual(expect.objectContaining({ code: "SHUTTING_DOWN" }));
    expect(closed.admission.current()).toBe(null);
  });

  it("keeps a session through a fault of transport, and ends it when the evidence no longer passes", async () => {
    const answers: (() => WorkerAppraisal)[] = [
      () => pass,
      () => {
        throw new TrisealError("WORKER_LOST" as "INTERNAL", "no connection");
      },
      () => ({ ok: false, code: "REVOKED", reason: "withdrawn" }),
    ];
    const { admission, failures } = await admissionAt(1000, { appraise: async () => (answers.shift() ?? (() => pass))() });
    const session = await admission.renew();
    await expect(admission.renew()).rejects.toThrow("no connection");
    expect(admission.current()).toBe(session);
    await expect(admission.renew()).rejects.toEqual(notVerified);
    expect(admission.current()).toBe(null);
    expect(failures).toEqual(["WORKER_LOST", "UPSTREAM_NOT_VERIFIED"]);
    admission.close();
  });

  it("keeps the session of a former keyset in force beside that of its successor", async () => {
    const workers = [await createFakeWorker(), await createFakeWorker()];
    const { admission } = await admissionAt(1000, {
      fetchEvidence: async (nonce) => (workers.shift() ?? workers[0])?.evidence(nonce) as Uint8Array,
    });
    const first = await admission.renew();
    const second = await admission.renew();
    expect(admission.current()).toBe(second);
    expect(admission.byKeyset(first.keysetDigest)).toBe(first);
    expect(admission.byKeyset(digestOf(utf8("none")))).toBe(null);
    admission.close();
    expect(admission.byKeyset(first.keysetDigest)).toBe(null);
  });
});

describe("the admission's clock", () => {
  it("ends every session of the future when it is set back, and takes an older one that still fits", async () => {
    const { admission, time } = await admissionAt(1000);
    const first = await admission.renew();
    time.now = 1300;
    const second = await admission.renew();
    expect(admission.current()?.id).toBe(second.id);
    time.now = 1299;
    expect(admission.current()?.id).toBe(first.id);
    expect(admission.byId(second.id)).toBe(null);
    time.now = 999;
    expect(admission.current()).toBe(null);
    expect(admission.byKeyset(first.keysetDigest)).toBe(null);
  });

  it("appraises anew by itself after a step in either direction", async () => {
    const { admission, time } = await admissionAt(1000);
    admission.start();
    await expect.poll(() => admission.current()?.establishedAt).toBe(1000);
    time.now = 5;
    expect(admission.current()).toBe(null);
    await expect.poll(() => admission.current()?.establishedAt, { timeout: 5000 }).toBe(5);
    time.now = 4000;
    expect(admission.current()).toBe(null);
    await expect.poll(() => admission.current()?.establishedAt, { timeout: 5000 }).toBe(4000);
    admission.close();
    expect(admission.current()).toBe(null);
  });

  it("lets no session outlast its time on the monotonic clock, wherever the wall clock stands still", async () => {
    const { admission } = await admissionAt(1000, { maxAgeS: 1 });
    const session = await admission.renew();
    expect(admission.current()?.id).toBe(session.id);
    await expect.poll(() => admission.byId(session.id), { timeout: 5000 }).toBe(null);
    admission.close();
  });
});
