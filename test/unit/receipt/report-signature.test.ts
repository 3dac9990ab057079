import { describe, expect, it } from "vitest";
import type { JsonObject, JsonValue } from "../../../src/core/json.ts";
import { createServiceIdentity } from "../../../src/gateway/service-identity.ts";
import { decodeReport, reportData, reportSigner } from "../../../src/receipt/index.ts";
import { testSigner } from "../../fixtures/signer.ts";

const signer = testSigner("gateway-1", 21);
const NONCE = "07".repeat(32);
const TLS = "ab".repeat(32);
const identity = createServiceIdentity(signer, { notAfter: 2000, dev: false, tlsKeys: [TLS] });

/** Who signed the report with changed members of its attestation. */
function signerOf(changes: JsonObject = {}): string | null {
  const report = identity.report(NONCE);
  return reportSigner(
    decodeReport({ ...report, attestation: { ...(report["attestation"] as JsonObject), ...changes } }, "report"),
  );
}

const evidence = (identity.report(NONCE)["attestation"] as JsonObject)["evidence"] as JsonObject;
const unchallenged = identity.report(null)["attestation"] as JsonObject;
const keyset = identity.keyset as unknown as JsonObject;

describe("a gateway's own report", () => {
  it("is signed by a receipt key of its keyset, which lists the TLS key", () => {
    expect(signerOf()).toBe(signer.publicKey);
    expect(identity.keyset.tls_public_keys).toEqual([{ spki_sha256: TLS }]);
  });

  it.each<[string, JsonObject]>([
    ["the signature of another challenge", { evidence: unchallenged["evidence"] ?? null }],
    ["another challenge's report data", { report_data: unchallenged["report_data"] ?? null }],
    ["a changed signature", { evidence: { ...evidence, signature: "00".repeat(64) } }],
    ["a key that the keyset does not list", { evidence: { ...evidence, key_id: "gateway-2" } }],
    ["a keyset whose key of that name is another", { workload_keyset: { ...keyset, receipt_signing_keys: [] } }],
    [
      "a signature over the report data alone",
      {
        evidence: { ...evidence, signature: Buffer.from(signer.sign(reportData(identity.keysetDigest, NONCE))).toString("hex") },
      },
    ],
  ])("has no signer with %s", (_, changes) => {
    expect(signerOf(changes)).toBeNull();
  });

  it.each<[string, JsonValue]>([
    ["nothing", {}],
    ["no signature", { key_id: "gateway-1" }],
    ["a short signature", { ...evidence, signature: "00" }],
    ["one member more", { ...evidence, more: 1 }],
  ])("is malformed where its evidence has %s", (_, changed) => {
    expect(() => signerOf({ evidence: changed })).toThrow(expect.objectContaining({ code: "FORMAT_INVALID" }));
  });

  it.each<[string, readonly JsonObject[]]>([
    ["an SPKI digest in capitals", [{ spki_sha256: "AB".repeat(32) }]],
    ["a short SPKI digest", [{ spki_sha256: "ab" }]],
    ["a prefixed SPKI digest", [{ spki_sha256: `sha256:${TLS}` }]],
    ["a TLS entry with a member more", [{ spki_sha256: TLS, more: 1 }]],
    ["a TLS entry without a digest", [{ domain: "gateway.example" }]],
  ])("is malformed with %s in its keyset", (_, keys) => {
    expect(() => signerOf({ workload_keyset: { ...keyset, tls_public_keys: keys } })).toThrow(
      expect.objectContaining({ code: "FORMAT_INVALID" }),
    );
  });
});
