/** Composites: what binds evidence together, and what comes of evidence from two machines. */
import { describe, expect, it } from "vitest";
import { concatBytes, encodeBase64, encodeHex, utf8 } from "../../../../src/core/bytes.ts";
import { sha256Bytes } from "../../../../src/core/digest.ts";
import type { JsonObject } from "../../../../src/core/json.ts";
import { unixSeconds } from "../../../../src/core/time.ts";
import type { EvidenceAppraisal, RoleValue } from "../../../../src/paths/tee/evidence/appraisal/appraiser.ts";
import { codeOf, Findings } from "../../../../src/paths/tee/evidence/appraisal/findings.ts";
import {
  appraiseComposite,
  type Component,
  parseCompositePolicy,
} from "../../../../src/paths/tee/evidence/composite/appraise.ts";
import { AT } from "../../../fixtures/evidence/question.ts";
import { snpQuestion } from "../../../fixtures/evidence/snp.ts";

/** The CPU of a composite: a good SEV-SNP report with these report data. */
function cpu(reportData: Uint8Array, policy: JsonObject = {}): Component {
  const { kind, evidence, endorsements, anchors } = snpQuestion({ reportData });
  const roles = { evidence: new Map(Object.entries(evidence)), endorsements: new Map(Object.entries(endorsements)) };
  return { appraise: kind.under(policy), inputs: { ...roles, anchors, at: unixSeconds(AT) } };
}

/** A device that is fine on its own; the appraisers of devices have tests of their own. */
function device(report: string, key: string): Component {
  const findings = new Findings();
  findings.expect("evidence.signed", true, "report");
  const bonds = { reportData: null, deviceKey: utf8(key), report: utf8(report) };
  const appraisal: EvidenceAppraisal = { checks: findings.all(), claims: { report }, bonds };
  const inputs = { evidence: new Map(), endorsements: new Map(), anchors: [], at: unixSeconds(AT) };
  return { appraise: async () => appraisal, inputs };
}

const gpuEvidence = utf8(`[{"evidence":"${encodeBase64(utf8("gpu 0"))}"},{"evidence":"${encodeBase64(utf8("gpu 1"))}"}]`);
const gpuEvidenceHash = sha256Bytes(gpuEvidence);
const tlsKey = utf8("digest of the TLS key");
const nonce = new Uint8Array(32).fill(9);
const BOUND = { gpuEvidence, gpuEvidenceHash, tlsKey, nonce };

/** Report data: the hash over TLS key and GPU hash, then the nonce. */
const REPORT_DATA = concatBytes(sha256Bytes(concatBytes(tlsKey, gpuEvidenceHash)), nonce);
const POLICY = {
  nonce: encodeHex(nonce),
  reportDataBinding: [
    { offset: 0, sha256: ["tlsKey", "gpuEvidenceHash"] },
    { offset: 32, value: "nonce" },
  ],
  digests: { gpuEvidenceHash: "gpuEvidence" },
  requireGpuBinding: true,
  requireDistinctDevices: true,
};
const GPUS = { gpu0: device("gpu 0", "key 0"), gpu1: device("gpu 1", "key 1") };

interface Parts {
  readonly components?: Readonly<Record<string, Component>>;
  readonly bound?: Readonly<Record<string, RoleValue>>;
  readonly policy?: JsonObject;
}

async function appraise({ components = { cpu: cpu(REPORT_DATA), ...GPUS }, bound = BOUND, policy = POLICY }: Parts) {
  return await appraiseComposite(
    new Map(Object.entries(components)),
    new Map(Object.entries(bound)),
    parseCompositePolicy(policy),
  );
}

async function codes(parts: Parts): Promise<readonly string[]> {
  const { checks } = await appraise(parts);
  const failed = checks.filter(({ status }) => status === "fail").map(({ code }) => code?.replace("EVIDENCE_", "") ?? "");
  return [...new Set(failed)];
}

describe("an accepted composite", () => {
  it("binds nonce, keys and GPU evidence in the report data of the CPU", async () => {
    expect(await codes({})).toEqual([]);
    const { claims } = await appraise({});
    expect(claims).toMatchObject({ cpu: { product: "Milan" }, gpu0: { report: "gpu 0" }, gpu1: { report: "gpu 1" } });
  });

  it("asks for no more than the policy does", async () => {
    expect(await codes({ policy: {}, bound: {} })).toEqual([]);
    const twice = { cpu: cpu(REPORT_DATA), gpu0: GPUS.gpu0, gpu1: GPUS.gpu0 };
    expect(await codes({ components: twice, policy: {} })).toEqual([]);
  });
});

