import { beforeAll, describe, expect, it } from "vitest";
import { encodeHex, utf8 } from "../../../src/core/bytes.ts";
import { digestOf, digestOfJson } from "../../../src/core/digest.ts";
import { encodeJcs } from "../../../src/core/jcs.ts";
import { type JsonObject, parseJson } from "../../../src/core/json.ts";
import {
  parseWorkerEvidence,
  SEAL_X25519,
  workerFilesDigest,
  workerKeysetDigest,
  workerReportData,
} from "../../../src/paths/tee/wire/keyset.ts";
import { createFakeWorker } from "./fake-worker.ts";

let bytes: Uint8Array;

beforeAll(async () => {
  bytes = (await createFakeWorker()).evidence("ab".repeat(32));
});

describe("worker evidence", () => {
  it("puts the SHA-256 of the statement into the first half of the report data, zeros into the second", () => {
    const { statement } = parseWorkerEvidence(bytes);
    const reportData = workerReportData(statement);
    expect(`sha256:${encodeHex(reportData.subarray(0, 32))}`).toBe(digestOfJson({ ...statement }));
    expect(reportData.subarray(32)).toEqual(new Uint8Array(32));
  });

  it("has digests that change with keys and files", () => {
    const { keyset, files } = parseWorkerEvidence(bytes);
    expect(workerKeysetDigest({ ...keyset, notAfter: keyset.notAfter + 1 })).not.toBe(workerKeysetDigest(keyset));
    expect(workerFilesDigest([...files, { path: "a", digest: digestOf(utf8("")) }])).not.toBe(workerFilesDigest(files));
  });

  it("is refused in any other form", () => {
    const document = parseJson(bytes) as JsonObject;
    const bad = expect.objectContaining({ code: "FORMAT_INVALID" });
    const withSealKey = (change: JsonObject): JsonObject => {
      const key = { keyId: "seal-1", algo: SEAL_X25519, publicKey: "ab".repeat(32), ...change };
      return { ...document, keyset: { ...(document["keyset"] as JsonObject), sealKeys: [key] } };
    };
    expect(() => parseWorkerEvidence(encodeJcs(withSealKey({ publicKey: "ab".repeat(1216) })))).not.toThrow();
    const forms: JsonObject[] = [
      { ...document, v: 2 },
      { ...document, type: "Simulated" },
      { ...document, evidence: "not base64" },
      { ...document, statement: { ...(document["statement"] as JsonObject), purpose: "triseal.worker.v2" } },
      { ...document, keyset: { ...(document["keyset"] as JsonObject), legKeys: [{ keyId: "a", algo: "rsa", publicKey: "00" }] } },
      withSealKey({ publicKey: "ab".repeat(31) }),
      withSealKey({ publicKey: "ab".repeat(1217) }),
      withSealKey({ publicKey: "AB".repeat(32) }),
      withSealKey({ keyId: "" }),
      withSealKey({ algo: "a".repeat(65) }),
      { ...document, files: [{ path: "/with space", digest: digestOf(utf8("")) }] },
      { ...document, more: 1 },
    ];
    for (const form of forms) expect(() => parseWorkerEvidence(encodeJcs(form))).toThrow(bad);
  });
});
