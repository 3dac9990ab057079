/** `triseal evidence reference`: from evidence that passes to reference values that a trust file cites, and a bundle judged by them. */
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type JsonObject, parseJson } from "../../src/core/json.ts";
import { readReference } from "../../src/paths/tee/evidence/platform/reference-values.ts";
import { verifyBundle } from "../../src/verify/index.ts";
import { buildBundle } from "../fixtures/bundle.ts";
import type { Question } from "../fixtures/evidence/question.ts";
import { snpQuestion } from "../fixtures/evidence/snp.ts";
import { tdxQuestion } from "../fixtures/evidence/tdx.ts";
import { SNP_ROOT, snpHardware } from "../fixtures/evidence/worker-hardware.ts";
import { portableCase } from "../fixtures/page-question.ts";
import { PLAIN } from "../fixtures/verdict.ts";
import { createWorld, serviceEntry, trustIn, type World } from "../fixtures/world.ts";
import { temporaryFolder } from "./gateway-harness.ts";
import { runCli } from "./gateway-process.ts";

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let world: World;
const at = (name: string) => join(folder.path, name);
const because = "a test";
const OTHER_IMAGE = Array.from({ length: 48 }, () => 0xab);

/** A case file over one file that holds every role in base64. */
async function putCase(name: string, question: Question, change: JsonObject = {}): Promise<string> {
  const { evidence, endorsements, kind, policy, anchors } = question;
  const roles = { evidence: new Map(Object.entries(evidence)), endorsements: new Map(Object.entries(endorsements)) };
  const whole = { id: name, kind: kind.kind, ...roles, policy, anchors, at: 0 as never, components: new Map() };
  const parts = portableCase(whole);
  await writeFile(at(`${name}.json`), JSON.stringify(parts));
  const reference = (pointer: string) => ({ file: `${name}.json`, pointer, encoding: "base64" });
  const side = (of: "evidence" | "endorsements") =>
    Object.fromEntries(
      Object.entries(parts[of]).map(([role, value]) => [
        role,
        Array.isArray(value) ? value.map((_, index) => reference(`/${of}/${role}/${index}`)) : reference(`/${of}/${role}`),
      ]),
    );
  const document = {
    id: name,
    kind: kind.kind,
    at: "2026-06-01T00:00:00Z",
    anchors: anchors.map((_, index) => reference(`/anchors/${index}`)),
    evidence: side("evidence"),
    endorsements: side("endorsements"),
    policy,
    ...change,
  };
  await writeFile(at(`${name}.case.json`), JSON.stringify(document));
  return at(`${name}.case.json`);
}

const flags = (out: string) => ["--name", "build 7", "--key", at("key.seed"), "--out", at(out), "--json"];

async function make(out: string, files: readonly string[], ...more: string[]) {
  const cases = files.flatMap((file) => ["--case", file]);
  const { code, stdout } = await runCli(["evidence", "reference", ...cases, ...flags(out), ...more]);
  return { code, answer: JSON.parse(stdout) as JsonObject };
}

beforeAll(async () => {
  folder = await temporaryFolder();
  world = await createWorld();
});
afterAll(() => folder.remove());

