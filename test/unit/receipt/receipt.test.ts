import { describe, expect, it } from "vitest";
import { encodeBase64, utf8 } from "../../../src/core/bytes.ts";
import { digestOf } from "../../../src/core/digest.ts";
import { encodeJcs } from "../../../src/core/jcs.ts";
import type { JsonObject, JsonValue } from "../../../src/core/json.ts";
import {
  decodeKeyset,
  decodeReceipt,
  decodeReport,
  decodeSession,
  encodeBundle,
  eventOf,
  eventsOf,
  isOtherBundleVersion,
  MAX_BUNDLE_BYTES,
  parseBundle,
  parseReceipt,
  receiptKey,
  sessionId,
  signReceipt,
  verifyReceiptSignature,
} from "../../../src/receipt/index.ts";
import { testSigner } from "../../fixtures/signer.ts";

const signer = testSigner("gateway-1", 7);
const digest = digestOf(utf8("x"));
const received = { type: "request.received", body_hash: digest };
const returned = { type: "response.returned", body_hash: digest };
const malformed = expect.objectContaining({ code: "FORMAT_INVALID" });

const make = (events: readonly JsonObject[] = [received, returned]) =>
  signReceipt(
    {
      receiptId: "rcpt-1",
      chatId: null,
      model: "m",
      keysetDigest: digest,
      endpoint: "/v2",
      method: "POST",
      servedAt: 1_790_000_000,
      events,
    },
    signer,
  );

describe("a receipt", () => {
  it("verifies under the key that signed it, and under no other", () => {
    const receipt = make();
    expect(verifyReceiptSignature(receipt, signer.publicKey)).toBe(true);
    expect(verifyReceiptSignature(receipt, testSigner("other", 8).publicKey)).toBe(false);
    expect(verifyReceiptSignature(receipt, "00".repeat(32))).toBe(false);
    expect(verifyReceiptSignature(receipt, "")).toBe(false);
  });

  it("does not verify after a change of any member or of any event", () => {
    const { document } = make();
    const changes: JsonObject[] = [
      { receipt_id: "rcpt-2" },
      { chat_id: "c" },
      { model: null },
      { workload_keyset_digest: digestOf(utf8("y")) },
      { endpoint: "/v3" },
      { method: "PUT" },
      { served_at: 1 },
      { key_id: "other" },
      { event_log: [received] },
      { event_log: [received, returned, returned] },
      { event_log: [received, { ...returned, body_hash: digestOf(utf8("y")) }] },
      { event_log: [received, { type: "later.event" }, returned] },
    ];
    for (const change of changes)
      expect(verifyReceiptSignature(decodeReceipt({ ...document, ...change }), signer.publicKey)).toBe(false);
  });

  it.each<[string, JsonObject]>([
    ["an unknown member", { extra: 1 }],
    ["another protocol version", { api_version: "aci/2" }],
    ["a fraction", { served_at: 1.5 }],
    ["a number beyond 2^53", { event_log: [received, { type: "later", n: 2 ** 53 }] }],
    ["a fraction inside an unknown event", { event_log: [received, { type: "later", deep: [{ n: 0.1 }] }] }],
    ["a negative time", { served_at: -1 }],
    ["no event", { event_log: [] }],
    ["another first event", { event_log: [returned, received] }],
    ["an unknown first event", { event_log: [{ type: "later" }, received] }],
    ["an event without type", { event_log: [received, { body_hash: digest }] }],
    ["an event that is no object", { event_log: [received, "response.returned"] }],
    ["a known event with an unknown member", { event_log: [{ ...received, more: 1 }] }],
    ["a known event without its member", { event_log: [{ type: "request.received" }] }],
    ["a digest in upper case", { event_log: [{ ...received, body_hash: digest.toUpperCase() }] }],
    ["a short signature", { signature: "00" }],
    ["a signature in upper case", { signature: "AB".repeat(64) }],
    ["too many events", { event_log: Array.from({ length: 65 }, () => received) }],
    ["an event type that is an object's own method", { event_log: [received, { type: "constructor", n: 0.5 }] }],
  ])("with %s is refused", (_, change) => {
    expect(() => decodeReceipt({ ...make().document, ...change })).toThrow(malformed);
  });

  it("without one of its members is refused", () => {
    const { document } = make();
    for (const name of Object.keys(document)) {
      const { [name]: _, ...rest } = document;
      expect(() => decodeReceipt(rest)).toThrow(malformed);
    }
    for (const value of [null, [], "receipt", 1] as JsonValue[]) expect(() => decodeReceipt(value)).toThrow(malformed);
    expect(() => parseReceipt(utf8("{}x"))).toThrow(malformed);
  });

  it("keeps events that this version does not know, and signs them", () => {
    const receipt = make([received, { type: "later.event", anything: [{ at: 5 }] }, { type: "toString" }, returned]);
    expect(receipt.event_log[1]).toEqual({
      type: "unknown:later.event",
      content: { type: "later.event", anything: [{ at: 5 }] },
    });
    expect(receipt.event_log[2]?.type).toBe("unknown:toString");
    expect(verifyReceiptSignature(receipt, signer.publicKey)).toBe(true);
  });

  it("does not take an event for a known one because its type says `unknown:`", () => {
    const receipt = make([received, { type: "unknown:request.refused", code: "X" }, returned]);
    expect(receipt.event_log[1]?.type).toBe("unknown:unknown:request.refused");
    expect(eventsOf(receipt, "request.refused")).toEqual([]);
  });

  it("gives the one event of a type, and none where there are several", () => {
    const receipt = make([received, returned, returned]);
    expect(eventOf(receipt, "request.received")).toEqual(received);
    expect(eventOf(receipt, "response.returned")).toBeNull();
    expect(eventsOf(receipt, "response.returned")).toHaveLength(2);
    expect(eventOf(receipt, "policy.decided")).toBeNull();
  });

  it("is not signed where it would not be read", () => {
    expect(() => make([returned])).toThrow(malformed);
    expect(() => make([])).toThrow(malformed);
    expect(() => make([received, { type: "later", n: 0.5 }])).toThrow(malformed);
  });
});

