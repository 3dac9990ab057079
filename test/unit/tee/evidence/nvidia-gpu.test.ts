import { beforeAll, describe, expect, it } from "vitest";
import { concatBytes, encodeHex, utf8 } from "../../../../src/core/bytes.ts";
import { issueChain, issueDevice, KEY_AGREEMENT, memberOf } from "../../../fixtures/evidence/device-chain.ts";
import {
  answerAbout,
  appraiseGpu,
  createGpuWorld,
  DRIVER,
  firmwareExtension,
  type GpuChanges,
  type GpuWorld,
  measurement,
  REPORT,
  STRICT,
  VBIOS,
} from "../../../fixtures/evidence/gpu.ts";
import { AT, flipped } from "../../../fixtures/evidence/question.ts";
import { encodeRim, type GoldenDraft } from "../../../fixtures/evidence/rim.ts";
import {
  encodeOpaque,
  encodeReport,
  encodeUnsigned,
  measurementBlock,
  opaqueField,
  type ReportDraft,
  signReport,
} from "../../../fixtures/evidence/spdm-report.ts";

const NO_RIM = { requireRim: false, requireRevocation: false, requireFwid: false };

let world: GpuWorld;

beforeAll(() => {
  world = createGpuWorld();
});

const reportOf = (changes: Partial<ReportDraft>) => encodeReport({ ...REPORT, ...changes }, memberOf(world.device, 0));
const driverRim = (changes: Partial<typeof DRIVER>) => utf8(encodeRim({ ...DRIVER, ...changes }, world.signers));
const vbiosRim = (changes: Partial<typeof VBIOS>) => utf8(encodeRim({ ...VBIOS, ...changes }, world.signers));

/** A report with this opaque data, signed. */
const withOpaque = (opaque: Uint8Array) => {
  const blocks = concatBytes(...REPORT.blocks.map((value, place) => measurementBlock(place + 1, value)));
  return signReport(encodeUnsigned(REPORT.nonce, REPORT.blocks.length, blocks, opaque), memberOf(world.device, 0));
};

/** A report with these blocks, signed. */
const withBlocks = (count: number, blocks: Uint8Array) =>
  signReport(encodeUnsigned(REPORT.nonce, count, blocks, encodeOpaque(REPORT)), memberOf(world.device, 0));

describe("a GPU report", () => {
  it("is accepted with its chain, RIMs and OCSP answers, under the strictest policy", async () => {
    const { code, claims, checks, bonds } = await appraiseGpu(world);
    expect(code).toBe(null);
    const skipped = checks.filter(({ status }) => status !== "pass").map(({ message }) => message);
    expect(skipped.every((message) => message.includes("the policy names none"))).toBe(true);
    expect(skipped).toHaveLength(4); // nonce, nonce of the answers, driver version, VBIOS version
    expect(claims).toMatchObject({
      nonce: encodeHex(REPORT.nonce),
      driverVersion: "545.00",
      vbiosVersion: "96.00.5E.00.01",
      measurementCount: 40,
      hardwareModel: "TEST GPU",
    });
    expect(bonds.report).toEqual(world.report);
    expect(bonds.deviceKey).not.toBe(null);
  });

  it("is accepted with every expectation met, and zeros behind it where the policy allows them", async () => {
    const nonces = [1, 2, 3].map((depth) => answerAbout(world.device, depth, { nonce: utf8("asked") }));
    const policy = {
      ...STRICT,
      nonce: encodeHex(REPORT.nonce),
      ocspNonce: encodeHex(utf8("asked")),
      driverVersion: "545.00",
      vbiosVersion: "96.00.5e.00.01",
      trailing: "zeros",
    };
    const report = concatBytes(world.report, new Uint8Array(16));
    expect((await appraiseGpu(world, { policy, report, ocsp: nonces })).code).toBe(null);
  });

  it("is accepted with a firmware id as Blackwell certificates write it", async () => {
    const names = ["TEST B key", "TEST B", "TEST B provisioner", "TEST B family", "TEST B root"];
    const device = issueChain(names, { extensions: firmwareExtension.blackwell(REPORT.fwid ?? new Uint8Array()) });
    const other = { ...world, device, report: encodeReport(REPORT, memberOf(device, 0)) };
    expect((await appraiseGpu(other, { ocsp: null, policy: { ...STRICT, requireRevocation: false } })).code).toBe(null);
  });

  it("is accepted with index 35 different while the video decoder is disabled, and not while it is enabled", async () => {
    const blocks = REPORT.blocks.with(35, measurement(99));
    expect((await appraiseGpu(world, { report: reportOf({ blocks, nvdec0: 0x55 }) })).code).toBe(null);
    for (const nvdec0 of [0xaa, 0x00]) {
      const { code } = await appraiseGpu(world, { report: reportOf({ blocks, nvdec0 }) });
      expect(code).toBe("EVIDENCE_MEASUREMENT_MISMATCH");
    }
  });

  it("is accepted without RIMs, revocation and firmware id where the policy asks for none", async () => {
    const none = { driverRim: null, vbiosRim: null, ocsp: null, policy: NO_RIM };
    const { code, checks } = await appraiseGpu(world, { ...none, report: reportOf({ fwid: null }) });
    expect(code).toBe(null);
    // What was not looked at is no pass.
    for (const id of ["rim.signed", "chain.unrevoked", "firmware.matches", "measurement.matches", "nonce.matches"]) {
      expect(checks.filter((check) => check.id === id).map(({ status }) => status)).not.toContain("pass");
    }
  });
});

