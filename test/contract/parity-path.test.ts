import { describe, expect, it } from "vitest";
import { utf8 } from "../../src/core/bytes.ts";
import { digestOf } from "../../src/core/digest.ts";
import { encodeJcs } from "../../src/core/jcs.ts";
import { isJsonObject, type JsonObject, parseJson } from "../../src/core/json.ts";
import { teeAppraiser } from "../../src/paths/tee/evidence/tee-appraiser.ts";
import type { Trust } from "../../src/trust/index.ts";
import { createBundleVerifier, type Verdict, verifyBundle } from "../../src/verify/index.ts";
import { testSigner } from "../fixtures/signer.ts";
import { NOW, startGateway, type TestGateway, trustFor } from "./gateway-fixture.ts";
import { codes, createParityPath, type Malice, makeEvidence, parityAppraiser, parityModel } from "./parity-path.ts";

const legSigner = testSigner("leg", 31);
const authority = testSigner("authority", 32);
const section = { authorities: [{ publicKey: authority.publicKey, because: "a made-up authority of a test" }] };
const trust = trustFor({ parity: section });
const verifyParity = createBundleVerifier([parityAppraiser]);
const verifyBoth = createBundleVerifier([teeAppraiser, parityAppraiser]);

const RULES = `  - id: vouched\n    when: "true"\n    require: { all: [parity] }\n`;
const CLAIMED = `  - id: claimed\n    when: "true"\n    require: { all: [parity], evidence: { from: [] } }\n`;
const TEE = `  - id: attested\n    when: "true"\n    require: { all: [tee] }\n`;

const body = (data: readonly number[], more: object = {}) =>
  JSON.stringify({
    id: "0123456789abcdef0123456789abcdef",
    inputs: [{ name: "x", datatype: "INT32", shape: [data.length], data }],
    ...more,
  });

function start(malice: Malice = {}, rules = RULES): Promise<TestGateway> {
  return startGateway({ paths: [createParityPath({ legSigner, authority, malice })], models: [parityModel], rules, codes });
}

async function answered(gateway: TestGateway, request = body([1, 2, 3, 4])) {
  const response = await gateway.post("/v2/models/parity/infer", request);
  const responseBytes = new Uint8Array(await response.arrayBuffer());
  const id = response.headers.get("x-receipt-id") ?? "";
  return { status: response.status, id, request: utf8(request), response: responseBytes, bundle: await gateway.bundle(id) };
}

const options = { now: NOW, at: null, request: null, response: null, opening: null, allowPending: false };

async function verdictOf(
  malice: Malice,
  changes: { trust?: Trust; bundle?: (document: JsonObject) => JsonObject } = {},
): Promise<Verdict> {
  const { bundle } = await answered(await start(malice));
  const document = parseJson(bundle);
  const shown = isJsonObject(document) && changes.bundle !== undefined ? encodeJcs(changes.bundle(document)) : bundle;
  return verifyParity(shown, changes.trust ?? trust, options);
}

describe("a path that Triseal does not ship", () => {
  it("answers through the gateway, and its bundle verifies", async () => {
    const gateway = await start();
    for (const [data, even] of [
      [[1, 2, 3, 4], true],
      [[1, 2], false],
    ] as const) {
      const { status, request, response, bundle } = await answered(gateway, body(data));
      expect(status).toBe(200);
      expect(JSON.parse(new TextDecoder().decode(response))).toMatchObject({ outputs: [{ name: "even", data: [even] }] });
      for (const verify of [verifyParity, verifyBoth]) {
        const verdict = await verify(bundle, trust, { ...options, request, response });
        expect(verdict).toMatchObject({ outcome: "accepted", code: null, service: "test" });
        expect(verdict.checks.filter(({ status }) => status !== "pass")).toEqual([]);
        expect(verdict.claims.map(({ text }) => text).join("\n")).toContain("a backend that an authority vouches for");
        expect(verdict.waivers).toContainEqual({ entry: "paths.parity.authorities.0", because: "a made-up authority of a test" });
      }
    }
  });

  it("is unsupported by a verifier that does not know it, and never accepted", async () => {
    const { bundle } = await answered(await start());
    expect(await verifyBundle(bundle, trust, options)).toMatchObject({
      outcome: "unsupported",
      code: "LEG_UNSUPPORTED",
      claims: [],
    });
    expect((await createBundleVerifier([])(bundle, trust, options)).outcome).toBe("unsupported");
  });

  it("is refused with its own code, which the receipt says", async () => {
    const refused = await answered(await start(), body([1, 2, 3]));
    expect(refused.status).toBe(422);
    expect(JSON.parse(new TextDecoder().decode(refused.response))).toMatchObject({
      code: "PARITY_ODD_SIZED",
      action: codes.PARITY_ODD_SIZED.action,
    });
    expect(await verifyParity(refused.bundle, trust, options)).toMatchObject({
      outcome: "accepted",
      claims: expect.arrayContaining([expect.objectContaining({ about: "refusal" })]),
    });
  });

  it("gets nothing that policy asks of another path", async () => {
    const denied = await answered(await start({}, TEE));
    expect(denied.status).toBe(503);
    expect(JSON.parse(new TextDecoder().decode(denied.response))).toMatchObject({ code: "PATH_UNAVAILABLE" });
    expect(await verifyParity(denied.bundle, trust, options)).toMatchObject({ outcome: "accepted" });
  });

  it("answers also where policy asks for no evidence", async () => {
    const { status, bundle } = await answered(await start({}, CLAIMED));
    expect(status).toBe(200);
    expect((await verifyParity(bundle, trust, options)).outcome).toBe("accepted");
  });
});

