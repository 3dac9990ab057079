/** The appraisers of hardware evidence in a realm that has only web globals, on the same questions as in Node. */
import { gzipSync } from "node:zlib";
import { beforeAll, describe, expect, it } from "vitest";
import type { JsonValue } from "../../src/core/json.ts";
import type { RoleValue } from "../../src/paths/tee/evidence/appraisal/appraiser.ts";
import { issueChain, leafOf } from "../fixtures/evidence/device-chain.ts";
import { createGpuWorld, gpuQuestion, rimQuestion } from "../fixtures/evidence/gpu.ts";
import { cborMap, documentMembers, encodeCose, nitroQuestion } from "../fixtures/evidence/nitro.ts";
import { nrasQuestion } from "../fixtures/evidence/nras.ts";
import { AT, failures, flipped, type Question } from "../fixtures/evidence/question.ts";
import { snpQuestion } from "../fixtures/evidence/snp.ts";
import { tdxQuestion } from "../fixtures/evidence/tdx.ts";
import { azureSnpQuestion, azureTdxQuestion, tpmQuestion } from "../fixtures/evidence/tpm.ts";
import { bundleForBrowser, createWebRealm } from "../fixtures/web-realm.ts";

/** What a page would take: the kinds, the codes of checks, and a reader of certificates for anchors. */
const ENTRY = `
export { kindOf } from "./src/paths/tee/evidence/kinds.ts";
export { codeOf } from "./src/paths/tee/evidence/appraisal/findings.ts";
export { parseCertificate } from "./src/paths/tee/evidence/x509/certificate.ts";
`;

/** A role as a page would get it: base64 of byte strings, or JSON. */
function portable(value: RoleValue): JsonValue {
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");
  if (value instanceof Uint8Array) return base64(value);
  return "json" in value ? { json: value.json } : (value as readonly Uint8Array[]).map(base64);
}

const SCRIPT = `(async (text) => {
  const question = JSON.parse(text);
  const bytes = (base64) => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  const role = (value) => typeof value === "string" ? bytes(value) : Array.isArray(value) ? value.map(bytes) : value;
  const roles = (side) => new Map(Object.entries(side).map(([name, value]) => [name, role(value)]));
  const { kind, evidence, endorsements, policy, anchors, at } = question;
  const inputs = { evidence: roles(evidence), endorsements: roles(endorsements), anchors: anchors.map((der) => triseal.parseCertificate(bytes(der))), at };
  const { checks } = await triseal.kindOf(kind).under(policy)(inputs);
  return triseal.codeOf(checks);
})`;

const gpu = createGpuWorld();
const enclave = issueChain(["TEST enclave", "TEST zone", "TEST root"]);

describe("the appraisers in a browser", () => {
  let code = "";
  beforeAll(async () => {
    code = await bundleForBrowser({ contents: ENTRY });
  });

  async function inRealm(question: Question): Promise<string | null> {
    const { run, fetched } = createWebRealm();
    run(code);
    const roles = (side: Question["evidence"]) =>
      Object.fromEntries(Object.entries(side).map(([name, value]) => [name, portable(value)]));
    const anchors = question.anchors.map(({ der }) => portable(der));
    const { policy } = question;
    const text = JSON.stringify({
      kind: question.kind.kind,
      evidence: roles(question.evidence),
      endorsements: roles(question.endorsements),
      policy,
      anchors,
      at: AT,
    });
    const answer = await (run(`${SCRIPT}(${JSON.stringify(text)})`) as Promise<string | null>);
    expect(fetched).toEqual([]);
    return answer;
  }

  it.each([
    ["sev-snp", snpQuestion(), "report"],
    ["tdx", tdxQuestion(), "quote"],
    ["tpm2", tpmQuestion(), "quote"],
    ["azure-snp-vtpm", azureSnpQuestion(), "tpmQuote"],
    ["azure-tdx-vtpm", azureTdxQuestion(), "tpmQuote"],
    ["nvidia-gpu", gpuQuestion(gpu), "report"],
    ["nvidia-rim", rimQuestion(gpu.vbiosRim, gpu.signers), "rim"],
    ["nras", nrasQuestion(), "eat"],
    ["nitro", nitroQuestion(encodeCose(cborMap(documentMembers(enclave, AT * 1000)), leafOf(enclave)), enclave), "document"],
  ])("accept good evidence of kind %s, and refuse a changed bit with the code that Node gives", async (_, question, role) => {
    expect(await inRealm(question)).toBeNull();
    const changed = {
      ...question,
      evidence: { ...question.evidence, [role]: flipped(question.evidence[role] as Uint8Array, 60) },
    };
    const [first] = await failures(changed);
    expect(await inRealm(changed)).toBe(`EVIDENCE_${first}`);
  });

  it("are small", () => {
    const bytes = gzipSync(code, { level: 9 }).length;
    console.log(`appraisers for the browser: ${code.length} bytes, ${bytes} gzip`);
    expect(bytes).toBeLessThan(60_000);
  });
});
