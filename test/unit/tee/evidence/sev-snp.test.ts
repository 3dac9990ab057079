/** SEV-SNP reports of the project's own making: accepted forms, and one change at a time with its exact code. */
import { describe, expect, it } from "vitest";
import { concatBytes, encodeHex, parseHex } from "../../../../src/core/bytes.ts";
import type { JsonObject } from "../../../../src/core/json.ts";
import type { Product } from "../../../../src/paths/tee/evidence/sev-snp/report.ts";
import { octets } from "../../../fixtures/evidence/der.ts";
import { ask, failures, flipped, type Question, seconds } from "../../../fixtures/evidence/question.ts";
import {
  chipId,
  encodeReport,
  issueVek,
  type ReportOptions,
  signReport,
  snpAuthority,
  snpQuestion,
  TCB,
  tcbBytes,
  type VekOptions,
} from "../../../fixtures/evidence/snp.ts";
import { ecKey, encodeCrl, issueAuthority, rsaPssKey } from "../../../fixtures/evidence/test-authority.ts";

const REPORT_DATA = encodeHex(new Uint8Array(64).fill(7));

describe("accepted SEV-SNP reports", () => {
  const forms: readonly (readonly [string, ReportOptions])[] = [
    ["version 2 of Milan", { version: 2 }],
    ["version 3 of Milan", { version: 3 }],
    ["version 3 of Genoa", { version: 3, product: "Genoa" }],
    ["version 5 of Turin", { version: 5, product: "Turin" }],
    ["a VLEK", { signingKey: "vlek" }],
    ["a VLEK on Turin", { version: 5, product: "Turin", signingKey: "vlek" }],
  ];
  it.each(forms)("%s", async (_, options) => {
    const { product = "Milan", version = 3, signingKey = "vcek" } = options;
    const question = snpQuestion(options);
    const { claims } = await ask(question);
    expect(await failures(question)).toEqual([]);
    const { fmc, ...parts } = TCB;
    const reportedTcb = product === "Turin" ? { fmc, ...parts } : parts;
    expect(claims).toMatchObject({ product, reportVersion: version, signingKey, vmpl: 0, policy: "0x3001f", reportedTcb });
  });

  it("under every pin of a policy", async () => {
    const { fmc, ...minimumTcb } = TCB;
    const policy = {
      vmpl: 0,
      reportData: REPORT_DATA,
      requireRevocation: true,
      minimumTcb,
      measurements: { measurement: ["00", "aa".repeat(48)], hostData: "BB".repeat(32), idKeyDigest: "00".repeat(48) },
    };
    expect(await failures({ ...snpQuestion(), policy })).toEqual([]);
    expect(await failures({ ...snpQuestion({ version: 5, product: "Turin" }), policy: { minimumTcb: { fmc } } })).toEqual([]);
  });

  it("of Bergamo and Siena, which stand under Genoa's keys", async () => {
    const genoa = { product: "Genoa" } as const;
    for (const productName of ["Bergamo-A0", "Siena-A0"]) expect(await failures(snpQuestion(genoa, { productName }))).toEqual([]);
  });

  it("without the root in the chain, and with a root that stands in it", async () => {
    const question = snpQuestion();
    const [askDer] = question.endorsements["chain"] as readonly Uint8Array[];
    expect(await failures({ ...question, endorsements: { ...question.endorsements, chain: [askDer as Uint8Array] } })).toEqual(
      [],
    );
  });

  it("with zeros behind the report where the policy lets them", async () => {
    const question = snpQuestion();
    const report = concatBytes(question.evidence["report"] as Uint8Array, new Uint8Array(9));
    expect(await failures({ ...question, evidence: { report } })).toEqual(["MALFORMED"]);
    expect(await failures({ ...question, evidence: { report }, policy: { trailing: "zeros" } })).toEqual([]);
  });
});

