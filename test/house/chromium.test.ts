/** The appraisers and the verifier in headless Chromium: the answers are those of Node, on our own evidence and on real evidence. */
import { beforeAll, describe, expect, it } from "vitest";
import { unixSeconds } from "../../src/core/time.ts";
import { caseKinds, decodeCaseDocument, type EvidenceCase, readCaseDocument } from "../../src/main/evidence/case-file.ts";
import { judgeCase, unknownKind } from "../../src/main/evidence/judge-case.ts";
import { Dice } from "../campaign/dice.ts";
import { mutate } from "../campaign/mutate.ts";
import { makeBundle } from "../fixtures/bundle.ts";
import { askPage, chromium } from "../fixtures/chromium.ts";
import { issueChain, leafOf } from "../fixtures/evidence/device-chain.ts";
import { createGpuWorld, gpuQuestion, rimQuestion } from "../fixtures/evidence/gpu.ts";
import { cborMap, documentMembers, encodeCose, nitroQuestion } from "../fixtures/evidence/nitro.ts";
import { nrasQuestion } from "../fixtures/evidence/nras.ts";
import { AT, type Question } from "../fixtures/evidence/question.ts";
import { snpQuestion } from "../fixtures/evidence/snp.ts";
import { tdxQuestion } from "../fixtures/evidence/tdx.ts";
import { azureSnpQuestion, azureTdxQuestion, tpmQuestion } from "../fixtures/evidence/tpm.ts";
import { vectorCases, vectorFolder } from "../fixtures/evidence/vectors.ts";
import { base64, type PageQuestion, portableCase } from "../fixtures/page-question.ts";

/** Changed cases of each byte string of a question. */
const CHANGES = 6;

const gpu = createGpuWorld();
const enclave = issueChain(["TEST enclave", "TEST zone", "TEST root"]);
const document = encodeCose(cborMap(documentMembers(enclave, AT * 1000)), leafOf(enclave));

const QUESTIONS: readonly Question[] = [
  snpQuestion(),
  snpQuestion({ version: 5, product: "Turin" }),
  tdxQuestion(),
  tpmQuestion(),
  azureSnpQuestion(),
  azureTdxQuestion(),
  gpuQuestion(gpu),
  rimQuestion(gpu.vbiosRim, gpu.signers),
  nrasQuestion(),
  nitroQuestion(document, enclave),
];

function caseOf({ kind, evidence, endorsements, policy, anchors }: Question): EvidenceCase {
  const roles = { evidence: new Map(Object.entries(evidence)), endorsements: new Map(Object.entries(endorsements)) };
  return { id: "", kind: kind.kind, ...roles, policy, anchors, at: unixSeconds(AT), components: new Map() };
}

/** A question as it is, and with each of its byte strings changed, at random but the same in every run. */
function casesOf(question: Question, index: number): readonly (readonly [string, EvidenceCase])[] {
  const whole = caseOf(question);
  const dice = new Dice(index);
  const cases: (readonly [string, EvidenceCase])[] = [[`${index} ${whole.kind}`, whole]];
  for (const side of ["evidence", "endorsements"] as const) {
    for (const [role, value] of whole[side]) {
      if (!(value instanceof Uint8Array)) continue;
      for (let change = 0; change < CHANGES; change++) {
        const roles = new Map(whole[side]).set(role, mutate([value], dice));
        cases.push([`${index} ${whole.kind} ${role} ${change}`, { ...whole, [side]: roles }]);
      }
    }
  }
  return cases;
}

/** Cases over real evidence, where they lie beside the repository. */
async function realCases(): Promise<readonly (readonly [string, EvidenceCase])[]> {
  const folder = vectorFolder();
  const cases: (readonly [string, EvidenceCase])[] = [];
  for (const { file, id } of folder === null ? [] : vectorCases(folder)) {
    const read = await readCaseDocument(file);
    if (unknownKind(caseKinds(read)) === null) cases.push([`real ${id}`, await decodeCaseDocument(read, file)]);
  }
  return cases;
}

if (chromium === null) console.log("skipped: no headless Chromium here (Debian package `chromium-headless-shell`)");

describe.skipIf(chromium === null)("in headless Chromium", { timeout: 120_000 }, () => {
  const wanted = new Map<string, string>();
  let answers: ReadonlyMap<string, string>;
  let loaded: readonly string[];

  beforeAll(async () => {
    const questions: PageQuestion[] = [];
    for (const [name, question] of [...QUESTIONS.flatMap(casesOf), ...(await realCases())]) {
      const { verdict, code, claims } = await judgeCase(question);
      wanted.set(name, JSON.stringify({ verdict, code, claims }));
      questions.push({ name, case: portableCase(question) });
    }
    const { bundle, trustYaml, now } = await makeBundle();
    const options = { now: unixSeconds(now), at: null, request: null, response: null, opening: null, allowPending: false };
    const trust = base64(new TextEncoder().encode(trustYaml));
    questions.push({ name: "bundle", bundle: base64(bundle), trust, options });
    questions.push({ name: "cut", bundle: base64(bundle.subarray(0, -2)), trust, options });
    const run = await askPage(chromium ?? "", questions);
    answers = new Map(run.answers.map(({ name, answer }) => [name, answer]));
    loaded = run.loaded;
  }, 240_000);

  it("every piece of evidence gets the verdict, the code and the claims that Node gives it", () => {
    const differing = [...wanted].filter(([name, answer]) => answers.get(name) !== answer);
    expect(differing.map(([name, answer]) => ({ name, answer, browser: answers.get(name) })).slice(0, 3)).toEqual([]);
    const accepted = [...wanted.values()].filter((answer) => answer.startsWith('{"verdict":"accept"')).length;
    const real = [...wanted.keys()].filter((name) => name.startsWith("real ")).length;
    console.log(`in ${chromium}: ${wanted.size} pieces of evidence, ${real} of them real, ${accepted} accepted, all as in Node`);
    expect(accepted).toBeGreaterThanOrEqual(QUESTIONS.length);
    expect(accepted).toBeLessThan(wanted.size / 2);
  });

  it("a bundle is accepted and a cut one malformed, with appraisers and policy engine loaded when they are needed", () => {
    expect(answers.get("bundle")).toBe('{"outcome":"accepted","code":null}');
    expect(answers.get("cut")).toContain('"outcome":"malformed"');
    const later = loaded.filter((name) => /^(?:tee-appraiser|replay)-/.test(name));
    expect(later).toHaveLength(2);
    expect(loaded.some((name) => /^(?:fhe|zk|caller|statement)-appraiser-/.test(name))).toBe(false);
  });
});
