import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { engine } from "../../scripts/cargo.ts";
import { parseBundle } from "../../src/receipt/index.ts";
import { decodeSession } from "../../src/receipt/session.ts";
import { hasSwtpm } from "../fixtures/attester/swtpm.ts";
import { heldBack, temporaryFolder } from "./gateway-harness.ts";
import { childrenOf, type Finished, isRunning, repository, runCli } from "./gateway-process.ts";

interface Line {
  readonly path: string;
  readonly legs: readonly string[];
  readonly model: string;
  readonly input: string;
  readonly answer: string;
  readonly code: string | null;
  readonly expected: string;
  readonly rule: string;
  readonly why: string;
  readonly ms: number;
  readonly receiptId: string;
  readonly bundle: string;
  readonly verified: boolean;
}

interface EncryptedLine extends Omit<Line, "legs" | "model" | "code"> {
  readonly program: string;
  readonly bytes: number;
  readonly price: { readonly pbs: number };
}

const isBuilt = existsSync(engine.program);
if (!isBuilt) console.log("demo: the FHE engine is not built, so its part of the demo is not tested");

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let out: string;
let finished: Finished;
/** About records, and about encrypted values. */
let lines: readonly Line[];
let encrypted: readonly EncryptedLine[];
/** Every process that the demo was seen to start, and what they started. */
const seen = new Set<number>();