/** One change of a good report, or of its certificate, that both are signed with. */
const signedChanges: readonly (readonly [string, ReportOptions, VekOptions, JsonObject, readonly string[]])[] = [
  ["a debug guest", { set: { [0x0a]: [0x0b] } }, {}, {}, ["DEBUG_ENABLED"]],
  ["a guest with a migration agent", { set: { [0x0a]: [0x07] } }, {}, {}, ["MIGRATABLE"]],
  ["guest policy bit 17 missing", { set: { [0x0a]: [0x01] } }, {}, {}, ["ATTRIBUTES_INVALID"]],
  ["guest policy bit 26", { set: { [0x0b]: [0x04] } }, {}, {}, ["ATTRIBUTES_INVALID"]],
  ["guest policy bit 63", { set: { [0x0f]: [0x80] } }, {}, {}, ["ATTRIBUTES_INVALID"]],
  ["VMPL 2 in place of 0", { set: { [0x30]: [2] } }, {}, { vmpl: 0 }, ["VMPL_MISMATCH"]],
  ["a level that no report has", {}, {}, { vmpl: 4 }, ["VMPL_MISMATCH"]],
  ["a floor that no report reaches", {}, {}, { minimumTcb: { microcode: 256 } }, ["TCB_OUT_OF_DATE"]],
  ["a report of version 1", { set: { [0x00]: [1] } }, {}, {}, ["UNSUPPORTED"]],
  ["a report of version 4", { set: { [0x00]: [4] } }, {}, {}, ["UNSUPPORTED"]],
  ["another signature algorithm", { set: { [0x34]: [2] } }, {}, {}, ["UNSUPPORTED"]],
  ["no signing key", { set: { [0x48]: [7 << 2] } }, {}, {}, ["UNSUPPORTED"]],
  ["a processor that nobody knows", { set: { [0x188]: [0x17, 1] } }, {}, {}, ["UNSUPPORTED"]],
  ["a report of another product than the certificate", { set: { [0x188]: [0x19, 0x11] } }, {}, {}, ["HWID_MISMATCH"]],
  ["a chip id that differs", { set: { [0x1a0]: [99] } }, {}, {}, ["HWID_MISMATCH"]],
  ["a masked chip id", { set: { [0x1a0]: Array.from({ length: 64 }, () => 0) } }, {}, {}, ["HWID_MISMATCH"]],
  ["a certificate without a chip id", {}, { hardwareId: null }, {}, ["HWID_MISMATCH"]],
  ["a chip id wrapped once more", {}, { hardwareId: octets(chipId("Milan")) }, {}, ["HWID_MISMATCH"]],
  ["a chip id of 8 octets on Milan", {}, { hardwareId: chipId("Milan").slice(0, 8) }, {}, ["HWID_MISMATCH"]],
  ["a bootloader version that differs", {}, { versions: { 1: 5 } }, {}, ["TCB_MISMATCH"]],
  ["a TEE version that differs", {}, { versions: { 2: 0 } }, {}, ["TCB_MISMATCH"]],
  ["an SNP version that differs", {}, { versions: { 3: 25 } }, {}, ["TCB_MISMATCH"]],
  ["a microcode version that differs", {}, { versions: { 8: 218 } }, {}, ["TCB_MISMATCH"]],
  ["a reserved version that differs", {}, { versions: { 4: 1 } }, {}, ["TCB_MISMATCH"]],
  ["a firmware version where there is none", {}, { versions: { 9: 3 } }, {}, ["TCB_MISMATCH"]],
  ["report data that differ", {}, {}, { reportData: `${"07".repeat(63)}08` }, ["REPORT_DATA_MISMATCH"]],
  ["report data that are shorter", {}, {}, { reportData: "07".repeat(32) }, ["REPORT_DATA_MISMATCH"]],
  ["a measurement that differs", {}, {}, { measurements: { measurement: "ab".repeat(48) } }, ["MEASUREMENT_MISMATCH"]],
  ["host data that differ", {}, {}, { measurements: { hostData: "ab".repeat(32) } }, ["MEASUREMENT_MISMATCH"]],
  ["an id key that differs", {}, {}, { measurements: { idKeyDigest: "ab".repeat(48) } }, ["MEASUREMENT_MISMATCH"]],
  ["an author key that differs", {}, {}, { measurements: { authorKeyDigest: "ab".repeat(48) } }, ["MEASUREMENT_MISMATCH"]],
  ["no allowed measurement", {}, {}, { measurements: { measurement: [] } }, ["MEASUREMENT_MISMATCH"]],
  ["a floor of firmware on Milan", {}, {}, { minimumTcb: { fmc: 0 } }, ["TCB_OUT_OF_DATE"]],
  ["a product name of another family", {}, { productName: "Genoa-B1" }, {}, ["CHAIN_UNTRUSTED", "HWID_MISMATCH"]],
  ["a product that nobody knows", {}, { productName: "Rome-B0" }, {}, ["UNSUPPORTED"]],
  ["a leaf of another name", {}, { subject: "SEV-OTHER" }, {}, ["CHAIN_UNTRUSTED"]],
];