const keyset = {
  subject: null,
  not_after: 1_900_000_000,
  receipt_signing_keys: [{ key_id: "gateway-1", algo: "ed25519", public_key: signer.publicKey }],
  e2ee_public_keys: [],
  tls_public_keys: [],
};

describe("a keyset", () => {
  it("resolves a key by its id, and only Ed25519 keys of the right form", () => {
    const keys = [
      { key_id: "p256", algo: "ecdsa-p256", public_key: signer.publicKey },
      { key_id: "upper", algo: "ed25519", public_key: signer.publicKey.toUpperCase() },
      { key_id: "short", algo: "ed25519", public_key: "00" },
      ...keyset.receipt_signing_keys,
    ];
    const parsed = decodeKeyset({ ...keyset, receipt_signing_keys: keys }, "keyset");
    expect(receiptKey(parsed, "gateway-1")).toBe(signer.publicKey);
    for (const id of ["p256", "upper", "short", "unknown", ""]) expect(receiptKey(parsed, id)).toBeNull();
  });

  it.each<[string, JsonObject]>([
    ["an unknown member", { more: 1 }],
    ["no expiry", { not_after: null }],
    ["a fractional expiry", { not_after: 1.5 }],
    ["a key with an unknown member", { receipt_signing_keys: [{ key_id: "a", algo: "b", public_key: "c", d: 1 }] }],
    ["too many keys", { receipt_signing_keys: Array.from({ length: 17 }, () => ({ key_id: "a", algo: "b", public_key: "c" })) }],
  ])("with %s is refused", (_, change) => {
    expect(() => decodeKeyset({ ...keyset, ...change }, "keyset")).toThrow(malformed);
  });

  it("stands in a report of this version only", () => {
    const report = {
      api_version: "aci/1",
      workload_keyset_digest: digest,
      attestation: {
        tee_type: "triseal-none",
        workload_keyset: keyset,
        report_data: "00".repeat(32),
        source_provenance: {},
        evidence: {},
      },
      service_capabilities: {},
    };
    expect(decodeReport(report, "report").attestation.tee_type).toBe("triseal-none");
    for (const change of [{ api_version: "aci/0" }, { extra: 1 }, { attestation: {} }, { workload_keyset_digest: "00" }]) {
      expect(() => decodeReport({ ...report, ...change }, "report")).toThrow(malformed);
    }
  });
});

const evidence = utf8("evidence");
const session = {
  api_version: "aci/1",
  upstream_name: "worker",
  endpoint: null,
  verifier_id: "v",
  established_at: 1,
  expires_at: 2,
  channel_binding: [],
  claims: {},
  evidence: { digest: digestOf(evidence), data: `data:text/plain;base64,${encodeBase64(evidence)}` },
};

