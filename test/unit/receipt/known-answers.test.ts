import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { bindingDigest, decodeBinding } from "../../../src/core/binding.ts";
import { encodeHex, parseHex, utf8 } from "../../../src/core/bytes.ts";
import { digestOf, parseDigest } from "../../../src/core/digest.ts";
import { verifyEd25519 } from "../../../src/core/ed25519.ts";
import { canonicalJson, encodeJcs } from "../../../src/core/jcs.ts";
import { type JsonObject, parseJson } from "../../../src/core/json.ts";
import { decodeCallerFacts, factsDigest } from "../../../src/core/oip.ts";
import { encodeLeaf, leafHash, signCheckpoint, verifyCheckpoint } from "../../../src/log/index.ts";
import {
  decodeWorkerKeyset,
  decodeWorkerStatement,
  workerFilesDigest,
  workerKeysetDigest,
  workerReportData,
} from "../../../src/paths/tee/wire/keyset.ts";
import { parseTeeLeg, signTeeLeg, verifyTeeLeg } from "../../../src/paths/tee/wire/leg.ts";
import {
  encodeSimulatedEvidence,
  parseSimulatedEvidence,
  verifySimulatedEvidence,
} from "../../../src/paths/tee/wire/simulated.ts";
import { parsePolicyStatement, signPolicyStatement, verifyPolicyStatement } from "../../../src/policy/index.ts";
import {
  decodeKeyset,
  decodeReceipt,
  decodeSession,
  keysetDigest,
  parseReceipt,
  receiptDigest,
  receiptKey,
  reportData,
  signReceipt,
  verifyReceiptSignature,
} from "../../../src/receipt/index.ts";
import { seedSigner } from "../../fixtures/signer.ts";

interface Answer {
  readonly document: JsonObject;
  readonly jcs: string;
  readonly digest: string;
}

interface KnownAnswers {
  readonly keys: Readonly<
    Record<"gateway" | "log" | "policy" | "leg" | "platform", { readonly seed: string; readonly publicKey: string }>
  >;
  readonly binding: Answer;
  readonly facts: Answer;
  readonly keyset: Answer & {
    readonly nonce: string;
    readonly reportData: { readonly challenged: string; readonly unchallenged: string };
  };
  readonly workerKeyset: Answer;
  readonly workerFiles: Answer & { readonly document: unknown };
  readonly workerStatement: Answer & { readonly reportData: string };
  readonly simulatedEvidence: Answer & { readonly message: string; readonly signature: string };
  readonly session: Answer & { readonly id: string };
  readonly leg: Answer & { readonly message: string; readonly signature: string };
  readonly policyStatement: Answer & { readonly message: string; readonly signature: string };
  readonly receipt: Answer & { readonly signingInput: string };
  readonly leaf: Answer & { readonly salt: string; readonly leafHash: string };
  readonly checkpoint: { readonly origin: string; readonly note: string };
}

const file = new URL("../../vectors/known-answers.json", import.meta.url);
const known = JSON.parse(readFileSync(file, "utf8")) as KnownAnswers;
const signer = (name: keyof KnownAnswers["keys"], keyId: string) => seedSigner(keyId, parseHex(known.keys[name].seed));

