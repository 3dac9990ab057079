/** Hardware evidence of a worker, from package to admission, SDK and bundle: accepted as the trust file says, and refused with its code. */
import { beforeAll, describe, expect, it } from "vitest";
import { digestOfJson } from "../../../src/core/digest.ts";
import type { JsonObject } from "../../../src/core/json.ts";
import { parseJson } from "../../../src/core/json.ts";
import { appraiseWorker, teeChecklist } from "../../../src/paths/tee/evidence/appraise-worker.ts";
import { signReference } from "../../../src/paths/tee/evidence/platform/reference-values.ts";
import { parseTeeTrust } from "../../../src/paths/tee/evidence/trust-section.ts";
import { createAdmissionAppraisal } from "../../../src/paths/tee/server/appraise-admission.ts";
import { type DeviceEvidence, deviceEvidenceDigest } from "../../../src/paths/tee/wire/platform-evidence.ts";
import { defaultAppraisers } from "../../../src/verify/appraisers.ts";
import { createBundleVerifier } from "../../../src/verify/index.ts";
import { buildBundle } from "../../fixtures/bundle.ts";
import { SNP_FLOOR, snpEntry, snpHardware } from "../../fixtures/evidence/worker-hardware.ts";
import { testSigner } from "../../fixtures/signer.ts";
import { PLAIN } from "../../fixtures/verdict.ts";
import { at, createWorld, type EvidenceChange, serviceEntry, trustIn, type World } from "../../fixtures/world.ts";

let world: World;
beforeAll(async () => {
  world = await createWorld();
});

const NOBODY = { keys: new Set<string>(), measurements: new Set<string>() };
const SNP = { type: "sev-snp", hardware: snpHardware() };

function section(entries: readonly JsonObject[], more: JsonObject = {}): JsonObject {
  const { workers, models } = serviceEntry(world).paths.tee;
  return { evidence: entries, workers, models, ...more };
}

async function codes(change: EvidenceChange, trust = section([snpEntry()])): Promise<readonly string[]> {
  const checks = teeChecklist();
  const inputs = { trust, revoked: NOBODY, at: { seconds: at(0), basis: "assertion" } as const };
  await appraiseWorker(world.worker.evidence(change), inputs, checks);
  const failed = checks.all().filter(({ status }) => status === "fail");
  return [...new Set(failed.map(({ code }) => code ?? ""))];
}

const hardware = (...given: Parameters<typeof snpHardware>): EvidenceChange => ({
  type: "sev-snp",
  hardware: snpHardware(...given),
});
const device = (report: number): DeviceEvidence => ({
  kind: "nvidia-gpu",
  evidence: new Map([["report", Uint8Array.of(report)]]),
  endorsements: new Map(),
});