describe("a session", () => {
  it("has an id that its spelling does not change, and its content does", () => {
    expect(sessionId(Object.fromEntries(Object.entries(session).reverse()))).toBe(sessionId(session));
    expect(decodeSession(session)).toMatchObject({
      id: sessionId(session),
      evidenceBytes: evidence,
      evidenceMediaType: "text/plain",
    });
    expect(sessionId({ ...session, expires_at: 3 })).not.toBe(sessionId(session));
  });

  it.each<[string, JsonObject]>([
    ["an unknown member", { extra: 1 }],
    ["evidence of another digest", { evidence: { ...session.evidence, digest } }],
    ["evidence that is no data URI", { evidence: { ...session.evidence, data: "ZXZpZGVuY2U=" } }],
    ["evidence in another base64", { evidence: { ...session.evidence, data: "data:text/plain;base64,ZXZpZGVuY2V=" } }],
    [
      "evidence behind parameters",
      { evidence: { ...session.evidence, data: `data:text/plain;charset=x;base64,${encodeBase64(evidence)}` } },
    ],
    ["a fractional time", { expires_at: 2.5 }],
    ["another protocol version", { api_version: "aci/2" }],
  ])("with %s is refused", (_, change) => {
    expect(() => decodeSession({ ...session, ...change })).toThrow(malformed);
  });
});

describe("a bundle", () => {
  const receipt = make().document;
  const proof = { salt: "00".repeat(32), proof: "c2sp.org/tlog-proof@v1\n" };
  const bundle = () => ({
    v: "triseal.dev/bundle/v1",
    receipt,
    supplements: [],
    keyset,
    sessions: {},
    blobs: { [digestOf(evidence)]: encodeBase64(evidence) },
    log: { [digest]: proof },
  });
  const parse = (change: JsonObject) => parseBundle(encodeJcs({ ...bundle(), ...change }));

  it("is read back as it was written", () => {
    const bytes = encodeBundle({
      receipt,
      supplements: [],
      keyset,
      sessions: new Map(),
      blobs: [evidence],
      log: new Map([[digest, proof]]),
    });
    expect(bytes).toEqual(encodeJcs(bundle()));
    const parsed = parseBundle(bytes);
    expect(parsed.receipt.document).toEqual(receipt);
    expect(parsed.blobs.get(digestOf(evidence))).toEqual(evidence);
    expect(parsed.log.get(digest)).toEqual({ salt: new Uint8Array(32), proof: proof.proof });
  });

  it.each<[string, JsonObject]>([
    ["an unknown member", { extra: 1 }],
    ["another version", { v: "triseal.dev/bundle/v2" }],
    ["a blob under another digest", { blobs: { [digest]: encodeBase64(evidence) } }],
    ["a blob whose base64 is not canonical", { blobs: { [digestOf(evidence)]: "ZXZpZGVuY2V=" } }],
    ["a blob without padding", { blobs: { [digestOf(evidence)]: encodeBase64(evidence).replace("=", "") } }],
    ["a blob under a name that is no digest", { blobs: { name: "" } }],
    ["a session under a name that is no id", { sessions: { name: {} } }],
    ["a salt in upper case", { log: { [digest]: { ...proof, salt: "AA".repeat(32) } } }],
    ["a short salt", { log: { [digest]: { ...proof, salt: "00" } } }],
    ["an unknown member of a proof", { log: { [digest]: { ...proof, more: 1 } } }],
    ["a proof that is too long", { log: { [digest]: { ...proof, proof: "x".repeat(65_537) } } }],
    ["a receipt that is none", { receipt: {} }],
    ["a supplement that is none", { supplements: [{}] }],
  ])("with %s is refused", (_, change) => {
    expect(() => parse(change)).toThrow(malformed);
  });

  it("that is too large is refused before it is read", () => {
    expect(() => parseBundle(new Uint8Array(MAX_BUNDLE_BYTES + 1))).toThrow(malformed);
  });

  it("of another version is told from one that is malformed", () => {
    expect(isOtherBundleVersion(encodeJcs({ v: "triseal.dev/bundle/v2" }))).toBe(true);
    for (const bytes of [
      encodeJcs(bundle()),
      encodeJcs({ v: 2 }),
      encodeJcs({ v: "other" }),
      encodeJcs([]),
      utf8("nothing"),
      new Uint8Array(),
    ]) {
      expect(isOtherBundleVersion(bytes)).toBe(false);
    }
  });
});