/** Runs the demo and notes its children and grandchildren while it runs. */
function runDemo(): Promise<Finished> {
  return new Promise((done) => {
    const program = join(repository, "dist", "src", "main", "triseal.js");
    const child = spawn(process.execPath, [program, "demo", "--json", "--out", out], {
      cwd: folder.path,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    const watch = setInterval(() => {
      for (const pid of childrenOf(child.pid ?? 0)) for (const each of [pid, ...childrenOf(pid)]) seen.add(each);
    }, 100);
    child.once("close", (code) => {
      clearInterval(watch);
      done({ code, stdout, stderr });
    });
  });
}

beforeAll(async () => {
  folder = await temporaryFolder();
  out = join(folder.path, "out");
  finished = await runDemo();
  const all = finished.stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Line | EncryptedLine);
  lines = all.filter((line): line is Line => line.path !== "fhe");
  encrypted = all.filter((line): line is EncryptedLine => line.path === "fhe");
}, 600_000);

afterAll(async () => {
  await folder.remove();
});

describe("triseal demo", () => {
  it("ends with 0 and prints one JSON object for each answer, all verified", () => {
    expect([finished.code, finished.stderr]).toEqual([0, ""]);
    expect(lines.length).toBeGreaterThanOrEqual(6);
    const members = [
      "path",
      "legs",
      "model",
      "input",
      "answer",
      "expected",
      "rule",
      "why",
      "ms",
      "receiptId",
      "bundle",
      "verified",
      "opened",
    ];
    for (const line of lines) {
      expect(Object.keys(line)).toEqual(expect.arrayContaining(members));
      expect(line).toMatchObject({
        path: expect.stringMatching(/^(?:tee|zk)$/),
        receiptId: expect.stringMatching(/^rcpt-[0-9a-f]{32}$/),
        verified: true,
      });
      expect(line.ms).toBeGreaterThan(0);
    }
    const record = { model: "breast-cancer-logistic-int", opened: true };
    expect(lines.filter(({ path }) => path === "zk")).toMatchObject([
      { ...record, rule: "proven", legs: ["zk"] },
      { ...record, rule: "high-value-proven", legs: ["tee", "zk"] },
      { model: "digits-mlp-int", opened: true, rule: "proven", legs: ["zk"] },
    ]);
    expect(new Set(lines.map(({ receiptId }) => receiptId)).size).toBe(lines.length);
  });

  it("classifies real held-back records of every shipped model as people did, and provokes one refusal", async () => {
    expect(new Set(lines.map(({ model }) => model))).toEqual(
      new Set(["breast-cancer-logistic", "breast-cancer-logistic-int", "breast-cancer-mlp", "digits-mlp", "digits-mlp-int"]),
    );
    const refused = lines.filter(({ answer }) => answer === "refused");
    expect(refused.map(({ code, rule }) => [code, rule])).toEqual([["POLICY_DENIED", "secret-stays-out"]]);
    for (const { model, input, answer, expected } of lines) {
      if (answer === "refused") continue;
      const row = Number(/row (\d+)/.exec(input)?.[1]);
      expect([model, row, expected]).toEqual([model, row, (await heldBack(model.replace(/-int$/, ""), row)).label]);
      expect(answer).toBe(expected);
    }
  });

  it.skipIf(!isBuilt)("moves encrypted units, refuses in secret, holds an auction, and scores a record", () => {
    for (const { answer, expected, verified, receiptId } of encrypted) {
      expect([answer, verified]).toEqual([expected, true]);
      expect(receiptId).toMatch(/^rcpt-[0-9a-f]{32}$/);
    }
    const programs = ["mint-u64", "transfer-u64", "transfer-u64", "auction-3x32", "breast-cancer-logistic-int"];
    expect(encrypted.map(({ program }) => program)).toEqual(programs);
    const [, paid, refused] = encrypted;
    expect([refused?.bytes, refused?.price]).toEqual([paid?.bytes, paid?.price]);
  });

  it("shows quotes of a TPM in software where swtpm is installed, and a simulated platform where it is not", async () => {
    const answered = lines.filter(({ legs }) => legs.includes("tee"));
    for (const { bundle } of answered) {
      const { sessions } = parseBundle(new Uint8Array(await readFile(resolve(folder.path, bundle))));
      const types = [...sessions.values()].map((session) => decodeSession(session).claims["extra"]);
      expect(types).toEqual([expect.objectContaining({ evidence_type: hasSwtpm ? "tpm2-simulated" : "simulated" })]);
    }
    expect(answered.length).toBeGreaterThan(0);
  });

  it("says that evidence is simulated, and that swtpm is not there where it is not", { timeout: 300_000 }, async () => {
    const empty = join(folder.path, "empty");
    await mkdir(empty);
    const { code, stdout } = await runCli(["demo", "--path", "tee", "--out", join(folder.path, "bare")], folder.path, {
      PATH: empty,
    });
    expect(code).toBe(0);
    expect(stdout).toMatch(/^evidence: [^\n]*swtpm is not installed[^\n]*simulated: no hardware is shown here$/m);
  });

  it("leaves its bundles and a trust file that accepts them: with it they verify, without it they are rejected", async () => {
    const names = await readdir(out);
    expect(names).toContain("trust.yaml");
    const bundles = names.filter((name) => name.endsWith(".triseal.json"));
    expect(bundles.length).toBe(lines.length + encrypted.length);
    expect(bundles.length).toBeGreaterThanOrEqual(5);
    const named = [...lines, ...encrypted].map(({ bundle }) => resolve(folder.path, bundle));
    expect(named.sort()).toEqual(bundles.map((name) => join(out, name)).sort());
    const trust = join(out, "trust.yaml");
    expect((await runCli(["verify", out, "--trust", trust])).code).toBe(0);
    const without = await runCli(["verify", out, "--json"]);
    expect(without.code).toBe(10);
    const outcomes = without.stdout
      .trim()
      .split("\n")
      .map((line) => (JSON.parse(line) as { outcome: string }).outcome);
    expect(new Set(outcomes)).toEqual(new Set(["rejected"]));
  });

  it("names its witness as a test witness in the trust file", async () => {
    expect(await readFile(join(out, "trust.yaml"), "utf8")).toContain("test-witness");
  });

  it("leaves no process behind", () => {
    // Witness, gateway and worker, at least.
    expect(seen.size).toBeGreaterThanOrEqual(3);
    expect([...seen].filter(isRunning)).toEqual([]);
  });

  it("prints for people, keeps to one path, and prints the command that checks it", async () => {
    const { code, stdout } = await runCli(["demo", "--path", "tee", "--out", join(folder.path, "again")], folder.path);
    expect(code).toBe(0);
    expect(stdout).toMatch(/evidence: .*simulated/);
    expect(stdout).toMatch(/triseal verify \S+ --trust \S+trust\.yaml/);
    expect(stdout).not.toContain("DOES NOT VERIFY");
  }, 120_000);

  it("shows the digit that is proven, and that its commitment was opened", async () => {
    const { code, stdout } = await runCli(["demo", "--path", "zk", "--out", join(folder.path, "proofs")], folder.path);
    expect(code).toBe(0);
    const digit = stdout.slice(stdout.indexOf("digits-mlp-int"));
    expect(digit.split("\n").filter((line) => /^ {12}[ .:=+*#%@-]*$/.test(line)).length).toBe(8);
    expect(digit).toContain("opens to the input that was sent");
    expect(stdout).not.toContain("WAS NOT OPENED");
  }, 120_000);

  it("refuses a path that this version does not have", async () => {
    const { code, stdout, stderr } = await runCli(["demo", "--path", "mpc", "--out", join(folder.path, "none")], folder.path);
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(/^triseal: PATH_UNAVAILABLE: [^\n]*\n$/);
  });
});
