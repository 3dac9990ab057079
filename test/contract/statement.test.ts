/** Threshold statements through a gateway: taken under a challenge of their own, and told to policy for later requests of the same tenant. */
import { mkdtempSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { utf8 } from "../../src/core/bytes.ts";
import { digestHex, digestOf } from "../../src/core/digest.ts";
import { unixSeconds } from "../../src/core/time.ts";
import type { InferencePath } from "../../src/paths/path.ts";
import { openVerifier } from "../../src/paths/zk/evidence/groth16.ts";
import { statementAppraiser } from "../../src/paths/zk/evidence/statement-appraiser.ts";
import { callerProofRoutes } from "../../src/paths/zk/server/caller-proofs.ts";
import { type CallerProvenModel, documentRoute } from "../../src/paths/zk/server/caller-routes.ts";
import { type KnownSigner, statementRoutes, statementSource } from "../../src/paths/zk/server/statements.ts";
import { encodeCallerProof } from "../../src/paths/zk/wire/caller-proof.ts";
import { codes as zkCodes } from "../../src/paths/zk/wire/codes.ts";
import { parseSetup } from "../../src/paths/zk/wire/setup.ts";
import {
  encodeStatement,
  signCredential,
  THRESHOLD_STATEMENT,
  type UnprovenStatement,
} from "../../src/paths/zk/wire/statement.ts";
import { createBundleVerifier } from "../../src/verify/index.ts";
import { callerDocument } from "../fixtures/caller-proof.ts";
import { testSigner } from "../fixtures/signer.ts";
import {
  BANK,
  bank,
  credentialOf,
  proveStatement,
  statementKey,
  statementSection,
  statementSetup,
  stranger,
} from "../fixtures/statement.ts";
import { CIRCUIT } from "../fixtures/zk-leg.ts";
import { API_KEY, NOW, OTHER_KEY, startGateway, type TestGateway, trustFor } from "./gateway-fixture.ts";
import { createParityPath, parityAppraiser, codes as parityCodes, parityModel } from "./parity-path.ts";
import { type ReadChallenge, runRouteContract } from "./route.contract.ts";

const folder = mkdtempSync(join(tmpdir(), "triseal-statement-"));
afterAll(() => rm(folder, { recursive: true, force: true }));
const zkey = utf8("the statement's proving key");
const zkeyFile = join(folder, "model.zkey");
writeFileSync(zkeyFile, zkey);

const key: CallerProvenModel = {
  model: { ...THRESHOLD_STATEMENT, inputs: [], outputs: [] },
  circuit: { outputs: 0 },
  circuitDigest: CIRCUIT,
  setup: parseSetup(statementSetup),
  setupBytes: statementSetup,
  keyBytes: statementKey.bytes,
  keyDigest: statementKey.digest,
  verifier: openVerifier(statementKey.key),
  publicKeyFile: { file: zkeyFile, digest: digestOf(zkey), byteLength: zkey.length },
};
const authority = testSigner("authority", 32);
const signers: KnownSigner[] = [{ name: BANK, publicKey: bank.publicKey }];

/** The zk path with statements alone, by the clock of a test. */
function statementPath(clock: () => typeof NOW, known: readonly KnownSigner[] = signers): InferencePath {
  const options = { key, signers: known, clock };
  return {
    id: "zk",
    attestedUpstream: false,
    sealed: null,
    models: () => [],
    backends: () => [],
    ready: async () => ({ ready: true }),
    confirmer: null,
    infer: () => Promise.reject(new Error("no prover")),
    contradicted: () => undefined,
    sessions: () => [],
    routes: [...statementRoutes(options), ...callerProofRoutes([key]), documentRoute([key])],
    statements: statementSource(options),
    close: async () => undefined,
  };
}

const RULES = `  - id: stated
    when: has(request.submits) && request.submits == "statement"
    require: { all: [zk], evidence: { accept: [groth16-dev-insecure] } }
  - id: wealthy
    when: >-
      has(request.proven_threshold) && request.proven_threshold >= 10000.0
      && request.proven_unit == "usd" && request.proven_by == "${BANK}"
    require: { all: [parity] }
`;
const trust = trustFor({
  zk: statementSection() as never,
  parity: { authorities: [{ publicKey: authority.publicKey, because: "a test" }] },
});
const verify = createBundleVerifier([statementAppraiser, parityAppraiser]);

const start = (more: { rules?: string; clock?: () => typeof NOW; signers?: readonly KnownSigner[] } = {}) =>
  startGateway({
    paths: [
      statementPath(more.clock ?? (() => NOW), more.signers),
      createParityPath({ legSigner: testSigner("leg", 31), authority }),
    ],
    models: [parityModel],
    rules: RULES,
    codes: { ...zkCodes, ...parityCodes },
    ...more,
  });

function statedUnder(challenge: ReadChallenge, change: Partial<UnprovenStatement> = {}): UnprovenStatement {
  const { modelDigest, decisionDigest, factsDigest, nonce } = challenge;
  const period = { issuedAt: unixSeconds(NOW - 100), notAfter: unixSeconds(NOW + 200_000) };
  const signed = signCredential(credentialOf(period), bank);
  const expiry = unixSeconds(NOW + 3600);
  return { modelDigest, decisionDigest, factsDigest, nonce, threshold: 10_000, expiry, signed, ...change };
}
const documentOf = (challenge: ReadChallenge, change: Partial<UnprovenStatement> = {}) =>
  encodeStatement(proveStatement(statedUnder(challenge, change)));

runRouteContract({
  name: "the threshold statement",
  challenges: "zk/statement-challenges",
  submissions: "zk/statements",
  documents: "zk/keys",
  model: THRESHOLD_STATEMENT.name,
  submits: "statement",
  invalid: "ZK_PROOF_INVALID",
  malformed: "ZK_SUBMISSION_MALFORMED",
  start,
  document: (challenge) => documentOf(challenge),
  tampered: (challenge) => encodeStatement({ ...proveStatement(statedUnder(challenge)), threshold: 10_001 }),
  served: { name: digestHex(digestOf(zkey)), bytes: zkey },
  verify,
  trust,
});

const facts = digestOf(utf8("{}"));
async function ask(gateway: TestGateway): Promise<ReadChallenge> {
  const body = JSON.stringify({ model: THRESHOLD_STATEMENT.name, parameters: {} });
  const response = await gateway.post("/v1/zk/statement-challenges", body);
  return { ...((await response.json()) as ReadChallenge), factsDigest: facts };
}
async function submit(gateway: TestGateway, document: Uint8Array) {
  const response = await gateway.post("/v1/zk/statements", document);
  const { code } = (await response.json()) as { code?: string };
  return { code, id: response.headers.get("x-receipt-id") ?? "none" };
}

describe("a statement", () => {
  const credential = (change: Parameters<typeof credentialOf>[0]) =>
    signCredential(credentialOf({ issuedAt: unixSeconds(NOW - 100), notAfter: unixSeconds(NOW + 200_000), ...change }), bank);
  const forged = signCredential(credentialOf(), stranger);

  it.each<[string, string, Partial<UnprovenStatement>]>([
    ["a credential that its signer did not sign", "ZK_CREDENTIAL_INVALID", { signed: { ...forged, publicKey: bank.publicKey } }],
    ["a signer whom nobody named", "ZK_SIGNER_UNKNOWN", { signed: forged }],
    ["a signer of another name", "ZK_SIGNER_UNKNOWN", { signed: credential({ issuer: "Second Bank" }) }],
    ["a credential of another tenant", "ZK_CREDENTIAL_SUBJECT", { signed: credential({ subject: "other" }) }],
    ["a credential that is not issued yet", "ZK_STATEMENT_EXPIRED", { signed: credential({ issuedAt: unixSeconds(NOW + 1) }) }],
    ["an end that is over", "ZK_STATEMENT_EXPIRED", { expiry: NOW }],
    [
      "an end behind that of its credential",
      "ZK_STATEMENT_EXPIRED",
      { signed: credential({ notAfter: unixSeconds(NOW + 3599) }) },
    ],
    ["an end that is too far", "ZK_STATEMENT_EXPIRED", { expiry: unixSeconds(NOW + 86_401) }],
    ["another model", "ZK_CONTEXT_MISMATCH", { modelDigest: facts }],
    ["another decision", "ZK_CONTEXT_MISMATCH", { decisionDigest: facts }],
  ])("with %s is refused with %s", async (_, code, change) => {
    const gateway = await start();
    expect((await submit(gateway, documentOf(await ask(gateway), change))).code).toBe(code);
  });

  it("is taken under a challenge of its own kind alone", async () => {
    const gateway = await start();
    const challenge = await ask(gateway);
    const { modelDigest, decisionDigest, nonce } = challenge;
    const proof = encodeCallerProof(callerDocument({ modelDigest, decisionDigest, factsDigest: facts, nonce }));
    const taken = await gateway.post("/v1/zk/proofs", proof);
    expect(await taken.json()).toMatchObject({ code: "CHALLENGE_UNKNOWN" });
    const asked = await gateway.post("/v1/zk/challenges", JSON.stringify({ model: THRESHOLD_STATEMENT.name, parameters: {} }));
    expect(await asked.json()).toMatchObject({ code: "POLICY_DENIED" });
  });
});

describe("a request that cites a statement", () => {
  const body = (statement?: string) =>
    JSON.stringify({
      id: "0123456789abcdef0123456789abcdef",
      parameters: statement === undefined ? {} : { statement },
      inputs: [{ name: "x", datatype: "INT32", shape: [2], data: [1, 2] }],
    });
  async function infer(gateway: TestGateway, statement?: string, apiKey = API_KEY) {
    const response = await gateway.post("/v2/models/parity/infer", body(statement), { authorization: `Bearer ${apiKey}` });
    const { code } = (await response.json()) as { code?: string };
    return { status: response.status, code, id: response.headers.get("x-receipt-id") ?? "none" };
  }
  const options = { now: NOW, at: null, request: null, response: null, opening: null, allowPending: false };

  it("is allowed by what that proves, and its bundle shows the statement and verifies by itself", async () => {
    const gateway = await start();
    expect(await infer(gateway)).toMatchObject({ status: 403, code: "POLICY_DENIED" });
    const { id } = await submit(gateway, documentOf(await ask(gateway)));
    const answered = await infer(gateway, id);
    expect(answered.status).toBe(200);
    const bundle = await gateway.bundle(answered.id);
    const verdict = await verify(bundle, trust, options);
    expect(verdict.checks.filter(({ status }) => status === "fail")).toEqual([]);
    expect(verdict.outcome).toBe("accepted");
    expect(verdict.claims.map(({ text }) => text).join("\n")).toContain(
      "acme has a balance of at least 10000 usd, says First Bank",
    );
    expect(verdict.waivers).toContainEqual({ entry: "paths.zk.signers.0", because: "a made-up bank of a test" });
    const strict = trustFor({
      zk: { ...statementSection(), signers: [] } as never,
      parity: trust.services[0]?.paths["parity"] as never,
    });
    expect(await verify(bundle, strict, options)).toMatchObject({ outcome: "rejected", code: "ZK_SIGNER_UNKNOWN" });
    expect(await createBundleVerifier([parityAppraiser])(bundle, trust, options)).toMatchObject({
      outcome: "rejected",
      code: "STATEMENT_MISMATCH",
    });
  });

  it("is denied by policy where too little was proven, and its refusal shows why", async () => {
    const gateway = await start();
    const { id } = await submit(gateway, documentOf(await ask(gateway), { threshold: 9_999 }));
    const denied = await infer(gateway, id);
    expect(denied).toMatchObject({ status: 403, code: "POLICY_DENIED" });
    expect(await verify(await gateway.bundle(denied.id), trust, options)).toMatchObject({ outcome: "accepted" });
  });

  it("is refused for a receipt of nobody, of another tenant, or of something else", async () => {
    const gateway = await start();
    const { id } = await submit(gateway, documentOf(await ask(gateway)));
    expect(await infer(gateway, id, OTHER_KEY)).toMatchObject({ status: 404, code: "STATEMENT_UNKNOWN" });
    const refused = await infer(gateway, `rcpt-${"0".repeat(32)}`);
    expect(refused).toMatchObject({ status: 404, code: "STATEMENT_UNKNOWN" });
    expect(await verify(await gateway.bundle(refused.id), trust, options)).toMatchObject({ outcome: "accepted" });
    expect(await infer(gateway, refused.id)).toMatchObject({ code: "STATEMENT_UNKNOWN" });
    expect(await infer(gateway, (await infer(gateway, id)).id)).toMatchObject({ code: "STATEMENT_UNKNOWN" });
    expect(await infer(gateway, "everything")).toMatchObject({ status: 400, code: "REQUEST_MALFORMED" });
  });

  it("is refused once the statement ended, or its signer was withdrawn", async () => {
    let now = NOW;
    const known = [...signers];
    const gateway = await start({ clock: () => now, signers: known });
    const { id } = await submit(gateway, documentOf(await ask(gateway), { expiry: unixSeconds(NOW + 60) }));
    now = unixSeconds(NOW + 59);
    expect((await infer(gateway, id)).status).toBe(200);
    now = unixSeconds(NOW + 60);
    expect(await infer(gateway, id)).toMatchObject({ status: 410, code: "STATEMENT_EXPIRED" });
    now = NOW;
    known.length = 0;
    expect(await infer(gateway, id)).toMatchObject({ code: "STATEMENT_UNKNOWN" });
  });
});
