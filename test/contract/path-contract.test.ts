import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll } from "vitest";
import { encodeHex, parseHex, utf8 } from "../../src/core/bytes.ts";
import type { JsonObject } from "../../src/core/json.ts";
import { teeClient } from "../../src/paths/tee/client/tee-client.ts";
import { teeAppraiser } from "../../src/paths/tee/evidence/tee-appraiser.ts";
import { createAdmissionAppraisal } from "../../src/paths/tee/server/appraise-admission.ts";
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
