/** Workers on TDX, on a TPM, and with GPUs that admission refuses, each with its code; and trust entries about them that are refused. */
import { beforeAll, describe, expect, it } from "vitest";
import { encodeHex, parseUtf8, utf8 } from "../../../src/core/bytes.ts";
import { digestOf } from "../../../src/core/digest.ts";
import type { JsonObject } from "../../../src/core/json.ts";
import { parseTeeTrust } from "../../../src/paths/tee/evidence/trust-section.ts";
import { composite, createPlatformScene, given, type PlatformScene, tdx, tpm } from "../../fixtures/evidence/platform-scene.ts";
import { level } from "../../fixtures/evidence/tdx.ts";
import { PCRS } from "../../fixtures/evidence/tpm.ts";
import { enroller, enrolmentOf, snpEntry, tdxEntry, tpmEntry } from "../../fixtures/evidence/worker-hardware.ts";
import { testSigner } from "../../fixtures/signer.ts";
import { type EvidenceChange, START, serviceEntry } from "../../fixtures/world.ts";

let scene: PlatformScene;
beforeAll(async () => {
  scene = await createPlatformScene();
});
const section: PlatformScene["section"] = (...asked) => scene.section(...asked);
const admission: PlatformScene["admission"] = async (asked) => await scene.admission(asked);
const gpu: PlatformScene["gpu"] = (...asked) => scene.gpu(...asked);
const gpuTrust: PlatformScene["gpuTrust"] = (...asked) => scene.gpuTrust(...asked);

const because = "a test";

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
    [
      "whose quote is about another statement",
      tdx({ body: { 520: Array<number>(64).fill(1) } }),
      tdxEntry(),
      "EVIDENCE_REPORT_DATA_MISMATCH",
    ],
    ["of another image", tdx({ body: { 136: Array<number>(48).fill(9) } }), tdxEntry(), "EVIDENCE_MEASUREMENT_MISMATCH"],
    ["whose TCB is out of date", tdx({}, old), tdxEntry(), "EVIDENCE_TCB_OUT_OF_DATE"],
    ["whose collateral is over", tdx({}, { nextUpdate: "2026-09-20T00:00:00Z" }), tdxEntry(), "EVIDENCE_COLLATERAL_EXPIRED"],
    ["whose collateral is of another platform", tdx({}, { fmspc: "00906ED50000" }), tdxEntry(), "EVIDENCE_COLLATERAL_MISMATCH"],
    [
      "whose collateral is of an earlier evaluation",
      tdx(),
      tdxEntry({ tcb: { minimumTcbEvaluationDataNumber: 18 } }),
      "EVIDENCE_COLLATERAL_EXPIRED",
    ],
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
    [
      "enrolled by a stranger",
      tpm("tpm2", enrolmentOf({ type: "tpm2", signer: stranger })),
      tpmEntry("tpm2"),
      "EVIDENCE_CHAIN_UNTRUSTED",
    ],
    [
      "whose enrolment is over",
      tpm("tpm2", enrolmentOf({ type: "tpm2", notAfter: START - 1 })),
      tpmEntry("tpm2"),
      "EVIDENCE_COLLATERAL_EXPIRED",
    ],
    [
      "whose enrolment is about another key",
      tpm("tpm2", enrolmentOf({ type: "tpm2", attestationKey: digestOf(utf8("another")) })),
      tpmEntry("tpm2"),
      "EVIDENCE_KEY_BINDING_INVALID",
    ],
    ["whose enrolment was changed", tpm("tpm2", later), tpmEntry("tpm2"), "EVIDENCE_COLLATERAL_SIGNATURE_INVALID"],
    ["with another register", tpm("tpm2", hardware, { values: other }), tpmEntry("tpm2"), "EVIDENCE_MEASUREMENT_MISMATCH"],
    [
      "whose quote is about another statement",
      tpm("tpm2", hardware, { nonce: new Uint8Array(32) }),
      tpmEntry("tpm2"),
      "EVIDENCE_NONCE_MISMATCH",
    ],
    [
      "that is not named among the devices",
      tpm("tpm2", hardware),
      tpmEntry("tpm2", { devices: [{ id: "00".repeat(32) }] }),
      "EVIDENCE_CHAIN_UNTRUSTED",
    ],
    ["in software, where hardware is asked for", simulated, tpmEntry("tpm2"), "TRUST_SIMULATED"],
    ["in software that calls itself hardware", { ...simulated, type: "tpm2" }, tpmEntry("tpm2"), "EVIDENCE_KEY_BINDING_INVALID"],
    [
      "in hardware that calls itself software",
      { ...tpm("tpm2", hardware), type: "tpm2-simulated" },
      tpmEntry("tpm2-simulated"),
      "EVIDENCE_KEY_BINDING_INVALID",
    ],
  ];
  it.each(cases)("%s", async (_, change, entry, code) => {
    expect(await admission({ change, trust: section([entry]) })).toBe(code);
  });

  it("in software, where only the simulated platform is named", async () => {
    const trust = section(serviceEntry(scene.world).paths.tee.evidence as unknown as JsonObject[]);
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