describe("refused SEV-SNP reports that are well signed", () => {
  it.each(signedChanges)("%s", async (_, report, vek, policy, codes) => {
    expect(await failures({ ...snpQuestion(report, vek), policy })).toEqual(codes);
  });

  it("firmware and layout count on Turin", async () => {
    const turin = { version: 5, product: "Turin" } as const;
    expect(await failures(snpQuestion(turin, { versions: { 9: 4 } }))).toEqual(["TCB_MISMATCH"]);
    const asMilan = { ...turin, set: { [0x180]: [...tcbBytes("Milan")] } };
    expect(await failures(snpQuestion(asMilan))).toEqual(["TCB_MISMATCH"]);
    expect(await failures(snpQuestion({ ...turin, set: { [0x1a8]: [1] } }))).toEqual(["HWID_MISMATCH"]);
    expect(await failures(snpQuestion(turin, { hardwareId: chipId("Milan") }))).toEqual(["HWID_MISMATCH"]);
  });

  const floors = { bootloader: [0, 0], tee: [1, 1], snp: [6, 3], microcode: [7, 7] } as const;
  const fields = { current: 0x38, reported: 0x180, committed: 0x1e0, launch: 0x1f0 };
  for (const product of ["Milan", "Turin"] as const satisfies readonly Product[]) {
    for (const [field, offset] of Object.entries(fields)) {
      it(`a downgrade of the ${field} TCB on ${product}, of each part`, async () => {
        for (const [part, [milan, turin]] of Object.entries(floors)) {
          const place = product === "Turin" ? (part === "bootloader" ? 1 : part === "tee" ? 2 : turin) : milan;
          const lower = tcbBytes(product);
          lower[place] = (lower[place] ?? 0) - 1;
          const report = { version: 5, product, set: { [offset]: [...lower] } };
          const minimumTcb = { [part]: TCB[part as keyof typeof TCB] };
          const found = await failures({ ...snpQuestion(report), policy: { minimumTcb } });
          expect(found).toEqual(field === "reported" ? ["TCB_MISMATCH", "TCB_OUT_OF_DATE"] : ["TCB_OUT_OF_DATE"]);
        }
      });
    }
  }
});

/** Order of P-384 (FIPS 186-4, D.1.2.4), as a report would hold it: least significant byte first. */
const P384_ORDER = parseHex(
  "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
).reverse();

/** `report` with one half of its signature replaced. */
function withHalf(report: Uint8Array, offset: number, half: Uint8Array): Uint8Array {
  const changed = Uint8Array.from(report);
  changed.set(half, offset);
  return changed;
}