describe("triseal evidence reference", { timeout: 120_000 }, () => {
  it("refuses evidence that does not pass, and writes neither values nor a key", async () => {
    const mutate = [{ role: "report", offset: 100, xor: 1 }];
    const tampered = await putCase("tampered", snpQuestion(), { mutate });
    const good = await putCase("good", snpQuestion());
    const debug = await putCase("debug", snpQuestion({ set: { [0x0a]: [0x0b] } }), { policy: { allowDebug: true } });
    const { crl: _, ...some } = snpQuestion().endorsements;
    const unrevoked = await putCase("unrevoked", { ...snpQuestion(), endorsements: some });
    const before = await readdir(folder.path);
    const refused = async (...files: readonly string[]) => {
      const { code, answer } = await make("none.json", files);
      return [code, answer["code"]];
    };
    expect(await refused(tampered)).toEqual([10, "EVIDENCE_SIGNATURE_INVALID"]);
    expect(await refused(good, tampered)).toEqual([10, "EVIDENCE_SIGNATURE_INVALID"]);
    // What the case waives counts only where the trust entry will waive it in writing, too.
    expect(await refused(debug)).toEqual([10, "EVIDENCE_DEBUG_ENABLED"]);
    expect(await refused(unrevoked)).toEqual([10, "EVIDENCE_COLLATERAL_MISSING"]);
    expect(await readdir(folder.path)).toEqual(before);
    expect((await make("debug-values.json", [debug], "--weakness", "debug")).code).toBe(0);
  });

  it("refuses cases and flags that it cannot read, and kinds that no worker shows", async () => {
    const good = await putCase("good", snpQuestion());
    const wrong = async (...more: readonly string[]) => (await make("none.json", [good], ...more)).code;
    expect(await wrong("--registers", "mrtd")).toBe(30);
    expect(await wrong("--withdraw", "aa")).toBe(30);
    expect(await wrong("--weakness", "everything")).toBe(30);
    expect((await make("none.json", [at("absent.case.json")])).code).toBe(30);
    const other = await putCase("other", snpQuestion(), { kind: "sgx" });
    expect((await make("none.json", [other])).code).toBe(20);
  });

  it("signs what a trust file cites: a bundle is accepted by it, and one with other evidence is not", async () => {
    const good = await putCase("good", snpQuestion());
    expect((await runCli(["evidence", "verify", "--case", good])).code).toBe(0);
    const { code, answer } = await make("reference.json", [good], "--withdraw", `${"cc".repeat(48)}=a test`);
    expect([code, answer["roots"]]).toEqual([0, "case"]);
    const citation = answer["citation"] as JsonObject & { readonly digest: string };
    const { digest, publicKey, values } = readReference(parseJson(await readFile(at("reference.json"))), "file");
    expect({ digest, publicKey, document: parseJson(await readFile(at("reference.json"))) }).toEqual(citation);
    expect(values.evidence[0]?.devices).toHaveLength(1);
    const again = await make("reference.json", [good]);
    expect([again.code, again.answer["code"]]).toEqual([1, "CONFIG_INVALID"]);

    const named = { reference: citation.digest };
    const entry = {
      type: "sev-snp",
      measurements: named,
      tcb: named,
      devices: named,
      roots: [{ certificate: SNP_ROOT, because }],
    };
    const service = serviceEntry(world);
    const trusting = (cited: JsonObject) => {
      const tee = { ...service.paths.tee, evidence: [entry], references: [cited] };
      return trustIn({ ...service, paths: { ...service.paths, tee } } as never);
    };
    const backendFacts = { evidence_type: "sev-snp", simulated: false, tcb: "up-to-date" };
    const judged = async (hardware: ReturnType<typeof snpHardware>, cited: JsonObject = citation) => {
      const { bundle } = await buildBundle(world, { evidence: { type: "sev-snp", hardware }, backendFacts });
      const { outcome, code: found } = await verifyBundle(bundle, trusting(cited), PLAIN);
      return [outcome, found];
    };
    expect(await judged(snpHardware())).toEqual(["accepted", null]);
    const otherImage = snpHardware({ set: { [0x90]: OTHER_IMAGE } });
    expect(await judged(otherImage)).toEqual(["rejected", "EVIDENCE_MEASUREMENT_MISMATCH"]);
    const otherChip = snpHardware({ set: { [0x1a0]: [9] } });
    expect((await judged(otherChip))[0]).toBe("rejected");
    const changed = { ...citation, document: { ...(citation["document"] as JsonObject), signature: "00".repeat(64) } };
    expect(await judged(snpHardware(), changed)).toEqual(["rejected", "TRUST_FILE_INVALID"]);
  });

  it("makes one entry of several machines: alternatives, the least TCB, all chips", async () => {
    const first = await putCase("first", snpQuestion());
    const second = await putCase("second", snpQuestion({ set: { [0x90]: OTHER_IMAGE } }));
    const quote = await putCase("quote", tdxQuestion());
    const { code, answer } = await make("several.json", [first, second, quote]);
    expect(code).toBe(0);
    const { evidence } = readReference((answer["citation"] as JsonObject)["document"] ?? null, "file").values;
    const [snp, tdx] = evidence;
    expect([snp?.type, snp?.measurements?.length, snp?.devices?.length]).toEqual(["sev-snp", 2, 1]);
    expect([tdx?.type, Object.keys(tdx?.tcb ?? {})]).toEqual(["tdx", ["minimumTcbEvaluationDataNumber", "minimumTeeTcbSvn"]]);
  });
});