describe("known answers", () => {
  it("have the JCS form and the digest that an independent program gave them", () => {
    const answers = Object.values(known).filter(
      (part): part is Answer => typeof part === "object" && part !== null && "jcs" in part,
    );
    expect(answers).toHaveLength(12);
    for (const { document, jcs, digest } of answers) {
      expect(canonicalJson(document)).toBe(jcs);
      expect(digestOf(utf8(jcs))).toBe(digest);
    }
  });

  it("name the keys of their seeds", () => {
    for (const { seed, publicKey } of Object.values(known.keys))
      expect(seedSigner("x", parseHex(seed)).publicKey).toBe(publicKey);
  });

  it("hold for binding and facts", () => {
    expect(bindingDigest(decodeBinding(known.binding.document, "binding"))).toBe(known.binding.digest);
    expect(factsDigest(decodeCallerFacts(known.facts.document, "facts"))).toBe(known.facts.digest);
  });

  it("hold for the keyset and the report data that binds it", () => {
    const keyset = decodeKeyset(known.keyset.document, "keyset");
    const digest = keysetDigest(keyset);
    expect(digest).toBe(known.keyset.digest);
    expect(encodeHex(reportData(digest, known.keyset.nonce))).toBe(known.keyset.reportData.challenged);
    expect(encodeHex(reportData(digest, null))).toBe(known.keyset.reportData.unchallenged);
    expect(receiptKey(keyset, "gateway-1")).toBe(known.keys.gateway.publicKey);
  });

  it("hold for a worker's keyset, files, statement and simulated evidence", () => {
    expect(workerKeysetDigest(decodeWorkerKeyset(known.workerKeyset.document, "keyset"))).toBe(known.workerKeyset.digest);
    expect(workerFilesDigest(known.workerFiles.document as never)).toBe(known.workerFiles.digest);
    const statement = decodeWorkerStatement(known.workerStatement.document, "statement");
    expect(encodeHex(workerReportData(statement))).toBe(known.workerStatement.reportData);
    const made = encodeSimulatedEvidence(workerReportData(statement), statement.workerDigest, signer("platform", "platform"));
    expect(made).toEqual(utf8(known.simulatedEvidence.jcs));
    expect(verifySimulatedEvidence(parseSimulatedEvidence(made))).toBe(true);
    expect(
      verifyEd25519(
        known.keys.platform.publicKey,
        parseHex(known.simulatedEvidence.message),
        parseHex(known.simulatedEvidence.signature),
      ),
    ).toBe(true);
  });

  it("hold for a session", () => {
    const session = decodeSession(known.session.document);
    expect(session.id).toBe(known.session.id);
    expect(session.evidenceBytes).toEqual(utf8(known.simulatedEvidence.jcs));
    expect(session.evidenceMediaType).toBe("application/json");
  });

  it("hold for a leg", () => {
    const leg = parseTeeLeg(utf8(known.leg.jcs));
    expect(verifyTeeLeg(leg, known.keys.leg.publicKey)).toBe(true);
    expect(signTeeLeg(leg.statement, signer("leg", "leg-1"))).toEqual(utf8(known.leg.jcs));
    expect(verifyEd25519(known.keys.leg.publicKey, parseHex(known.leg.message), parseHex(known.leg.signature))).toBe(true);
  });

  it("hold for a policy statement", () => {
    const signed = parsePolicyStatement(utf8(known.policyStatement.jcs));
    expect(verifyPolicyStatement(signed, known.keys.policy.publicKey)).toBe(true);
    expect(signPolicyStatement(signed.statement, signer("policy", "policy-1"))).toEqual(utf8(known.policyStatement.jcs));
  });

  it("hold for a receipt, its leaf and the checkpoint over it", () => {
    const receipt = parseReceipt(utf8(known.receipt.jcs));
    expect(verifyReceiptSignature(receipt, known.keys.gateway.publicKey)).toBe(true);
    expect(receiptDigest(receipt)).toBe(known.receipt.digest);
    const { signature, ...unsigned } = receipt.document;
    expect(canonicalJson(unsigned)).toBe(known.receipt.signingInput);
    const made = signReceipt(
      {
        receiptId: receipt.receipt_id,
        chatId: receipt.chat_id,
        model: receipt.model,
        keysetDigest: receipt.workload_keyset_digest,
        endpoint: receipt.endpoint,
        method: receipt.method,
        servedAt: receipt.served_at,
        events: receipt.document["event_log"] as readonly JsonObject[],
      },
      signer("gateway", "gateway-1"),
    );
    expect(made.signature).toBe(signature);
    expect(encodeJcs(made.document)).toEqual(utf8(known.receipt.jcs));
    const leaf = encodeLeaf("receipt", receiptDigest(receipt), parseHex(known.leaf.salt));
    expect(leaf).toEqual(utf8(known.leaf.jcs));
    expect(encodeHex(leafHash(leaf))).toBe(known.leaf.leafHash);
    const { origin, note } = known.checkpoint;
    expect(verifyCheckpoint(note, origin, [known.keys.log.publicKey]).checkpoint.root).toEqual(parseHex(known.leaf.leafHash));
    expect(signCheckpoint({ origin, size: 1, root: leafHash(leaf) }, signer("log", "log"))).toBe(note);
  });

  it("hold for any spelling of the same receipt, and for no other content", () => {
    const { document } = parseReceipt(utf8(known.receipt.jcs));
    const reversed = Object.fromEntries(Object.entries(document).reverse());
    for (const spelling of [JSON.stringify(reversed, null, 3), JSON.stringify(document).replace("risk", "\\u0072isk")]) {
      const receipt = parseReceipt(utf8(spelling));
      expect(verifyReceiptSignature(receipt, known.keys.gateway.publicKey)).toBe(true);
      expect(receiptDigest(receipt)).toBe(parseDigest(known.receipt.digest));
    }
    for (const [name, value] of Object.entries({ model: "other", served_at: 1, chat_id: "x", key_id: "y", endpoint: "/" })) {
      expect(verifyReceiptSignature(decodeReceipt({ ...document, [name]: value }), known.keys.gateway.publicKey)).toBe(false);
    }
    expect(verifyReceiptSignature(parseReceipt(encodeJcs(document)), known.keys.log.publicKey)).toBe(false);
    expect(parseJson(utf8(known.receipt.jcs))).toEqual(document);
  });
});