const other = testSigner("other", 33);
const another = digestOf(utf8("another"));
const binding = (change: object): Malice => ({
  statement: (honest) => ({ ...honest, binding: { ...honest.binding, ...change } }),
});

describe("a dishonest backend or operator", () => {
  it.each<[string, string, Malice]>([
    ["names another request", "BINDING_REQUEST_MISMATCH", binding({ requestDigest: another })],
    ["names another response", "BINDING_RESPONSE_MISMATCH", binding({ responseDigest: another })],
    ["names another decision", "BINDING_DECISION_MISMATCH", binding({ decisionDigest: another })],
    ["names another nonce", "BINDING_NONCE_MISMATCH", binding({ nonce: "00".repeat(16) })],
    ["names another model", "BINDING_MODEL_MISMATCH", binding({ modelDigest: another })],
    ["names other facts", "BINDING_FACTS_MISMATCH", { statement: (honest) => ({ ...honest, factsDigest: another }) }],
    ["signs with a key that nobody vouches for", "PARITY_LEG_INVALID", { leg: (honest) => resigned(honest) }],
    [
      "vouches for itself",
      "PARITY_AUTHORITY_UNKNOWN",
      { evidence: () => makeEvidence(legSigner.publicKey, [parityModel.digest], other) },
    ],
    [
      "has no vouching signature",
      "PARITY_EVIDENCE_INVALID",
      { evidence: (honest) => edited(honest, { signature: "00".repeat(64) }) },
    ],
    [
      "is vouched for another model",
      "PARITY_MODEL_UNKNOWN",
      { evidence: () => makeEvidence(legSigner.publicKey, [another], authority) },
    ],
    [
      "is vouched for another key",
      "PARITY_LEG_INVALID",
      { evidence: () => makeEvidence(other.publicKey, [parityModel.digest], authority) },
    ],
    ["signs no leg at all", "PARITY_LEG_MALFORMED", { leg: () => utf8("{}") }],
    [
      "keeps its evidence back",
      "PARITY_EVIDENCE_MISSING",
      { answer: (honest) => ({ ...honest, leg: { ...honest.leg, blobs: [] } }) },
    ],
    [
      "puts another evidence into the receipt",
      "LEG_MISMATCH",
      { answer: (honest) => ({ ...honest, leg: { ...honest.leg, evidenceDigest: another } }) },
    ],
    [
      "calls its evidence something else",
      "LEG_MISMATCH",
      { answer: (honest) => ({ ...honest, leg: { ...honest.leg, evidenceMediaType: "text/plain" } }) },
    ],
    [
      "calls its leg something else",
      "LEG_UNSUPPORTED",
      { answer: (honest) => ({ ...honest, leg: { ...honest.leg, mediaType: "text/plain" } }) },
    ],
    ["forwards other bytes", "BINDING_FORWARDED_MISMATCH", { answer: (honest) => ({ ...honest, forwardedDigest: another }) }],
    ["returns another answer", "BINDING_RESPONSE_MISMATCH", { answer: (honest) => ({ ...honest, body: utf8("{}") }) }],
    [
      "adds a document that nothing cites",
      "BUNDLE_UNUSED_PART",
      { answer: (honest) => ({ ...honest, leg: { ...honest.leg, blobs: [...(honest.leg.blobs ?? []), utf8("more")] } }) },
    ],
  ])("that %s is refused with %s", async (_, code, malice) => {
    const verdict = await verdictOf(malice);
    expect(verdict).toMatchObject({ code, claims: [] });
    expect(verdict.outcome).not.toBe("accepted");
  });

  it("that cites a session is refused: no such path has one", async () => {
    const verdict = await verdictOf({}, { bundle: (document) => ({ ...document, sessions: { ["00".repeat(32)]: {} } }) });
    expect(verdict).toMatchObject({ outcome: "rejected", code: "BUNDLE_UNUSED_PART" });
  });

  it("is refused under every trust file that does not say otherwise", async () => {
    const because = "withdrawn";
    const revoked = (publicKey: string) =>
      trustFor({ parity: section }, { revoked: { keys: [{ publicKey, because }], measurements: [] } });
    for (const [code, changed] of [
      ["PARITY_AUTHORITY_UNKNOWN", trustFor({})],
      ["PARITY_AUTHORITY_UNKNOWN", trustFor({ parity: { authorities: [] } })],
      ["PARITY_AUTHORITY_UNKNOWN", trustFor({ tee: section })],
      ["KEY_REVOKED", revoked(legSigner.publicKey)],
      ["KEY_REVOKED", revoked(authority.publicKey)],
    ] as const) {
      expect(await verdictOf({}, { trust: changed })).toMatchObject({ outcome: "rejected", code });
    }
    expect(await verdictOf({}, { trust: trustFor({ parity: { authorities: "all" } }) })).toMatchObject({
      outcome: "rejected",
      code: "TRUST_FILE_INVALID",
    });
  });
});

function edited(bytes: Uint8Array, change: JsonObject): Uint8Array {
  const document = parseJson(bytes);
  return encodeJcs(isJsonObject(document) ? { ...document, ...change } : document);
}

function resigned(bytes: Uint8Array): Uint8Array {
  return edited(bytes, { signature: Buffer.from(other.sign(bytes)).toString("hex") });
}
