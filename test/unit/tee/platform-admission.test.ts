/** Workers on TDX, on a TPM, and with GPUs: admitted, frozen as a session, judged by a caller and from a bundle; each is refused with its code. */
import { beforeAll, describe, expect, it } from "vitest";
import { encodeHex, parseHex, parseUtf8, utf8 } from "../../../src/core/bytes.ts";
import { digestOf } from "../../../src/core/digest.ts";
import type { JsonObject } from "../../../src/core/json.ts";
import { appraiseSession } from "../../../src/paths/tee/evidence/appraise-session.ts";
import { parseTeeTrust } from "../../../src/paths/tee/evidence/trust-section.ts";
import { Admission } from "../../../src/paths/tee/server/admission.ts";
import { createAdmissionAppraisal } from "../../../src/paths/tee/server/appraise-admission.ts";
import { type DeviceEvidence, deviceEvidenceDigest } from "../../../src/paths/tee/wire/platform-evidence.ts";
import { decodeSession } from "../../../src/receipt/session.ts";
import { defaultAppraisers } from "../../../src/verify/appraisers.ts";
import { createBundleVerifier } from "../../../src/verify/index.ts";
import { buildBundle } from "../../fixtures/bundle.ts";
import { createGpuWorld, type GpuWorld } from "../../fixtures/evidence/gpu.ts";
import { level } from "../../fixtures/evidence/tdx.ts";
import { PCRS } from "../../fixtures/evidence/tpm.ts";
import {
  enroller,
  enrolmentOf,
  gpuDevice,
  gpuEntry,
  snpEntry,
  snpHardware,
  TPM_DEVICE,
  tdxEntry,
  tdxHardware,
  tpmEntry,
  tpmHardware,
} from "../../fixtures/evidence/worker-hardware.ts";
import { testSigner } from "../../fixtures/signer.ts";
import { PLAIN } from "../../fixtures/verdict.ts";
import { at, createWorld, type EvidenceChange, POLICY_TEXT, START, serviceEntry, trustIn, type World } from "../../fixtures/world.ts";

let world: World;
let gpus: readonly GpuWorld[];
beforeAll(async () => {
  world = await createWorld();
  gpus = [createGpuWorld(), createGpuWorld()];
});

const NOBODY = { keys: new Set<string>(), measurements: new Set<string>() };
const NONCE = "5a".repeat(32);
const because = "a test";

function section(entries: readonly JsonObject[], more: JsonObject = {}): JsonObject {
  const { workers, models } = serviceEntry(world).paths.tee;
  return { evidence: entries, workers, models, ...more };
}

/** The one GPU of machine `machine`, asked with `nonce`. */
function gpu(machine: number, nonce = NONCE): DeviceEvidence {
  const found = gpus[machine];
  if (found === undefined) throw new Error("no such machine");
  return gpuDevice(found, parseHex(nonce), START);
}
const gpuTrust = (machine: number, changes: JsonObject = {}) => gpuEntry(gpus[machine] ?? createGpuWorld(), changes);

/** A CPU's report with devices, of which the statement names `stated`. */
function composite(devices: readonly DeviceEvidence[], stated = devices): EvidenceChange {
  return {
    type: "sev-snp",
    hardware: snpHardware({}, devices),
    statement: (plain) => ({ ...plain, gpuEvidenceDigest: deviceEvidenceDigest(stated) }),
  };
}

const tdx = (...given: Parameters<typeof tdxHardware>): EvidenceChange => ({ type: "tdx", hardware: tdxHardware(...given) });
const tpm = (type: "tpm2" | "tpm2-simulated", ...given: Parameters<typeof tpmHardware>): EvidenceChange => ({
  type,
  hardware: tpmHardware(...given),
});

interface Asked {
  readonly change: EvidenceChange;
  readonly trust: JsonObject;
  readonly revoked?: typeof NOBODY;
}

/** What admission says: null, or its code. */
async function admission({ change, trust, revoked = NOBODY }: Asked): Promise<string | null> {
  const appraise = createAdmissionAppraisal({ trusted: () => ({ section: trust, revoked }), clock: () => at(0) });
  const appraised = await appraise(world.worker.evidence(change), NONCE);
  return appraised.ok ? null : appraised.code;
}