describe("malformed GPU reports", () => {
  const cases: readonly (readonly [string, string, () => Uint8Array])[] = [
    ["one byte short", "MALFORMED", () => world.report.subarray(0, -1)],
    ["trailing bytes", "MALFORMED", () => concatBytes(world.report, new Uint8Array(1))],
    ["empty", "MALFORMED", () => new Uint8Array(0)],
    ["oversize", "MALFORMED", () => new Uint8Array(200_000)],
    ["another request code", "MALFORMED", () => world.report.with(1, 0xe1)],
    ["another response code", "MALFORMED", () => world.report.with(38, 0x7f)],
    ["SPDM 1.2 in the request", "UNSUPPORTED", () => world.report.with(0, 0x12)],
    ["SPDM 1.2 in the response", "UNSUPPORTED", () => world.report.with(37, 0x12)],
    ["a request for one measurement only", "UNSUPPORTED", () => world.report.with(3, 0x01)],
    ["a request for no signature", "UNSUPPORTED", () => world.report.with(2, 0x00)],
    [
      "a block index twice",
      "MALFORMED",
      () => withBlocks(2, concatBytes(measurementBlock(1, measurement(1)), measurementBlock(1, measurement(1)))),
    ],
    ["a block index of zero", "MALFORMED", () => withBlocks(1, measurementBlock(0, measurement(1)))],
    ["no block", "MALFORMED", () => withBlocks(0, new Uint8Array(0))],
    [
      "bytes after the last block",
      "MALFORMED",
      () => withBlocks(1, concatBytes(measurementBlock(1, measurement(1)), new Uint8Array(1))),
    ],
    ["fewer blocks than counted", "MALFORMED", () => withBlocks(2, measurementBlock(1, measurement(1)))],
    ["a block of another specification", "MALFORMED", () => withBlocks(1, measurementBlock(1, measurement(1)).with(1, 2))],
    ["two lengths of a block", "MALFORMED", () => withBlocks(1, measurementBlock(1, measurement(1)).with(5, 0x2f))],
    [
      "an opaque field that ends early",
      "MALFORMED",
      () => withOpaque(concatBytes(encodeOpaque(REPORT), Uint8Array.of(9, 0, 4, 0, 1))),
    ],
    ["the driver version twice", "MALFORMED", () => withOpaque(concatBytes(encodeOpaque(REPORT), opaqueField(3, utf8("1\0"))))],
    ["a driver version with a control character", "MALFORMED", () => reportOf({ driverVersion: "5\n" })],
    ["a firmware id of another length", "MALFORMED", () => reportOf({ fwid: new Uint8Array(32) })],
    ["a VBIOS version of another length", "MALFORMED", () => reportOf({ vbios: [1, 2, 3] })],
    ["a device without a driver version", "UNSUPPORTED", () => withOpaque(opaqueField(6, Uint8Array.from(REPORT.vbios)))],
    ["opaque data of a later form", "UNSUPPORTED", () => withOpaque(utf8("NVDAOD000000"))],
  ];
  it.each(cases)("%s", async (_name, code, report) => {
    expect((await appraiseGpu(world, { report: report() })).code).toBe(`EVIDENCE_${code}`);
  });
});