describe("refused SEV-SNP reports whose signatures or bytes are broken", () => {
  const question = snpQuestion();
  const report = question.evidence["report"] as Uint8Array;
  const withReport = (bytes: Uint8Array): Question => ({ ...question, evidence: { report: bytes } });

  it.each([
    ["a bit of the measurement", flipped(report, 0x90), ["SIGNATURE_INVALID"]],
    ["a bit of a reserved byte", flipped(report, 0x4c), ["SIGNATURE_INVALID"]],
    ["a bit of r", flipped(report, 0x2a0), ["SIGNATURE_INVALID"]],
    ["a bit of s", flipped(report, 0x2e8), ["SIGNATURE_INVALID"]],
    ["r of the order of the curve", withHalf(report, 0x2a0, P384_ORDER), ["SIGNATURE_INVALID"]],
    ["s of the order of the curve", withHalf(report, 0x2e8, P384_ORDER), ["SIGNATURE_INVALID"]],
    ["a zero signature", report.map((byte, index) => (index >= 0x2a0 ? 0 : byte)), ["SIGNATURE_INVALID"]],
    ["padding of r that is not zero", flipped(report, 0x2d0), ["MALFORMED"]],
    ["padding of s that is not zero", flipped(report, 0x318), ["MALFORMED"]],
    ["a last byte that is not zero", flipped(report, -1), ["MALFORMED"]],
    ["a byte too few", report.slice(0, -1), ["MALFORMED"]],
    ["a byte too many", concatBytes(report, Uint8Array.of(0)), ["MALFORMED"]],
    ["nothing", new Uint8Array(), ["MALFORMED"]],
    ["more than is read", new Uint8Array(70_000), ["MALFORMED"]],
  ])("%s", async (_, bytes, codes) => {
    expect(await failures(withReport(bytes))).toEqual(codes);
  });

  it("no report, a list, and JSON in place of bytes", async () => {
    for (const evidence of [{}, { report: [report, report] }, { report: { json: 1 } }, { report: { undecodable: "hex" } }])
      expect(await failures({ ...question, evidence })).toEqual(["MALFORMED"]);
  });
});

describe("refused chains of SEV-SNP reports", () => {
  const question = snpQuestion();
  const authority = snpAuthority("Milan");
  const { ark, ask: signer, asvk } = authority;
  const endorsed = (endorsements: Question["endorsements"]): Question => ({
    ...question,
    anchors: [ark.certificate],
    endorsements,
  });
  const vek = issueVek(authority).der;

  it("a VLEK under the VCEK issuer, and a VCEK under the VLEK issuer", async () => {
    const underAsk = issueVek(authority, { role: "vlek" }, signer).der;
    const asVlek = snpQuestion({ signingKey: "vlek" });
    const chain = [signer.der, ark.der];
    expect(await failures({ ...asVlek, anchors: [ark.certificate], endorsements: { vek: underAsk, chain } })).toEqual([
      "CHAIN_UNTRUSTED",
    ]);
    const underAsvk = issueVek(authority, {}, asvk).der;
    expect(await failures(endorsed({ vek: underAsvk, chain: [asvk.der, ark.der] }))).toEqual(["CHAIN_UNTRUSTED"]);
    const named = issueVek(authority, { subject: "SEV-VLEK" }).der;
    expect(await failures(endorsed({ vek: named, chain }))).toEqual(["CHAIN_UNTRUSTED"]);
  });

  it("a certificate that is missing, foreign, out of order or too much", async () => {
    const foreign = issueAuthority({ subject: "ARK-Milan", key: rsaPssKey(), issuer: null });
    for (const chain of [[], [ark.der], [ark.der, signer.der], [signer.der, foreign.der], [signer.der, ark.der, foreign.der]])
      expect(await failures(endorsed({ vek, chain }))).toEqual(["CHAIN_UNTRUSTED"]);
  });

  it("no anchor, or another product's", async () => {
    const good = { vek, chain: [signer.der, ark.der] };
    expect(await failures({ ...endorsed(good), anchors: [] })).toEqual(["CHAIN_UNTRUSTED"]);
    expect(await failures({ ...endorsed(good), anchors: [snpAuthority("Genoa").ark.certificate] })).toEqual(["CHAIN_UNTRUSTED"]);
  });

  it("no leaf: `COLLATERAL_MISSING`", async () => {
    for (const endorsements of [{}, { vek: [] }, { vek: [], chain: [] }, { chain: [signer.der, ark.der] }])
      expect(await failures(endorsed(endorsements))).toEqual(["COLLATERAL_MISSING"]);
  });

  it("a report signed by another key, and a leaf with a key of another curve", async () => {
    const other = signReport(encodeReport(), ecKey("P-384"));
    expect(await failures({ ...question, evidence: { report: other } })).toEqual(["SIGNATURE_INVALID"]);
    expect(await failures(snpQuestion({}, { key: ecKey("P-256") }))).toEqual(["SIGNATURE_INVALID"]);
  });

  it("a certificate that is not yet valid, or expired; both ends count as valid", async () => {
    const at = (time: string) => failures({ ...question, at: seconds(time), endorsements: { ...question.endorsements } });
    expect(await at("2024-01-01T00:00:00Z")).toEqual([]);
    expect(await at("2023-12-31T23:59:59Z")).toEqual(["CERT_NOT_YET_VALID", "COLLATERAL_EXPIRED"]);
    expect(await at("2034-01-01T00:00:00Z")).toEqual([]);
    expect(await at("2034-01-01T00:00:01Z")).toEqual(["CERT_EXPIRED", "COLLATERAL_EXPIRED"]);
  });

  it("an anchor outside the chain that is expired", async () => {
    const old = issueAuthority({ subject: "ARK-Milan", key: ark.key, issuer: null, notAfter: "2025-01-01T00:00:00Z" });
    expect(await failures({ ...endorsed({ vek, chain: [signer.der] }), anchors: [old.certificate] })).toEqual(["CERT_EXPIRED"]);
  });
});

