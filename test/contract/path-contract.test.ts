import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll } from "vitest";
import { encodeHex, parseHex, utf8 } from "../../src/core/bytes.ts";
import { digestOf } from "../../src/core/digest.ts";
import type { JsonObject } from "../../src/core/json.ts";
import { readPackage } from "../../src/model/read/read-package.ts";
import { teeClient } from "../../src/paths/tee/client/tee-client.ts";
import { teeAppraiser } from "../../src/paths/tee/evidence/tee-appraiser.ts";
import { createAdmissionAppraisal } from "../../src/paths/tee/server/appraise-admission.ts";
import { compileCircuit } from "../../src/paths/zk/compile/circuit.ts";
import { zkAppraiser } from "../../src/paths/zk/evidence/zk-appraiser.ts";
import { makeDevKey } from "../../src/paths/zk/server/make-dev-key.ts";
import { snarkjsProgram } from "../../src/paths/zk/server/prover-programs.ts";
import { openProvingModels } from "../../src/paths/zk/server/proving-model.ts";
import { createZkPath } from "../../src/paths/zk/server/zk-path.ts";
import { verificationKeyDigest } from "../../src/paths/zk/wire/documents.ts";
import { encodeR1cs } from "../../src/paths/zk/wire/r1cs.ts";
import { devSetup } from "../../src/paths/zk/wire/setup.ts";
import { readVerificationKey } from "../../src/paths/zk/wire/zkey.ts";
import { clock, createWorkplace, oipBody, startPath, type Workplace } from "../e2e/worker-harness.ts";
import { seedSigner, testSigner } from "../fixtures/signer.ts";
import { NOW } from "./gateway-fixture.ts";
import { createParityPath, parityAppraiser, parityModel } from "./parity-path.ts";
import { runPathContract } from "./path.contract.ts";

const authority = testSigner("authority", 32);

runPathContract({
  name: "the made-up path `parity`",
  skip: null,
  newClient: null,
  newAppraiser: () => parityAppraiser,
  newPath: async () => ({
    path: createParityPath({ legSigner: testSigner("leg", 31), authority }),
    model: parityModel,
    body: (parameters) => {
      const id = encodeHex(crypto.getRandomValues(new Uint8Array(16)));
      return utf8(JSON.stringify({ id, parameters, inputs: [{ name: "x", datatype: "INT32", shape: [2], data: [1, 2] }] }));
    },
    trust: { authorities: [{ publicKey: authority.publicKey, because: "a test" }] },
    clock: () => NOW,
    ready: async () => undefined,
  }),
});

const MODELS = fileURLToPath(new URL("../../models/", import.meta.url));
let keys = "";

runPathContract({
  name: "the zk path, with a prover of its own",
  skip: null,
  newClient: null,
  newAppraiser: () => zkAppraiser,
  newPath: async () => {
    const [, form] = await readPackage(join(MODELS, "breast-cancer-logistic"));
    if (form?.integer == null) throw new Error("no integer form");
    const { checked, answers } = form.integer;
    const circuit = compileCircuit(checked);
    const circuitDigest = digestOf(encodeR1cs(circuit.system));
    keys = await mkdtemp(join(tmpdir(), "triseal-zk-"));
    const zkeyFile = join(keys, "model.zkey");
    const zkey = await makeDevKey(circuit.system, () => undefined);
    await writeFile(zkeyFile, zkey);
    const keyDigest = verificationKeyDigest(readVerificationKey(zkey).key);
    const setup = devSetup({ modelDigest: checked.digest, circuitDigest, keyDigest });
    const provingKey = "public" as const;
    const source = { model: form.model, checked, answers, circuit, circuitDigest, setup, zkey, zkeyFile, provingKey };
    const built = (name: string) => fileURLToPath(new URL(`../../dist/src/paths/zk/${name}.js`, import.meta.url));
    const programs = {
      prover: (file: string) => snarkjsProgram(built("snarkjs/main"), file),
      witness: built("server/witness-thread"),
    };
    const limits = { workers: 1, memoryMib: 2048, maxQueued: 8 };
    const models = await openProvingModels([source], programs, limits);
    return {
      path: createZkPath({ models, claims: [], timeoutMs: 60_000, maxTensorElements: 1000, statement: null }),
      model: form.model,
      body: (parameters) => {
        const id = encodeHex(crypto.getRandomValues(new Uint8Array(16)));
        const data = Array<number>(30).fill(0.5);
        return utf8(JSON.stringify({ id, parameters, inputs: [{ name: "features", datatype: "FP32", shape: [1, 30], data }] }));
      },
      trust: {
        models: [{ name: form.model.name, digest: checked.digest }],
        keys: [{ digest: keyDigest, model: checked.digest }],
        setups: [{ state: "dev-insecure", because: "a test" }],
      },
      programs: new Map([[checked.digest, { circuitDigest, committed: null }]]),
      clock: () => NOW,
      ready: async () => undefined,
    };
  },
});

afterAll(() => rm(keys, { recursive: true, force: true }));

let place: Workplace | null = null;

runPathContract({
  name: "the tee path, with a worker of its own",
  skip: null,
  newClient: () => teeClient,
  newAppraiser: () => teeAppraiser,
  newPath: async () => {
    place = await createWorkplace();
    const seed = parseHex((await readFile(join(place.folder, "platform.seed"), "utf8")).trim());
    const any = { accept: "any", because: "a test" };
    const trust = {
      evidence: [{ type: "simulated", platformKeys: [seedSigner("platform", seed).publicKey], because: "a test" }],
      workers: any,
      models: any,
    };
    const revoked = { keys: new Set<string>(), measurements: new Set<string>() };
    const { path } = startPath(place, {
      appraise: createAdmissionAppraisal({ trusted: () => ({ section: trust, revoked }), clock }),
    });
    const model = place.packages.get("root");
    if (model === undefined) throw new Error("no model `root`");
    return {
      path,
      model,
      body: (parameters) =>
        oipBody([{ name: "x", datatype: "FP32", shape: [1], data: [9] }], { parameters: { ...parameters } as JsonObject }),
      trust,
      clock,
      ready: () => path.admitted(AbortSignal.timeout(60_000)),
    };
  },
});

afterAll(() => place?.remove());