describe("GPU evidence that is refused", () => {
  const cases: readonly (readonly [string, string, () => GpuChanges])[] = [
    ["one bit of a measurement flipped", "SIGNATURE_INVALID", () => ({ report: flipped(world.report, 60) })],
    ["one bit of the nonce flipped", "SIGNATURE_INVALID", () => ({ report: flipped(world.report, 10) })],
    ["one bit of the signature flipped", "SIGNATURE_INVALID", () => ({ report: flipped(world.report, -1) })],
    [
      "a signature of zeros",
      "SIGNATURE_INVALID",
      () => ({ report: concatBytes(world.report.subarray(0, -96), new Uint8Array(96)) }),
    ],
    [
      "a signature of another device (spliced evidence)",
      "SIGNATURE_INVALID",
      () => ({ report: encodeReport(REPORT, memberOf(world.device, 1)) }),
    ],
    ["no certificate chain", "COLLATERAL_MISSING", () => ({ certChain: null })],
    ["an empty certificate chain", "COLLATERAL_MISSING", () => ({ certChain: [] })],
    [
      "a certificate that does not parse (DER laxity)",
      "MALFORMED",
      () => ({ certChain: world.device.map(({ der }, place) => (place === 2 ? concatBytes(der, new Uint8Array(1)) : der)) }),
    ],
    [
      "one bit of the leaf's signature flipped",
      "CHAIN_UNTRUSTED",
      () => ({ certChain: world.device.map(({ der }, place) => (place === 0 ? flipped(der, -6) : der)) }),
    ],
    [
      "a chain without its middle",
      "CHAIN_UNTRUSTED",
      () => ({ certChain: world.device.filter((_, place) => place !== 2).map(({ der }) => der) }),
    ],
    ["a chain in the wrong order", "CHAIN_UNTRUSTED", () => ({ certChain: world.device.toReversed().map(({ der }) => der) })],
    [
      "a superfluous certificate",
      "CHAIN_UNTRUSTED",
      () => ({ certChain: [...world.device, memberOf(world.signers, 3)].map(({ der }) => der) }),
    ],
    ["roots that nobody trusts", "CHAIN_UNTRUSTED", () => ({ anchors: [] })],
    ["a clock before the certificates", "CERT_NOT_YET_VALID", () => ({ at: AT - 10 * 365 * 86_400 })],
    ["a clock after the certificates", "CERT_EXPIRED", () => ({ at: AT + 20 * 365 * 86_400 })],
    ["another nonce (replay)", "NONCE_MISMATCH", () => ({ policy: { ...STRICT, nonce: "00".repeat(32) } })],
    ["a nonce of another length", "NONCE_MISMATCH", () => ({ policy: { ...STRICT, nonce: "ab" } })],
    [
      "another driver version than the policy's",
      "MEASUREMENT_MISMATCH",
      () => ({ policy: { ...STRICT, driverVersion: "545.0" } }),
    ],
    [
      "another VBIOS version than the policy's",
      "MEASUREMENT_MISMATCH",
      () => ({ policy: { ...STRICT, vbiosVersion: "96.00.5E.00.02" } }),
    ],
    [
      "a firmware id that is not the certificate's",
      "FWID_MISMATCH",
      () => ({ report: reportOf({ fwid: measurement(1) }), policy: NO_RIM }),
    ],
    ["no firmware id where one is required", "FWID_MISMATCH", () => ({ report: reportOf({ fwid: null }) })],
  ];
  it.each(cases)("%s", async (_name, code, changes) => {
    expect((await appraiseGpu(world, changes())).code).toBe(`EVIDENCE_${code}`);
  });

  it("a firmware id that no certificate states, or that stands in a later place of its list", async () => {
    const fwid = REPORT.fwid ?? new Uint8Array();
    const second = firmwareExtension.blackwell(new Uint8Array(48));
    for (const extensions of [[], second, [...firmwareExtension.hopper(fwid), ...second]]) {
      const names = ["TEST C key", "TEST C", "TEST C root"];
      const device = issueChain(names, { extensions });
      const other = { ...world, device, report: encodeReport(REPORT, memberOf(device, 0)) };
      expect((await appraiseGpu(other, { ocsp: null, policy: NO_RIM })).code).toBe("EVIDENCE_FWID_MISMATCH");
    }
  });
});

