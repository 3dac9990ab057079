/** The route contract, of the made-up path and of the zk path, whose proofs are forged under a known key. */
import { mkdtempSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { utf8 } from "../../src/core/bytes.ts";
import { digestHex, digestOf } from "../../src/core/digest.ts";
import type { InferencePath, ServedModel } from "../../src/paths/path.ts";
import { callerProofAppraiser } from "../../src/paths/zk/evidence/caller-appraiser.ts";
import { openVerifier } from "../../src/paths/zk/evidence/groth16.ts";
import { callerProofRoutes } from "../../src/paths/zk/server/caller-proofs.ts";
import { type CallerProvenModel, documentRoute } from "../../src/paths/zk/server/caller-routes.ts";
import { encodeCallerProof } from "../../src/paths/zk/wire/caller-proof.ts";
import { codes as zkCodes } from "../../src/paths/zk/wire/codes.ts";
import { contextOf } from "../../src/paths/zk/wire/context.ts";
import { devSetup, encodeSetup } from "../../src/paths/zk/wire/setup.ts";
import { standaloneContext } from "../../src/paths/zk/wire/standalone.ts";
import { createBundleVerifier } from "../../src/verify/index.ts";
import { callerDocument } from "../fixtures/caller-proof.ts";
import { testSigner } from "../fixtures/signer.ts";
import { CIRCUIT, honestKey } from "../fixtures/zk-leg.ts";
import { startGateway, type TestGateway, trustFor } from "./gateway-fixture.ts";
import { makeEvidence, codes as parityCodes, parityModel } from "./parity-path.ts";
import { createOwnParityPath, ownDocument, ownParityAppraiser } from "./parity-submission.ts";
import { type ReadChallenge, type RoutesUnderTest, runRouteContract } from "./route.contract.ts";

const signers = { legSigner: testSigner("leg", 31), authority: testSigner("authority", 32) };
const caller = testSigner("caller", 33);
const vouched = makeEvidence(caller.publicKey, [parityModel.digest], signers.authority);
const trusted = { authorities: [{ publicKey: signers.authority.publicKey, because: "a test" }] };

const statementOf = ({ modelDigest, decisionDigest, factsDigest, nonce }: ReadChallenge) => ({
  modelDigest,
  decisionDigest,
  factsDigest,
  nonce,
});

runRouteContract({
  name: "the made-up path",
  challenges: "parity/sums",
  submissions: "parity/own",
  documents: "parity/evidence",
  model: "parity",
  submits: "sum",
  invalid: "PARITY_NOT_SIGNED",
  malformed: "REQUEST_MALFORMED",
  start: (more) =>
    startGateway({
      paths: [createOwnParityPath(signers, vouched, caller.publicKey)],
      models: [parityModel],
      rules: `  - { id: vouched, when: "true", require: { all: [parity] } }\n`,
      codes: parityCodes,
      ...more,
    }),
  document: (challenge) => ownDocument({ ...statementOf(challenge), even: true }, caller),
  tampered: (challenge) => ownDocument({ ...statementOf(challenge), even: true }, signers.legSigner),
  served: { name: digestHex(digestOf(vouched)), bytes: vouched },
  verify: createBundleVerifier([ownParityAppraiser]),
  trust: trustFor({ parity: trusted }),
});

const folder = mkdtempSync(join(tmpdir(), "triseal-routes-"));
afterAll(() => rm(folder, { recursive: true, force: true }));
const zkey = utf8("a proving key");
writeFileSync(join(folder, "model.zkey"), zkey);

const model: CallerProvenModel["model"] = {
  name: "risk",
  version: "1",
  digest: digestOf(utf8("an integer model")),
  inputs: [{ name: "x", datatype: "FP32", shape: [-1, 2] }],
  outputs: [{ name: "y", datatype: "INT32", shape: [-1, 1] }],
};
const setup = devSetup({ modelDigest: model.digest, circuitDigest: CIRCUIT, keyDigest: honestKey.digest });
const proven: CallerProvenModel = {
  model,
  circuit: { outputs: 1 },
  circuitDigest: CIRCUIT,
  setup,
  setupBytes: encodeSetup(setup),
  keyBytes: honestKey.bytes,
  keyDigest: honestKey.digest,
  verifier: openVerifier(honestKey.key),
  publicKeyFile: { file: join(folder, "model.zkey"), digest: digestOf(zkey), byteLength: zkey.length },
};
const confidential: CallerProvenModel = { ...proven, model: { ...model, name: "secret-risk" }, publicKeyFile: null };

/** The zk path without its provers: nothing is computed here. */
function zkPath(): InferencePath {
  const served: readonly ServedModel[] = [model, confidential.model];
  return {
    id: "zk",
    attestedUpstream: false,
    sealed: null,
    models: () => served,
    backends: () => [],
    ready: async () => ({ ready: true }),
    infer: () => Promise.reject(new Error("no prover")),
    confirmer: null,
    contradicted: () => undefined,
    sessions: () => [],
    routes: [...callerProofRoutes([proven, confidential]), documentRoute([proven, confidential])],
    close: async () => undefined,
  };
}

const catalog = [model, confidential.model].map((one) => ({ ...one, platform: "test" }));
const RULES = `  - id: proven
    when: has(request.submits)
    require: { all: [zk], evidence: { accept: [groth16-dev-insecure] } }
`;
const start: RoutesUnderTest["start"] = (more) =>
  startGateway({ paths: [zkPath()], models: catalog, rules: RULES, codes: zkCodes, ...more });

const signed = (challenge: ReadChallenge, context?: bigint) => encodeCallerProof(callerDocument(statementOf(challenge), context));

runRouteContract({
  name: "the zk path",
  challenges: "zk/challenges",
  submissions: "zk/proofs",
  documents: "zk/keys",
  model: "risk",
  submits: "proof",
  invalid: "ZK_PROOF_INVALID",
  malformed: "ZK_SUBMISSION_MALFORMED",
  start,
  document: (challenge) => signed(challenge),
  tampered: (challenge) => {
    const document = callerDocument(statementOf(challenge));
    return encodeCallerProof({ ...document, publicSignals: document.publicSignals.with(1, 6n) });
  },
  served: { name: digestHex(digestOf(zkey)), bytes: zkey },
  verify: createBundleVerifier([callerProofAppraiser]),
  trust: trustFor({
    zk: {
      models: [{ name: "risk", digest: model.digest }],
      keys: [{ digest: honestKey.digest, model: model.digest }],
      setups: [{ state: "dev-insecure", because: "a test" }],
    },
  }),
});

describe("a submitted proof", () => {
  const ask = async (gateway: TestGateway, name = "risk") => {
    const response = await gateway.post("/v1/zk/challenges", JSON.stringify({ model: name, parameters: {} }));
    return (await response.json()) as ReadChallenge & { readonly code?: string };
  };
  const none = digestOf(utf8("{}"));
  const submitted = async (make: (challenge: ReadChallenge) => Uint8Array) => {
    const gateway = await start({});
    const challenge = { ...(await ask(gateway)), factsDigest: none };
    const response = await gateway.post("/v1/zk/proofs", make(challenge));
    return ((await response.json()) as { code?: string }).code;
  };
  const another = digestOf(utf8("another"));
  const binding = (challenge: ReadChallenge) => ({ v: 1 as const, requestDigest: another, ...statementOf(challenge) });

  it.each<[string, string, (challenge: ReadChallenge) => Uint8Array]>([
    ["of another model", "ZK_CONTEXT_MISMATCH", (challenge) => signed({ ...challenge, modelDigest: another })],
    ["under another decision", "ZK_CONTEXT_MISMATCH", (challenge) => signed({ ...challenge, decisionDigest: another })],
    ["on other facts", "ZK_CONTEXT_MISMATCH", (challenge) => signed({ ...challenge, factsDigest: another })],
    ["with a changed context", "ZK_CONTEXT_MISMATCH", (challenge) => signed(challenge, 5n)],
    ["that is a gateway's own", "ZK_CONTEXT_MISMATCH", (challenge) => signed(challenge, contextOf(binding(challenge)))],
    [
      "that is a standalone one",
      "ZK_CONTEXT_MISMATCH",
      (challenge) => signed(challenge, standaloneContext(challenge.modelDigest, new Uint8Array(32))),
    ],
    [
      "with a signal in a second spelling",
      "ZK_SUBMISSION_MALFORMED",
      (challenge) => utf8(new TextDecoder().decode(signed(challenge)).replace('Signals":["77"', 'Signals":["077"')),
    ],
    [
      "with a signal beyond the field",
      "ZK_SUBMISSION_MALFORMED",
      (challenge) =>
        utf8(
          new TextDecoder()
            .decode(signed(challenge))
            .replace(
              'Signals":["77"',
              'Signals":["21888242871839275222246405745257275088548364400416034343698204186575808495694"',
            ),
        ),
    ],
    [
      "with an output that no integer model gives",
      "ZK_SUBMISSION_MALFORMED",
      (challenge) => {
        const { publicSignals, ...rest } = callerDocument(statementOf(challenge));
        const signals = publicSignals.with(1, 2n ** 31n);
        return encodeCallerProof({ ...rest, publicSignals: signals, proof: honestKey.prove(signals) });
      },
    ],
    [
      "with an output more",
      "ZK_PROOF_INVALID",
      (challenge) => {
        const { publicSignals, ...rest } = callerDocument(statementOf(challenge));
        return encodeCallerProof({ ...rest, publicSignals: [0n, ...publicSignals] });
      },
    ],
  ])("%s is refused with %s", async (_, code, make) => {
    expect(await submitted(make)).toBe(code);
  });

  it("is one of a model whose owner hands out the proving key: of no other is anything served", async () => {
    const gateway = await start({});
    expect((await ask(gateway, "secret-risk")).code).toBe("PROVING_KEY_CONFIDENTIAL");
    const secret = { ...proven, publicKeyFile: null };
    const documents = documentRoute([secret]);
    for (const digest of [proven.keyDigest, digestOf(proven.setupBytes), digestOf(zkey)])
      expect(documents.find(digestHex(digest))).toBeNull();
  });

  it("needs the key that was opened: a file that was changed since is not served", async () => {
    writeFileSync(join(folder, "other.zkey"), "another proving key");
    const publicKeyFile = { file: join(folder, "other.zkey"), digest: digestOf(zkey), byteLength: zkey.length };
    const documents = documentRoute([{ ...proven, publicKeyFile }]);
    await expect(documents.find(digestHex(digestOf(zkey)))?.read()).rejects.toMatchObject({ code: "KEY_FILE_INVALID" });
  });
});

describe("an address that a path cannot have", () => {
  it.each([
    ["jobs", "challenges"],
    ["zk", "keys/more"],
    ["zk", ""],
  ])("such as /v1/%s/%s is a fault of the program", async (id, address) => {
    const path = { ...zkPath(), id, routes: [{ kind: "document" as const, address, find: () => null }] };
    await expect(startGateway({ paths: [path], models: [], rules: RULES })).rejects.toMatchObject({ code: "INTERNAL" });
  });
});
