/** Workers on TDX, on a TPM, and with GPUs: admitted, frozen as a session, judged by a caller and from a bundle. Refusals: `platform-refusal.test.ts`. */
import { beforeAll, describe, expect, it } from "vitest";
import type { JsonObject } from "../../../src/core/json.ts";
import { appraiseSession } from "../../../src/paths/tee/evidence/appraise-session.ts";
import { Admission } from "../../../src/paths/tee/server/admission.ts";
import { createAdmissionAppraisal } from "../../../src/paths/tee/server/appraise-admission.ts";
import { decodeSession } from "../../../src/receipt/session.ts";
import { defaultAppraisers } from "../../../src/verify/appraisers.ts";
import { createBundleVerifier } from "../../../src/verify/index.ts";
import { buildBundle } from "../../fixtures/bundle.ts";
import {
  composite,
  createPlatformScene,
  given,
  NOBODY,
  NONCE,
  type PlatformScene,
  TAKES_TPMS,
  tdx,
  tpm,
} from "../../fixtures/evidence/platform-scene.ts";
import { enrolmentOf, snpEntry, TPM_DEVICE, tdxEntry, tpmEntry } from "../../fixtures/evidence/worker-hardware.ts";
import { PLAIN } from "../../fixtures/verdict.ts";
import { at, type EvidenceChange, serviceEntry, trustIn } from "../../fixtures/world.ts";

let scene: PlatformScene;
beforeAll(async () => {
  scene = await createPlatformScene();
});

/** Accepted kinds: what the worker shows, under which entries, and the facts of a verdict on it. */
interface Accepted {
  readonly name: string;
  /** @param nonce the challenge, which devices answer, too. */
  readonly change: (nonce: string) => EvidenceChange;
  readonly entries: () => readonly JsonObject[];
  readonly facts: Readonly<Record<string, string | boolean>>;
  readonly simulated: boolean;
  /** Reasons of the checks that the entries do not ask for. */
  readonly unasked?: readonly string[];
}

const accepted: readonly Accepted[] = [
  {
    name: "a TDX guest",
    change: () => tdx(),
    entries: () => [tdxEntry()],
    facts: { evidence_type: "tdx", simulated: false, tcb: "up-to-date" },
    simulated: false,
  },
  {
    name: "a TPM whose key a named enroller stated",
    change: () => tpm("tpm2", enrolmentOf({ type: "tpm2" })),
    entries: () => [tpmEntry("tpm2")],
    facts: { evidence_type: "tpm2", simulated: false },
    simulated: false,
  },
  {
    name: "a TPM whose key the trust file names",
    change: () => tpm("tpm2", null),
    entries: () => [tpmEntry("tpm2", { enrollers: undefined, devices: [{ id: TPM_DEVICE }] } as never)],
    facts: { evidence_type: "tpm2", simulated: false },
    simulated: false,
  },
  {
    name: "a TPM in software, where the trust file says that it may be",
    change: () => tpm("tpm2-simulated", enrolmentOf()),
    entries: () => [tpmEntry("tpm2-simulated")],
    facts: { evidence_type: "tpm2-simulated", simulated: true },
    simulated: true,
  },
  {
    name: "a CPU with a GPU",
    change: (nonce) => composite([scene.gpu(0, nonce)]),
    entries: () => [snpEntry(), scene.gpuTrust(0)],
    facts: { evidence_type: "sev-snp", simulated: false, tcb: "up-to-date" },
    simulated: false,
    unasked: ["nonce of the OCSP answers", "driver version", "VBIOS version"].map((name) => `${name}: the policy names none)`),
  },
];

describe.each(accepted)("$name", ({ change, entries, facts, simulated, unasked = [] }) => {
  it("is admitted with its facts, frozen as a session, and appraised from it by a caller", async () => {
    const trust = scene.section(given(entries()));
    const trusted = () => ({ section: trust, revoked: NOBODY });
    const documents: JsonObject[] = [];
    const admitted = new Admission({
      upstreamName: "worker-1",
      fetchEvidence: async (nonce) => {
        const { statement, ...others } = change(nonce);
        return scene.world.worker.evidence({ ...others, statement: (plain) => ({ ...(statement?.(plain) ?? plain), nonce }) });
      },
      appraise: createAdmissionAppraisal({ trusted, clock: () => at(0) }),
      onSession: async (document) => {
        documents.push(document);
      },
      clock: () => at(0),
      maxAgeS: 600,
      onAdmitted: () => {},
      onFailure: () => {},
    });
    const session = await admitted.renew();
    admitted.close();
    expect(Object.fromEntries(session.facts.map(({ name, value }) => [name, value]))).toEqual(facts);
    const [document = {}] = documents;
    expect(decodeSession(document).claims["extra"]).toMatchObject({ evidence_type: facts["evidence_type"] });
    const inputs = { trust, revoked: NOBODY, at: { seconds: at(1), basis: "assertion" } as const, now: at(1) };
    expect((await appraiseSession(document, inputs)).filter(({ status }) => status !== "pass")).toEqual([]);
    const untrusted = await appraiseSession(document, { ...inputs, trust: scene.section([]) });
    expect(untrusted.find(({ status }) => status === "fail")).toBeDefined();
  });

  it("verifies from the bundle, lists what was not checked, and is refused without its entry", async () => {
    const { bundle } = await buildBundle(scene.world, { evidence: change(NONCE), backendFacts: facts, policyText: TAKES_TPMS });
    const verdict = async (evidence: readonly JsonObject[]) => {
      const service = serviceEntry(scene.world);
      service.paths.tee.evidence = given(evidence) as never;
      return await createBundleVerifier(defaultAppraisers)(bundle, trustIn(service), PLAIN);
    };
    const found = await verdict(entries());
    expect([found.outcome, found.code]).toEqual(["accepted", null]);
    const [computed] = found.claims.filter(({ text }) => text.includes("computed by"));
    // The worker's signature over the leg is the weakest part of an attested one.
    expect(computed?.basis).toBe(simulated ? "assertion" : "signature");
    expect(computed?.text.includes("simulated")).toBe(simulated);
    expect(found.checks.some(({ basis }) => basis === "attestation")).toBe(!simulated);
    // What the trust file asks nothing of is listed, with why.
    const skipped = found.checks.filter(({ status, message }) => status === "skipped" && /^(?:cpu|device)/.test(message));
    expect(skipped.map(({ message }) => message.replace(/.*\(/, ""))).toEqual(unasked);
    // The decision rests on a TCB that this auditor does not find.
    const untrusted = facts["tcb"] === undefined ? "EVIDENCE_CHAIN_UNTRUSTED" : "DECISION_BACKEND_MISMATCH";
    const code = simulated ? "TRUST_SIMULATED" : untrusted;
    expect(await verdict([])).toMatchObject({ outcome: "rejected", code });
    const bare = serviceEntry(scene.world).paths.tee.evidence as unknown as JsonObject[];
    expect(await verdict(bare)).toMatchObject({ outcome: "rejected", code });
  });
});