describe("RIMs of a GPU report", () => {
  const golden = (index: number, value = measurement(index + 1)): GoldenDraft => ({ index, values: [value] });
  const cases: readonly (readonly [string, string, () => GpuChanges])[] = [
    ["no driver RIM", "COLLATERAL_MISSING", () => ({ driverRim: null })],
    ["no VBIOS RIM", "COLLATERAL_MISSING", () => ({ vbiosRim: null })],
    ["a RIM of another driver", "MEASUREMENT_MISMATCH", () => ({ driverRim: driverRim({ version: "550.90.07" }) })],
    ["a RIM of another VBIOS", "MEASUREMENT_MISMATCH", () => ({ vbiosRim: vbiosRim({ version: "96.00.5E.00.02" }) })],
    [
      "a golden value that was not measured",
      "MEASUREMENT_MISMATCH",
      () => ({ driverRim: driverRim({ measurements: [golden(4, measurement(99))] }) }),
    ],
    [
      "a RIM read one block off",
      "MEASUREMENT_MISMATCH",
      () => ({ driverRim: driverRim({ measurements: [golden(4, measurement(4))] }) }),
    ],
    [
      "a golden value for a block that the report does not have",
      "MEASUREMENT_MISMATCH",
      () => ({ driverRim: driverRim({ measurements: [golden(50)] }) }),
    ],
    ["both RIMs active at one index", "COLLATERAL_MISMATCH", () => ({ driverRim: driverRim({ measurements: [golden(7)] }) })],
    ["the driver RIM in place of the VBIOS RIM", "COLLATERAL_MISMATCH", () => ({ vbiosRim: world.driverRim })],
    [
      "one digit of a golden value changed",
      "RIM_SIGNATURE_INVALID",
      () => ({ driverRim: utf8(new TextDecoder().decode(world.driverRim).replace(/Hash0="./, 'Hash0="0')) }),
    ],
    ["a signer under another root", "RIM_SIGNATURE_INVALID", () => ({ anchors: [memberOf(world.device, 4)] })],
    ["a RIM that is no XML", "MALFORMED", () => ({ vbiosRim: utf8("<SoftwareTestCertificate") })],
    [
      "a RIM that is judged though none is required",
      "RIM_SIGNATURE_INVALID",
      () => ({
        policy: NO_RIM,
        vbiosRim: null,
        driverRim: utf8(new TextDecoder().decode(world.driverRim).replace("GH100", "GH200")),
      }),
    ],
  ];
  it.each(cases)("%s", async (_name, code, changes) => {
    expect((await appraiseGpu(world, changes())).code).toBe(`EVIDENCE_${code}`);
  });

  it("a RIM whose signer has expired, or is not yet valid", async () => {
    for (const window of [{ to: "2026-05-01" }, { from: "2026-07-01" }]) {
      const signer = issueDevice("TEST RIM signer", memberOf(world.signers, 1), { leaf: true, ...window });
      const rim = utf8(encodeRim(DRIVER, [signer, ...world.signers.slice(1)]));
      expect((await appraiseGpu(world, { driverRim: rim })).code).toBe("EVIDENCE_RIM_EXPIRED");
    }
  });

  it("a RIM signed by a key that is for something else", async () => {
    const signer = issueDevice("TEST RIM signer", memberOf(world.signers, 1), { leaf: true, usage: KEY_AGREEMENT });
    const rim = utf8(encodeRim(DRIVER, [signer, ...world.signers.slice(1)]));
    expect((await appraiseGpu(world, { driverRim: rim })).code).toBe("EVIDENCE_RIM_SIGNATURE_INVALID");
  });
});

describe("a GPU policy", () => {
  it.each([{ requireRIM: true }, { trailing: "some" }, { nonce: "xyz" }, { requireRim: "yes" }])("refuses %j", async (policy) => {
    await expect(appraiseGpu(world, { policy })).rejects.toMatchObject({ code: "FORMAT_INVALID" });
  });

  it("asks for RIMs by default", async () => {
    expect((await appraiseGpu(world, { policy: {}, driverRim: null })).code).toBe("EVIDENCE_COLLATERAL_MISSING");
  });
});
