/** `triseal evidence show` for devices, services and enclaves. */
import { describe, expect, it } from "vitest";
import { encodeHex, utf8 } from "../../../src/core/bytes.ts";
import { showEvidence, shownLines } from "../../../src/main/evidence/show-evidence.ts";
import { issueChain, leafOf } from "../../fixtures/evidence/device-chain.ts";
import { deviceClaims, encodeBundle, makeBundle } from "../../fixtures/evidence/eat.ts";
import { answerAbout, createGpuWorld, measurement } from "../../fixtures/evidence/gpu.ts";
import { cborMap, documentMembers, encodeCose } from "../../fixtures/evidence/nitro.ts";
import { signer } from "../../fixtures/evidence/nras.ts";
import { encodeOcspRefusal } from "../../fixtures/evidence/ocsp.ts";
import { AT } from "../../fixtures/evidence/question.ts";

const world = createGpuWorld();
const enclave = issueChain(["TEST enclave", "TEST zone", "TEST root"]);
const members = documentMembers(enclave, AT * 1000);
const nitro = (tag: boolean) => encodeCose(cborMap(members), leafOf(enclave), { tag });
const held = answerAbout(world.device, 2, { status: "revoked", reason: 6, nonce: utf8("asked") });

describe("showEvidence of devices", () => {
  it.each<readonly [string, Uint8Array, object]>([
    ["GPU report (SPDM)", world.report, { driverVersion: "545.00", nvdec0: "enabled", block2: encodeHex(measurement(2)) }],
    ["reference integrity manifest", world.vbiosRim, { version: "96.00.5E.00.01", activeMeasurements: 3, isSigned: true }],
    ["answer of an attestation service", encodeBundle(makeBundle(signer)), { overallResult: true, deviceCount: 2 }],
    ["Nitro attestation document", nitro(false), { moduleId: "i-test-enc1" }],
    ["Nitro attestation document", nitro(true), { moduleId: "i-test-enc1" }],
    ["OCSP response", held, { nonce: encodeHex(utf8("asked")), answers: [{ status: "revoked", reason: 6 }] }],
    ["OCSP response without an answer", encodeOcspRefusal(3), {}],
  ])("shows a file of type %s", (type, bytes, fields) => {
    expect(showEvidence(bytes)).toMatchObject({ type, fields });
  });

  it("shows the certificates of a RIM and of a document, leaf first", () => {
    const names = (bytes: Uint8Array) => showEvidence(bytes).certificates.map(({ subject }) => subject);
    expect(names(world.driverRim)).toEqual(["TEST RIM signer", "TEST RIM L3", "TEST RIM CA", "TEST RIM root"]);
    expect(names(nitro(false))).toEqual(["TEST enclave", "TEST zone", "TEST root"]);
  });

  it("gives a terminal no control characters of what is shown", () => {
    const devices = { "GPU-0": { ...deviceClaims("1"), hwmodel: "\u001b]0;accepted\u0007\u009b2J\u202e" } };
    const lines = shownLines(showEvidence(encodeBundle(makeBundle(signer, { devices })))).join("");
    // biome-ignore lint/suspicious/noControlCharactersInRegex: none may be there
    expect(lines).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e]/);
    expect(lines).toContain("u009b2J");
  });

  it.each<readonly [string, Uint8Array, string]>([
    ["a report that is cut", world.report.subarray(0, -1), "EVIDENCE_MALFORMED"],
    ["a report of another SPDM version", world.report.with(37, 0x12), "EVIDENCE_UNSUPPORTED"],
    ["XML that is no RIM", utf8("<a/>"), "EVIDENCE_MALFORMED"],
    ["an OCSP response that is cut", held.subarray(0, -1), "EVIDENCE_MALFORMED"],
    ["JSON that is no answer", utf8("[]"), "FORMAT_INVALID"],
    ["CBOR that is no document", Uint8Array.of(0x84, 0, 0, 0, 0), "EVIDENCE_MALFORMED"],
  ])("refuses %s", (_name, bytes, code) => {
    expect(() => showEvidence(bytes)).toThrow(expect.objectContaining({ code }));
  });
});
