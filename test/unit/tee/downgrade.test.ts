/** No sender of ours takes X25519 alone where the keyset lists the hybrid suite, and nobody can make the keyset list less. */
import { describe, expect, it } from "vitest";
import { encodeBase64, utf8 } from "../../../src/core/bytes.ts";
import { unixSeconds } from "../../../src/core/time.ts";
import { teeClient } from "../../../src/paths/tee/client/tee-client.ts";
import { createAdmissionAppraisal } from "../../../src/paths/tee/server/appraise-admission.ts";
import { sealToSession } from "../../../src/paths/tee/server/seal-to-session.ts";
import { makeSessionDocument } from "../../../src/paths/tee/server/session-document.ts";
import { openRequest, parseEnvelope, sealRequest } from "../../../src/paths/tee/wire/envelope.ts";
import {
  encodeWorkerEvidence,
  parseWorkerEvidence,
  SEAL_MLKEM768_X25519,
  SEAL_X25519,
  type WorkerEvidence,
  type WorkerKeyset,
  workerKeysetDigest,
} from "../../../src/paths/tee/wire/keyset.ts";
import { makeSealKey, publicSealKey, type SealKey, strongestSealKey } from "../../../src/paths/tee/wire/seal-suite.ts";
import { parseSimulatedEvidence } from "../../../src/paths/tee/wire/simulated.ts";
import { createFakeWorker, modelDigest, sealKeyOf } from "./fake-worker.ts";

const now = unixSeconds(1000);
const nonce = "00".repeat(32);
const facts = { kind: "score" };
const body = utf8("the request");
const worker = await createFakeWorker();
const attested = parseWorkerEvidence(worker.evidence(nonce));

type SealKeys = (keys: readonly SealKey[]) => readonly SealKey[];

/** Ways to make the attested keyset look as if it had no hybrid key. */
const downgrades: readonly { how: string; change: SealKeys }[] = [
  { how: "stripped of it", change: (keys) => keys.filter((key) => key.algo === SEAL_X25519) },
  {
    how: "with it renamed",
    change: (keys) => keys.map((key) => ({ ...key, algo: key.algo === SEAL_X25519 ? key.algo : "other" })),
  },
  { how: "with the algorithms swapped", change: ([pq, classic]) => swapped(pq, classic) },
  {
    how: "with the key ids swapped",
    change: ([pq, classic]) =>
      swapped(pq, classic).map((key, at) => ({ ...key, algo: at === 0 ? SEAL_MLKEM768_X25519 : SEAL_X25519 })),
  },
  {
    how: "with another hybrid key in its place",
    change: (keys) => keys.map((key) => ({ ...key, publicKey: `00${key.publicKey.slice(2)}` })),
  },
];

function swapped(pq: SealKey | undefined, classic: SealKey | undefined): readonly SealKey[] {
  if (pq === undefined || classic === undefined) throw new Error("two keys expected");
  return [
    { ...pq, algo: classic.algo, keyId: classic.keyId },
    { ...classic, algo: pq.algo, keyId: pq.keyId },
  ];
}

function keysetWith(change: SealKeys): WorkerKeyset {
  return { ...attested.keyset, sealKeys: change(attested.keyset.sealKeys) };
}

function packageWith(change: Partial<WorkerEvidence>): Uint8Array {
  const { evidence, ...rest } = { ...attested, ...change };
  return encodeWorkerEvidence({ ...rest, evidence: encodeBase64(evidence) });
}

function sessionOf(evidenceBytes: Uint8Array) {
  const evidence = parseWorkerEvidence(evidenceBytes);
  const times = { establishedAt: now, expiresAt: unixSeconds(2000) };
  return { id: nonce, document: makeSessionDocument({ upstreamName: "w", ...times, claims: {}, evidenceBytes, evidence }) };
}

const { platformKey } = parseSimulatedEvidence(attested.evidence);
const trust = {
  evidence: [{ type: "simulated", platformKeys: [platformKey], because: "a test" }],
  workers: [{ digest: attested.statement.workerDigest }],
  models: [{ name: "m", digest: modelDigest }],
};
const revoked = { keys: new Set<string>(), measurements: new Set<string>() };
const inputs = { trust, revoked, at: { seconds: now, basis: "assertion" }, now } as const;
const appraise = createAdmissionAppraisal({ trusted: () => ({ section: trust, revoked }), clock: () => now });

async function clientFailures(packageBytes: Uint8Array): Promise<readonly string[]> {
  const checks = await teeClient.appraiseSession(sessionOf(packageBytes).document, inputs);
  return checks.filter((check) => check.status === "fail").map((check) => check.id);
}

const request = { model: { name: "m", version: "1", digest: modelDigest, outputs: [] }, facts, body };
const sealAsGateway = (keyset: WorkerKeyset) => sealToSession(request, { keyset, keysetDigest: workerKeysetDigest(keyset) }, now);
const sealAsClient = (keyset: WorkerKeyset) =>
  teeClient.prepare({ model: "m", facts, body }, sessionOf(packageWith({ keyset })), now);

