/** `triseal evidence`, as a process: exit codes and what is printed. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { snpQuestion } from "../fixtures/evidence/snp.ts";
import { temporaryFolder } from "./gateway-harness.ts";
import { runCli } from "./gateway-process.ts";

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
const at = (name: string) => join(folder.path, name);

async function putCase(name: string, document: object): Promise<string> {
  await writeFile(at(name), JSON.stringify({ id: name, kind: "sev-snp", at: "2026-06-01T00:00:00Z", ...document }));
  return at(name);
}

const QUESTION = {
  anchors: [{ file: "root.der" }],
  evidence: { report: { file: "report.bin" } },
  endorsements: { vek: { file: "vek.der" }, chain: [{ file: "ask.der" }, { file: "root.der" }] },
};

beforeAll(async () => {
  folder = await temporaryFolder();
  const { evidence, endorsements, anchors } = snpQuestion();
  await writeFile(at("report.bin"), evidence["report"] as Uint8Array);
  await writeFile(at("vek.der"), endorsements["vek"] as Uint8Array);
  await writeFile(at("ask.der"), (endorsements["chain"] as readonly Uint8Array[])[0] ?? new Uint8Array());
  await writeFile(at("root.der"), anchors[0]?.der ?? new Uint8Array());
});

afterAll(() => folder.remove());

const verify = (file: string) => runCli(["evidence", "verify", "--case", file, "--json"]);

describe("triseal evidence verify", { timeout: 120_000 }, () => {
  it("accepts with 0, and says with which roots and clock", async () => {
    const file = await putCase("good.case.json", QUESTION);
    const { code, stdout } = await verify(file);
    expect(code).toBe(0);
    const answer = JSON.parse(stdout) as Record<string, unknown>;
    expect(answer).toMatchObject({ verdict: "accept", code: null, anchors: "case", claims: { product: "Milan" } });
    const text = await runCli(["evidence", "verify", "--case", file]);
    expect(text.stdout).toContain("judged as of 2026-06-01T00:00:00Z, which the case names; roots: those of the case");
  });

  it("rejects with 10 and the code", async () => {
    const file = await putCase("bad.case.json", { ...QUESTION, policy: { vmpl: 1 } });
    const { code, stdout } = await verify(file);
    expect([code, (JSON.parse(stdout) as Record<string, unknown>)["code"]]).toEqual([10, "EVIDENCE_VMPL_MISMATCH"]);
    expect((await runCli(["evidence", "verify", "--case", file])).stdout).toMatch(/^REJECTED {2}EVIDENCE_VMPL_MISMATCH\n/);
  });

  it("answers 20 for kinds that it does not know, alone and in a composite", async () => {
    expect((await verify(await putCase("kind.case.json", { kind: "other" }))).code).toBe(20);
    const components = { cpu: { kind: "sev-snp" }, other: { kind: "other" } };
    expect((await verify(await putCase("parts.case.json", { kind: "composite", components }))).code).toBe(20);
  });

  it("answers 30 for a case that it cannot read", async () => {
    expect((await verify(at("absent.case.json"))).code).toBe(30);
    expect((await verify(await putCase("member.case.json", { ...QUESTION, other: 1 }))).code).toBe(30);
    expect((await verify(await putCase("policy.case.json", { ...QUESTION, policy: { other: 1 } }))).code).toBe(30);
  });
});