describe("a refused composite", () => {
  it("whose CPU reports other data: evidence of two machines", async () => {
    const other = { cpu: cpu(new Uint8Array(64)), ...GPUS };
    expect(await codes({ components: other })).toEqual(["REPORT_DATA_MISMATCH"]);
    const swapped = { cpu: cpu(concatBytes(nonce, REPORT_DATA.slice(0, 32))), ...GPUS };
    expect(await codes({ components: swapped })).toEqual(["REPORT_DATA_MISMATCH"]);
  });

  it.each(["tlsKey", "gpuEvidenceHash", "nonce"])("whose bound `%s` differs by a byte", async (name) => {
    const value = BOUND[name as keyof typeof BOUND];
    const bound = { ...BOUND, [name]: value.with(0, (value[0] ?? 0) ^ 1) };
    const expected = name === "nonce" ? ["NONCE_MISMATCH", "REPORT_DATA_MISMATCH"] : ["REPORT_DATA_MISMATCH"];
    expect(await codes({ bound })).toEqual(expected);
  });

  it("whose GPU evidence is not the one that was hashed", async () => {
    const bound = { ...BOUND, gpuEvidence: concatBytes(gpuEvidence, utf8(" ")) };
    expect(await codes({ bound })).toEqual(["REPORT_DATA_MISMATCH"]);
    const { digests: _, ...unnamed } = POLICY;
    expect(await codes({ bound, policy: unnamed })).toEqual(["KEY_BINDING_INVALID"]);
  });

  it("whose GPU report does not stand in the bound evidence", async () => {
    const spliced = { cpu: cpu(REPORT_DATA), gpu0: GPUS.gpu0, gpu1: device("gpu of another host", "key 2") };
    expect(await codes({ components: spliced })).toEqual(["KEY_BINDING_INVALID"]);
    expect(await codes({ components: { ...spliced, gpu1: device("", "key 2") } })).toEqual(["KEY_BINDING_INVALID"]);
  });

  it("whose binding does not cover the GPU evidence, though the policy asks for it", async () => {
    const reportDataBinding = [{ offset: 32, value: "nonce" }];
    expect(await codes({ policy: { ...POLICY, reportDataBinding } })).toEqual(["KEY_BINDING_INVALID"]);
    expect(await codes({ policy: { requireGpuBinding: true }, bound: {} })).toEqual(["KEY_BINDING_INVALID"]);
  });

  it("that counts one GPU twice, or four times", async () => {
    const same = device("gpu 0", "key 0");
    const four = { cpu: cpu(REPORT_DATA), gpu0: same, gpu1: same, gpu2: same, gpu3: same };
    expect(await codes({ components: four })).toEqual(["DUPLICATE_DEVICE"]);
    const renamed = { cpu: cpu(REPORT_DATA), gpu0: GPUS.gpu0, gpu1: device("gpu 1", "key 0") };
    expect(await codes({ components: renamed })).toEqual(["DUPLICATE_DEVICE"]);
  });

  it("that lacks a byte string which the policy names", async () => {
    const { tlsKey: _, ...bound } = BOUND;
    expect(await codes({ bound })).toEqual(["REPORT_DATA_MISMATCH"]);
    const { nonce: __, ...stale } = BOUND;
    expect(await codes({ bound: stale })).toEqual(["NONCE_MISMATCH", "REPORT_DATA_MISMATCH"]);
    expect(await codes({ bound: { ...BOUND, tlsKey: { json: 1 } } })).toEqual(["MALFORMED", "REPORT_DATA_MISMATCH"]);
  });

  it("with an empty value, or one that does not fit", async () => {
    const rule = (offset: number) => ({ reportDataBinding: [{ offset, value: "value" }] });
    expect(await codes({ policy: rule(0), bound: { value: new Uint8Array() } })).toEqual(["REPORT_DATA_MISMATCH"]);
    expect(await codes({ policy: rule(40), bound: { value: nonce } })).toEqual(["REPORT_DATA_MISMATCH"]);
  });

  it("whose component is refused on its own, with the first code of all", async () => {
    const components = { cpu: cpu(REPORT_DATA, { vmpl: 1 }), gpu0: GPUS.gpu0, gpu1: GPUS.gpu0 };
    const { checks } = await appraise({ components });
    expect(codeOf(checks)).toBe("EVIDENCE_VMPL_MISMATCH");
    expect(checks.find(({ status }) => status === "fail")?.message).toMatch(/^cpu: /);
  });

  it.each([
    ["an unknown member", { other: true }],
    ["a binding without names", { reportDataBinding: [{ offset: 0, sha256: [] }] }],
    ["a binding outside the report data", { reportDataBinding: [{ offset: 64, value: "nonce" }] }],
    ["a nonce that is no hexadecimal", { nonce: "x" }],
  ])("has no policy with %s", (_, policy) => {
    expect(() => parseCompositePolicy(policy)).toThrow(expect.objectContaining({ code: "FORMAT_INVALID" }));
  });
});