describe.each(downgrades)("a keyset $how", ({ change }) => {
  const keyset = keysetWith(change);
  const rebound = { ...attested.statement, keysetDigest: workerKeysetDigest(keyset) };

  it("fails the client's appraisal, also under a statement that was adjusted to it", async () => {
    expect(await clientFailures(packageWith({ keyset }))).toContain("evidence.keyset-bound");
    expect(await clientFailures(packageWith({ keyset, statement: rebound }))).toContain("evidence.report-data");
    expect(await clientFailures(packageWith({}))).toEqual([]);
  });

  it("fails the gateway's appraisal, also under a statement that was adjusted to it", async () => {
    expect(await appraise(packageWith({ keyset }), nonce)).toEqual(expect.objectContaining({ ok: false }));
    expect(await appraise(packageWith({ keyset, statement: rebound }), nonce)).toEqual(expect.objectContaining({ ok: false }));
    expect(await appraise(packageWith({}), nonce)).toEqual(expect.objectContaining({ ok: true }));
  });
});

describe.each([
  { who: "the gateway", seal: sealAsGateway },
  { who: "the client", seal: sealAsClient },
])("$who", ({ who, seal }) => {
  it("gives up where the hybrid key is not usable, though the keyset lists a good X25519 key", async () => {
    const [pq, classic] = attested.keyset.sealKeys;
    if (pq === undefined || classic === undefined) throw new Error("two keys expected");
    const bad = [
      "00".repeat(32),
      classic.publicKey,
      "ff".repeat(1216),
      pq.publicKey.slice(2),
      `${pq.publicKey.slice(0, 2368)}${"00".repeat(32)}`,
    ];
    for (const publicKey of bad) {
      const keyset = { ...attested.keyset, sealKeys: [{ ...pq, publicKey }, classic] };
      await expect(seal(keyset), publicKey).rejects.toEqual(expect.objectContaining({ code: "SEALED_UNOPENABLE" }));
    }
  });

  it("seals nothing to a keyset without a key of a known algorithm", async () => {
    const code = who === "the gateway" ? "WORKER_ANSWER_INVALID" : "VERIFICATION_FAILED";
    const unknown = keysetWith((keys) => keys.map((key) => ({ ...key, algo: `${key.algo}-2` })));
    for (const keyset of [unknown, keysetWith(() => [])]) {
      await expect(seal(keyset)).rejects.toEqual(expect.objectContaining({ code }));
    }
  });

  it("takes the hybrid key wherever the keyset lists it", async () => {
    const unknown = { keyId: "future", algo: "hpke-of-tomorrow", publicKey: "00".repeat(32) };
    const orders: SealKeys[] = [(keys) => keys, (keys) => keys.toReversed(), (keys) => [unknown, ...keys.toReversed()]];
    for (const change of orders) {
      const keyset = keysetWith(change);
      const { keyId, enc, keysetDigest } = parseEnvelope((await seal(keyset)).body);
      expect([keyId, enc.length, keysetDigest]).toEqual(["seal-pq-1", 1120, workerKeysetDigest(keyset)]);
    }
  });

  it("takes X25519 only from a keyset that lists no hybrid key", async () => {
    const keyset = keysetWith((keys) => keys.filter((key) => key.algo === SEAL_X25519));
    const { keyId, enc } = parseEnvelope((await seal(keyset)).body);
    expect([keyId, enc.length]).toEqual(["seal-1", 32]);
  });
});

describe("a keyset", () => {
  it("has the first key of the strongest known algorithm as its key to seal to, or none", () => {
    const [pq, classic] = attested.keyset.sealKeys;
    if (pq === undefined || classic === undefined) throw new Error("two keys expected");
    const strongest = (...sealKeys: SealKey[]) => strongestSealKey({ ...attested.keyset, sealKeys });
    expect(strongest()).toBe(null);
    expect(strongest({ ...pq, algo: "toString" })).toBe(null);
    expect(strongest(classic, { ...pq, keyId: "b" }, pq)?.keyId).toBe("b");
    expect(strongest(classic)).toBe(classic);
  });
});

describe("a worker", () => {
  it("opens what is sealed to either of its keys, each only under its own name", async () => {
    const keys = [await makeSealKey("pq", SEAL_MLKEM768_X25519), await makeSealKey("classic", SEAL_X25519)];
    const keyset = { ...attested.keyset, sealKeys: keys.map(publicSealKey) };
    const head = { model: "m", keysetDigest: workerKeysetDigest(keyset), facts, exp: now };
    expect(sealKeyOf(keyset).keyId).toBe("pq");
    for (const key of keyset.sealKeys) {
      const envelope = parseEnvelope((await sealRequest(head, key, body)).body);
      expect((await openRequest(envelope, keys)).plaintext).toEqual(body);
      const misnamed = { ...envelope, keyId: key.keyId === "pq" ? "classic" : "pq" };
      await expect(openRequest(misnamed, keys)).rejects.toEqual(expect.objectContaining({ code: "SEALED_UNOPENABLE" }));
    }
  });
});
