/** The vectors that the ACI project publishes. They are read from beside the repository, and are not part of it. */
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { encodeHex, utf8 } from "../../../src/core/bytes.ts";
import { digestOf, parseDigest } from "../../../src/core/digest.ts";
import { canonicalJson } from "../../../src/core/jcs.ts";
import { isJsonObject, type JsonObject, parseJson } from "../../../src/core/json.ts";
import {
  decodeKeyset,
  decodeReport,
  decodeSession,
  eventOf,
  keysetDigest,
  parseReceipt,
  receiptKey,
  reportData,
  verifyReceiptSignature,
} from "../../../src/receipt/index.ts";
import { seedSigner } from "../../fixtures/signer.ts";

const folder = new URL("../../../../shared/vectors/attestation/aci/", import.meta.url);
const present = existsSync(folder);
if (!present) console.log("skipped: the published ACI vectors are not beside this repository");

const read = (name: string): string => (present ? readFileSync(new URL(name, folder), "utf8") : "");
/** The ```text blocks of the document, in order. */
const blocks = [...read("test-vectors.md").matchAll(/```text\n([\s\S]*?)\n```/g)].map((match) => match[1] ?? "");

/** The one block that starts with `start`. */
function block(start: string): string {
  const found = blocks.filter((text) => text.startsWith(start));
  if (found.length === 0) throw new Error(`no block starts with ${start}`);
  return found[0] ?? "";
}

const published = (start: string): string => (block(start).split("=")[1] ?? "").trim();
const object = (text: string): JsonObject => {
  const value = parseJson(text);
  if (!isJsonObject(value)) throw new Error("not an object");
  return value;
};

describe.skipIf(!present)("the published ACI vectors", () => {
  it("give the keyset digest", () => {
    const text = block('{"e2ee_public_keys"');
    const keyset = decodeKeyset(object(text), "keyset");
    expect(canonicalJson(object(text))).toBe(text);
    expect(keysetDigest(keyset)).toBe(published("workload_keyset_digest"));
    expect(receiptKey(keyset, "receipt-1")).toBe(seedSigner("receipt-1", new Uint8Array(32).fill(2)).publicKey);
    expect(receiptKey(keyset, "e2ee-1")).toBeNull();
  });

  it("give the report data with and without a nonce", () => {
    const digest = parseDigest(published("workload_keyset_digest"));
    const nonce = encodeHex(Uint8Array.from({ length: 32 }, (_, index) => index));
    const values = blocks.filter((text) => text.startsWith("report_data")).map((text) => text.split("=").at(-1)?.trim());
    expect([encodeHex(reportData(digest, nonce)), encodeHex(reportData(digest, null))]).toEqual(values);
  });

  it("give the session id", () => {
    const text = block('{"api_version":"aci/1","channel_binding"');
    const session = decodeSession(object(text));
    expect(session.id).toBe(published("session_id"));
    expect(canonicalJson(session.document)).toBe(text);
    expect(session.evidenceBytes).toEqual(utf8("example-evidence"));
  });

  it("give the receipt's signature, over the receipt in any spelling", () => {
    const served =
      blocks.filter((text) => text.startsWith('{"api_version":"aci/1","chat_id"')).find((text) => text.includes('"signature"')) ??
      "";
    const key = receiptKey(decodeKeyset(object(block('{"e2ee_public_keys"')), "keyset"), "receipt-1") ?? "";
    for (const spelling of [served, JSON.stringify(object(served), null, 2)]) {
      const receipt = parseReceipt(utf8(spelling));
      expect(receipt.signature).toBe(published("signature"));
      expect(verifyReceiptSignature(receipt, key)).toBe(true);
    }
    const receipt = parseReceipt(utf8(served));
    const { signature: _, ...unsigned } = receipt.document;
    expect(digestOf(utf8(canonicalJson(unsigned)))).toBe(`sha256:${published("sha256(signing input)")}`);
    expect(eventOf(receipt, "upstream.verified")?.session_id).toBe(published("session_id"));
    const changed = served.replace("1750000000", "1750000001");
    expect(verifyReceiptSignature(parseReceipt(utf8(changed)), key)).toBe(false);
  });

  it("hold a report whose keyset has the digest that it names", () => {
    const report = decodeReport(object(read("aci_report.json")), "report");
    const digest = keysetDigest(report.attestation.workload_keyset);
    expect(digest).toBe(report.workload_keyset_digest);
    const other = { ...report.attestation.workload_keyset, not_after: report.attestation.workload_keyset.not_after + 1 };
    expect(keysetDigest(other)).not.toBe(digest);
  });
});