describe("hardware evidence of a worker", () => {
  it("is accepted where the trust file names root, measurements and TCB", async () => {
    expect(await codes(SNP)).toEqual([]);
  });

  const refused: readonly (readonly [string, EvidenceChange, JsonObject | null, readonly string[]])[] = [
    ["of a type that the trust file does not name", SNP, null, ["EVIDENCE_CHAIN_UNTRUSTED"]],
    ["of a debug guest", hardware({ set: { [0x0a]: [0x0b] } }), snpEntry(), ["EVIDENCE_DEBUG_ENABLED"]],
    ["at another privilege level", hardware({ set: { [0x30]: [2] } }), snpEntry(), ["EVIDENCE_VMPL_MISMATCH"]],
    ["with a TCB below the floor", SNP, snpEntry({ tcb: { ...SNP_FLOOR, snp: 25 } }), ["EVIDENCE_TCB_OUT_OF_DATE"]],
    ["without its list of revoked certificates", hardware({}, [], ["crl"]), snpEntry(), ["EVIDENCE_COLLATERAL_MISSING"]],
    ["of a chip that is not named", SNP, snpEntry({ devices: [{ id: "00".repeat(64) }] }), ["EVIDENCE_CHAIN_UNTRUSTED"]],
    ["that is no frozen evidence", { type: "sev-snp" }, snpEntry(), ["EVIDENCE_MALFORMED"]],
    ["of a kind that nobody knows", { ...SNP, type: "sgx" }, snpEntry(), ["EVIDENCE_UNSUPPORTED"]],
    ["of a device in the place of the CPU", { ...SNP, type: "nvidia-gpu" }, snpEntry(), ["EVIDENCE_UNSUPPORTED"]],
    ["for another statement", hardware({ reportData: new Uint8Array(64) }), snpEntry(), ["EVIDENCE_REPORT_DATA_MISMATCH"]],
    [
      "with another measurement",
      SNP,
      snpEntry({ measurements: [{ registers: { measurement: "ab".repeat(48) } }] }),
      ["EVIDENCE_MEASUREMENT_MISMATCH"],
    ],
    [
      "with registers of two accepted images",
      SNP,
      snpEntry({
        measurements: [
          { registers: { measurement: "aa".repeat(48), hostData: "cc".repeat(32) } },
          { registers: { measurement: "cc".repeat(48), hostData: "bb".repeat(32) } },
        ],
      }),
      ["EVIDENCE_MEASUREMENT_MISMATCH"],
    ],
  ];
  it.each(refused)("%s is refused", async (_, change, entry, expected) => {
    expect(await codes(change, section(entry === null ? [] : [entry]))).toEqual(expected);
  });

  it("under no root but the vendor's is refused", async () => {
    const { roots: _, ...builtIn } = snpEntry();
    expect(await codes(SNP, section([builtIn]))).toEqual(["EVIDENCE_CHAIN_UNTRUSTED"]);
  });

  it("with a withdrawn measurement or chip is refused", async () => {
    const chip = Buffer.from(Array.from({ length: 64 }, (_, index) => index + 1)).toString("hex");
    for (const value of ["aa".repeat(48), chip])
      expect(await codes(SNP, section([snpEntry()], { withdrawn: [{ value, reason: "a test" }] }))).toEqual([
        "MEASUREMENT_REVOKED",
      ]);
  });

  it("with a keyset that is not the statement's is refused", async () => {
    const keyset = { ...world.worker.keyset, subject: "someone" };
    expect(await codes({ ...SNP, keyset })).toEqual(["EVIDENCE_KEY_BINDING_INVALID"]);
  });

  it("with device evidence of another machine is refused, and so is a device that is left out or not named", async () => {
    const named = { type: "nvidia-gpu", devices: { accept: "any", because: "a test" } };
    const trust = section([snpEntry(), named]);
    const stated =
      (parts: readonly DeviceEvidence[]): EvidenceChange["statement"] =>
      (plain) => ({
        ...plain,
        gpuEvidenceDigest: deviceEvidenceDigest(parts),
      });
    const spliced = { ...hardware({}, [device(2)]), statement: stated([device(1)]) } as EvidenceChange;
    expect(await codes(spliced, trust)).toContain("EVIDENCE_KEY_BINDING_INVALID");
    const leftOut = { ...SNP, statement: stated([device(1)]) } as EvidenceChange;
    expect(await codes(leftOut, trust)).toEqual(["EVIDENCE_KEY_BINDING_INVALID"]);
    const unnamed = { ...hardware({}, [device(1)]), statement: stated([device(1)]) } as EvidenceChange;
    expect(await codes(unnamed)).toEqual(["EVIDENCE_CHAIN_UNTRUSTED"]);
    expect(await codes(unnamed, trust)).toContain("EVIDENCE_MALFORMED");
  });
});