describe("revocation of SEV-SNP certificates", () => {
  const authority = snpAuthority("Milan");
  const { ark, ask: signer } = authority;
  const base = snpQuestion();
  const withCrl = (crl: Uint8Array | null): Question => ({
    ...base,
    anchors: [ark.certificate],
    policy: { requireRevocation: true },
    endorsements: { vek: issueVek(authority).der, chain: [signer.der, ark.der], ...(crl === null ? {} : { crl }) },
  });

  it("is never taken for good where there is no CRL", async () => {
    expect(await failures(withCrl(null))).toEqual(["COLLATERAL_MISSING"]);
    expect(await failures({ ...withCrl(null), policy: {} })).toEqual([]);
  });

  it("finds a signing key that is on the list, also where the policy asks for none", async () => {
    const crl = encodeCrl({ issuer: ark, revoked: [5, 11] });
    expect(await failures(withCrl(crl))).toEqual(["REVOKED"]);
    expect(await failures({ ...withCrl(crl), policy: {} })).toEqual(["REVOKED"]);
    expect(await failures(withCrl(encodeCrl({ issuer: ark, revoked: [12] })))).toEqual([]);
  });

  it("takes a certificate on hold for revoked", async () => {
    expect(await failures(withCrl(encodeCrl({ issuer: ark, revoked: [11], reason: 6 })))).toEqual(["REVOKED"]);
  });

  it("refuses a list that is stale, from the future, of another issuer, or signed by another key", async () => {
    const stale = encodeCrl({ issuer: ark, nextUpdate: "2026-05-31T23:59:59Z" });
    expect(await failures(withCrl(stale))).toEqual(["COLLATERAL_EXPIRED"]);
    const early = encodeCrl({ issuer: ark, thisUpdate: "2026-06-01T00:00:01Z" });
    expect(await failures(withCrl(early))).toEqual(["COLLATERAL_EXPIRED"]);
    expect(await failures(withCrl(encodeCrl({ issuer: signer })))).toEqual(["COLLATERAL_SIGNATURE_INVALID"]);
    expect(await failures(withCrl(encodeCrl({ issuer: ark, signer: rsaPssKey() })))).toEqual(["COLLATERAL_SIGNATURE_INVALID"]);
    expect(await failures(withCrl(flipped(encodeCrl({ issuer: ark }), -5)))).toEqual(["COLLATERAL_SIGNATURE_INVALID"]);
  });

  it("refuses a list with a byte after it, and one with a critical extension", async () => {
    expect(await failures(withCrl(concatBytes(encodeCrl({ issuer: ark }), Uint8Array.of(0))))).toEqual(["MALFORMED"]);
    const delta = encodeCrl({ issuer: ark, extensions: [{ oid: "2.5.29.27", critical: true, value: Uint8Array.of(2, 1, 0) }] });
    expect(await failures(withCrl(delta))).toEqual(["UNSUPPORTED"]);
  });
});