/** The shipped policy, where a TPM counts for high values, too. */
const TAKES_TPMS = utf8(parseUtf8(POLICY_TEXT).replaceAll("sev-snp, tdx]", "sev-snp, tdx, tpm2]"));

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
    change: (nonce) => composite([gpu(0, nonce)]),
    entries: () => [snpEntry(), gpuTrust(0)],
    facts: { evidence_type: "sev-snp", simulated: false, tcb: "up-to-date" },
    simulated: false,
    unasked: ["nonce of the OCSP answers", "driver version", "VBIOS version"].map((name) => `${name}: the policy names none)`),
  },
];

const given = (entries: readonly JsonObject[]) => JSON.parse(JSON.stringify(entries)) as JsonObject[];

describe.each(accepted)("$name", ({ change, entries, facts, simulated, unasked = [] }) => {
  it("is admitted with its facts, frozen as a session, and appraised from it by a caller", async () => {
    const trust = section(given(entries()));
    const trusted = () => ({ section: trust, revoked: NOBODY });
    const documents: JsonObject[] = [];
    const admitted = new Admission({
      upstreamName: "worker-1",
      fetchEvidence: async (nonce) => {
        const { statement, ...others } = change(nonce);
        return world.worker.evidence({ ...others, statement: (plain) => ({ ...(statement?.(plain) ?? plain), nonce }) });
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
    const untrusted = await appraiseSession(document, { ...inputs, trust: section([]) });
    expect(untrusted.find(({ status }) => status === "fail")).toBeDefined();
  });

  it("verifies from the bundle, lists what was not checked, and is refused without its entry", async () => {
    const { bundle } = await buildBundle(world, { evidence: change(NONCE), backendFacts: facts, policyText: TAKES_TPMS });
    const verdict = async (evidence: readonly JsonObject[]) => {
      const service = serviceEntry(world);
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
    const bare = serviceEntry(world).paths.tee.evidence as unknown as JsonObject[];
    expect(await verdict(bare)).toMatchObject({ outcome: "rejected", code });
  });
});

describe("a TDX guest is refused", () => {
  const old = {
    tcbLevels: [
      level(
        "OutOfDate",
        Array.from({ length: 16 }, () => 3),
        11,
        [5, 0, 2],
      ),
    ],
  };
  it.each<readonly [string, EvidenceChange, JsonObject, string]>([
    ["that is debugged", tdx({ body: { 120: [1] } }), tdxEntry(), "EVIDENCE_DEBUG_ENABLED"],
    ["whose quote is about another statement", tdx({ body: { 520: Array<number>(64).fill(1) } }), tdxEntry(), "EVIDENCE_REPORT_DATA_MISMATCH"],
    ["of another image", tdx({ body: { 136: Array<number>(48).fill(9) } }), tdxEntry(), "EVIDENCE_MEASUREMENT_MISMATCH"],
    ["whose TCB is out of date", tdx({}, old), tdxEntry(), "EVIDENCE_TCB_OUT_OF_DATE"],
    ["whose collateral is over", tdx({}, { nextUpdate: "2026-09-20T00:00:00Z" }), tdxEntry(), "EVIDENCE_COLLATERAL_EXPIRED"],
    ["whose collateral is of another platform", tdx({}, { fmspc: "00906ED50000" }), tdxEntry(), "EVIDENCE_COLLATERAL_MISMATCH"],
    ["whose collateral is of an earlier evaluation", tdx(), tdxEntry({ tcb: { minimumTcbEvaluationDataNumber: 18 } }), "EVIDENCE_COLLATERAL_EXPIRED"],
    ["of a platform that is not named", tdx(), tdxEntry({ devices: [{ id: "00906ed50000" }] }), "EVIDENCE_CHAIN_UNTRUSTED"],
    ["that calls itself a SEV-SNP guest", { ...tdx(), type: "sev-snp" }, snpEntry(), "EVIDENCE_MALFORMED"],
  ])("%s", async (_, change, entry, code) => {
    expect(await admission({ change, trust: section([entry]) })).toBe(code);
  });

  it("for an accepted status only where the trust file names it", async () => {
    const weaknesses = [{ accept: "out-of-date", because }];
    expect(await admission({ change: tdx({}, old), trust: section([tdxEntry({ weaknesses })]) })).toBe(null);
  });

  it("with a withdrawn register", async () => {
    const trust = section([tdxEntry()], { withdrawn: [{ value: "22".repeat(48), reason: because }] });
    expect(await admission({ change: tdx(), trust })).toBe("MEASUREMENT_REVOKED");
  });
});

describe("a TPM is refused", () => {
  const hardware = enrolmentOf({ type: "tpm2" });
  const later = utf8(parseUtf8(hardware).replace("1800000000", "1800000001"));
  const stranger = testSigner("stranger", 92);
  const other = PCRS.map((value, index) => (index === 7 ? new Uint8Array(32).fill(0xee) : value));
  const simulated = tpm("tpm2-simulated", enrolmentOf());
  const cases: readonly (readonly [string, EvidenceChange, JsonObject, string])[] = [
    ["without an enroller's statement", tpm("tpm2", null), tpmEntry("tpm2"), "EVIDENCE_KEY_BINDING_INVALID"],
    ["enrolled by a stranger", tpm("tpm2", enrolmentOf({ type: "tpm2", signer: stranger })), tpmEntry("tpm2"), "EVIDENCE_CHAIN_UNTRUSTED"],
    ["whose enrolment is over", tpm("tpm2", enrolmentOf({ type: "tpm2", notAfter: START - 1 })), tpmEntry("tpm2"), "EVIDENCE_COLLATERAL_EXPIRED"],
    ["whose enrolment is about another key", tpm("tpm2", enrolmentOf({ type: "tpm2", attestationKey: digestOf(utf8("another")) })), tpmEntry("tpm2"), "EVIDENCE_KEY_BINDING_INVALID"],
    ["whose enrolment was changed", tpm("tpm2", later), tpmEntry("tpm2"), "EVIDENCE_COLLATERAL_SIGNATURE_INVALID"],
    ["with another register", tpm("tpm2", hardware, { values: other }), tpmEntry("tpm2"), "EVIDENCE_MEASUREMENT_MISMATCH"],
    ["whose quote is about another statement", tpm("tpm2", hardware, { nonce: new Uint8Array(32) }), tpmEntry("tpm2"), "EVIDENCE_NONCE_MISMATCH"],
    ["that is not named among the devices", tpm("tpm2", hardware), tpmEntry("tpm2", { devices: [{ id: "00".repeat(32) }] }), "EVIDENCE_CHAIN_UNTRUSTED"],
    ["in software, where hardware is asked for", simulated, tpmEntry("tpm2"), "TRUST_SIMULATED"],
    ["in software that calls itself hardware", { ...simulated, type: "tpm2" }, tpmEntry("tpm2"), "EVIDENCE_KEY_BINDING_INVALID"],
    ["in hardware that calls itself software", { ...tpm("tpm2", hardware), type: "tpm2-simulated" }, tpmEntry("tpm2-simulated"), "EVIDENCE_KEY_BINDING_INVALID"],
  ];
  it.each(cases)("%s", async (_, change, entry, code) => {
    expect(await admission({ change, trust: section([entry]) })).toBe(code);
  });

  it("in software, where only the simulated platform is named", async () => {
    const trust = section(serviceEntry(world).paths.tee.evidence as unknown as JsonObject[]);
    expect(await admission({ change: simulated, trust })).toBe("TRUST_SIMULATED");
  });

  it("whose enroller or register was withdrawn", async () => {
    const change = tpm("tpm2", hardware);
    const revoked = { keys: new Set([enroller.publicKey]), measurements: new Set<string>() };
    expect(await admission({ change, trust: section([tpmEntry("tpm2")]), revoked })).toBe("KEY_REVOKED");
    const withdrawn = [{ value: encodeHex(PCRS[3] ?? new Uint8Array()), reason: because }];
    expect(await admission({ change, trust: section([tpmEntry("tpm2")], { withdrawn }) })).toBe("MEASUREMENT_REVOKED");
  });
});

describe("a CPU with GPUs is refused", () => {
  const both = () => section([snpEntry(), gpuTrust(0)]);
  const code = async (change: EvidenceChange, trust = both()) => await admission({ change, trust });

  it("whose statement names no device, or another one", async () => {
    expect(await code({ ...composite([gpu(0)]), statement: (plain) => plain })).toBe("EVIDENCE_KEY_BINDING_INVALID");
    expect(await code(composite([gpu(0)], [gpu(1)]))).toBe("EVIDENCE_KEY_BINDING_INVALID");
    expect(await code(composite([], [gpu(0)]))).toBe("EVIDENCE_KEY_BINDING_INVALID");
  });

  it("whose GPU answered another challenge: a report of another machine, spliced in", async () => {
    expect(await code(composite([gpu(0, "00".repeat(32))]))).toBe("EVIDENCE_NONCE_MISMATCH");
  });

  it("that counts one GPU twice", async () => {
    const one = gpu(0);
    expect(await code(composite([one, one]))).toBe("EVIDENCE_DUPLICATE_DEVICE");
    expect(await code(composite([one, gpu(0)]))).toBe("EVIDENCE_DUPLICATE_DEVICE");
  });

  it("whose GPU is under another root, not named, or lacks what its entry asks for", async () => {
    expect(await code(composite([gpu(1)]))).toBe("EVIDENCE_CHAIN_UNTRUSTED");
    expect(await code(composite([gpu(0)]), section([snpEntry()]))).toBe("EVIDENCE_CHAIN_UNTRUSTED");
    const named = section([snpEntry(), gpuTrust(0, { devices: [{ id: "00".repeat(32) }] })]);
    expect(await code(composite([gpu(0)]), named)).toBe("EVIDENCE_CHAIN_UNTRUSTED");
    const bare = { ...gpu(0), endorsements: new Map() };
    expect(await code(composite([bare]))).toBe("EVIDENCE_COLLATERAL_MISSING");
    const driver = section([snpEntry(), gpuTrust(0, { require: { driverVersion: "999.99" } })]);
    expect(await code(composite([gpu(0)]), driver)).toBe("EVIDENCE_MEASUREMENT_MISMATCH");
  });

  it("that shows its GPU in the place of the CPU, or its CPU as a device", async () => {
    const cpu = { ...gpu(0), kind: "sev-snp" };
    expect(await code(composite([cpu]))).toBe("EVIDENCE_CHAIN_UNTRUSTED");
    expect(await code({ ...composite([gpu(0)]), type: "nvidia-gpu" })).toBe("EVIDENCE_UNSUPPORTED");
  });
});

describe("a trust entry about a TPM", () => {
  const bad = expect.objectContaining({ code: "TRUST_FILE_INVALID" });
  it.each<readonly [string, JsonObject]>([
    ["without enrollers and names", tpmEntry("tpm2", { enrollers: undefined } as never)],
    ["with no enroller", tpmEntry("tpm2", { enrollers: [] })],
    ["with an enroller that is no key", tpmEntry("tpm2", { enrollers: [{ publicKey: "00" }] })],
    ["with any enroller", tpmEntry("tpm2", { enrollers: { accept: "any", because } })],
    ["in software without a reason", tpmEntry("tpm2-simulated", { because: undefined } as never)],
    ["in hardware with a reason to accept software", tpmEntry("tpm2", { because })],
    ["with a register that TPMs do not have", tpmEntry("tpm2", { measurements: [{ registers: { mrtd: "00" } }] })],
    ["with a floor of the TCB", tpmEntry("tpm2", { tcb: {} })],
    ["of TDX with enrollers", tdxEntry({ enrollers: [{ publicKey: enroller.publicKey }] })],
  ])("%s is refused", (_, entry) => {
    expect(() => parseTeeTrust(section(given([entry])))).toThrow(bad);
  });

  it("is read whole", () => {
    expect(parseTeeTrust(section([tpmEntry("tpm2"), tpmEntry("tpm2-simulated")])).platforms.accepted.size).toBe(2);
    expect(() => parseTeeTrust(section([tpmEntry("tpm2"), tpmEntry("tpm2")]))).toThrow(bad);
  });
});