describe("a trust entry about hardware", () => {
  const bad = expect.objectContaining({ code: "TRUST_FILE_INVALID" });
  it.each([
    ["without measurements", { measurements: undefined }],
    ["without a floor", { tcb: undefined }],
    ["with an empty floor", { tcb: {} }],
    ["with a permission in the floor", { tcb: { ...SNP_FLOOR, allowDebug: true } }],
    ["with the floor of one part alone", { tcb: { snp: SNP_FLOOR["snp"] ?? 0 } }],
    ["with an empty set", { measurements: [{ registers: {} }] }],
    ["with a register of another type", { measurements: [{ registers: { mrtd: "00" } }] }],
    ["with any measurement and no reason", { measurements: { accept: "any" } }],
    ["with a weakness that nobody knows", { weaknesses: [{ accept: "everything", because: "a test" }] }],
    ["with a weakness without a reason", { weaknesses: [{ accept: "debug" }] }],
    ["with a policy member that may not be set", { require: { allowDebug: true } }],
    ["with a root that is no certificate", { roots: [{ certificate: "AAAA", because: "a test" }] }],
    ["that cites reference values which are not there", { measurements: { reference: `sha256:${"0".repeat(64)}` } }],
    ["of an unknown type", { type: "sgx" }],
  ])("%s is refused", (_, change) => {
    const entry = Object.fromEntries(Object.entries({ ...snpEntry(), ...change }).filter(([, value]) => value !== undefined));
    expect(() => parseTeeTrust(section([entry as JsonObject]))).toThrow(bad);
  });

  it("named twice is refused", () => {
    expect(() => parseTeeTrust(section([snpEntry(), snpEntry()]))).toThrow(bad);
  });

  it("takes measurements from signed reference values, of the named key and digest only", async () => {
    const signer = testSigner("reference", 77);
    const evidence = [{ type: "sev-snp", measurements: [{ registers: { measurement: "aa".repeat(48) } }] }];
    const document = parseJson(signReference({ name: "build 7", issuedAt: 1, evidence, withdrawn: [] }, signer)) as JsonObject;
    const digest = digestOfJson(document);
    const entry = snpEntry({ measurements: { reference: digest } });
    const cite = (change: JsonObject) =>
      section([entry], { references: [{ digest, publicKey: signer.publicKey, document, ...change }] });
    expect(await codes(SNP, cite({}))).toEqual([]);
    for (const change of [
      { publicKey: testSigner("other", 78).publicKey },
      { digest: `sha256:${"1".repeat(64)}` },
      { document: { ...document, signature: "00".repeat(64) } },
      { document: { ...document, reference: { ...(document["reference"] as JsonObject), name: "x" } } },
    ])
      expect(() => parseTeeTrust(cite(change))).toThrow(bad);
  });
});

describe("admission and bundle", () => {
  it("admit the worker with its facts, and refuse it with the code of the evidence", async () => {
    const nonce = "5a".repeat(32);
    const admit = (entry: JsonObject) =>
      createAdmissionAppraisal({ trusted: () => ({ section: section([entry]), revoked: NOBODY }), clock: () => at(0) });
    const admitted = await admit(snpEntry())(world.worker.evidence(SNP), nonce);
    expect(admitted).toMatchObject({ ok: true });
    expect(admitted.ok && admitted.facts.map(({ name, value }) => [name, value])).toEqual([
      ["evidence_type", "sev-snp"],
      ["simulated", false],
      ["tcb", "up-to-date"],
    ]);
    const old = await admit(snpEntry({ tcb: { ...SNP_FLOOR, snp: 25 } }))(world.worker.evidence(SNP), nonce);
    expect(old).toMatchObject({ ok: false, code: "EVIDENCE_TCB_OUT_OF_DATE" });
    expect(await admit(snpEntry())(world.worker.evidence(SNP), "00".repeat(32))).toMatchObject({
      code: "EVIDENCE_NONCE_MISMATCH",
    });
  });

  it("verify offline with what the bundle holds, and not without the root", async () => {
    const backendFacts = { evidence_type: "sev-snp", simulated: false, tcb: "up-to-date" };
    const { bundle } = await buildBundle(world, { evidence: SNP, backendFacts });
    const verdict = async (entry: JsonObject) => {
      const service = serviceEntry(world);
      service.paths.tee.evidence = [entry as never];
      return await createBundleVerifier(defaultAppraisers)(bundle, trustIn(service), PLAIN);
    };
    const accepted = await verdict(snpEntry());
    expect([accepted.outcome, accepted.code]).toEqual(["accepted", null]);
    const { roots: _, ...builtIn } = snpEntry();
    expect(await verdict(builtIn)).toMatchObject({ outcome: "rejected", code: "EVIDENCE_CHAIN_UNTRUSTED" });
    expect(await verdict(snpEntry({ tcb: { ...SNP_FLOOR, snp: 25 } }))).toMatchObject({ code: "EVIDENCE_TCB_OUT_OF_DATE" });
  });
});
