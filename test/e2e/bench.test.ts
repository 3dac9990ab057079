import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { PathsResult } from "../../bench/paths/result.ts";
import { repository } from "./gateway-process.ts";

interface BenchResult {
  readonly schema: string;
  readonly suite: string;
  readonly simulated: boolean;
  readonly machine: { readonly cores: number; readonly node: string };
  readonly versions: Readonly<Record<string, string>>;
  readonly disks: readonly { readonly fdatasyncMs: { readonly n: number } }[];
  readonly models: readonly {
    readonly model: string;
    readonly latency: readonly {
      readonly variant: string;
      readonly simulated: boolean;
      readonly answeredMs: { readonly n: number; readonly p50: number };
      readonly addedMs: { readonly low: number; readonly median: number; readonly high: number } | null;
    }[];
    readonly throughput: readonly { readonly simulated: boolean; readonly answersPerSecond: number }[];
  }[];
  readonly stages: readonly { readonly where: string; readonly stage: string; readonly simulated: boolean }[];
  readonly verification: { readonly outcome: string };
  readonly memory: { readonly requests: number; readonly samples: readonly { readonly gatewayRss: number }[] };
}

const run = promisify(execFile);
const started = { folder: "" };
const seen: { stdout: string; result: BenchResult | null } = { stdout: "", result: null };

function result(): BenchResult {
  if (seen.result === null) throw new Error("the bench left no result");
  return seen.result;
}

describe("the smallest tee bench", () => {
  beforeAll(async () => {
    started.folder = await mkdtemp(join(tmpdir(), "triseal-e2e-bench-"));
    const out = join(started.folder, "tee.json");
    const flags = ["tee", "--smallest", "--seconds", "1", "--memory-requests", "20", "--out", out];
    const { stdout } = await run(process.execPath, ["--import", "tsx", "bench/run.ts", ...flags], { cwd: repository });
    seen.stdout = stdout;
    seen.result = JSON.parse(await readFile(out, "utf8")) as BenchResult;
  }, 110_000);

  afterAll(() => rm(started.folder, { recursive: true, force: true }));

  it("says what was measured, with which versions, and that the evidence is simulated", () => {
    const { schema, suite, simulated, machine, versions } = result();
    expect({ schema, suite, simulated }).toEqual({ schema: "triseal.bench/v1", suite: "tee", simulated: true });
    expect(machine).toMatchObject({ node: process.version });
    expect(Object.values(versions)).not.toContain("not installed");
    const titles = seen.stdout.split("\n").filter((line, index, lines) => lines[index - 1] === "" && line !== "");
    expect(titles.length).toBeGreaterThanOrEqual(5);
    for (const title of titles) expect(title).toMatch(/simulated/i);
  });

  it("measures every variant beside the bare route, in rounds of one run", () => {
    const [model] = result().models;
    const rows = model?.latency ?? [];
    expect(rows.map(({ variant }) => variant).slice(0, 4)).toEqual(["bare", "unsealed", "sealed x25519", "sealed hybrid"]);
    expect(new Set(rows.map(({ answeredMs }) => answeredMs.n)).size).toBe(1);
    for (const { variant, simulated, answeredMs, addedMs } of rows) {
      expect(simulated).toBe(true);
      expect(answeredMs.p50).toBeGreaterThan(0);
      if (variant === "bare") expect(addedMs).toBeNull();
      else expect((addedMs?.low ?? Number.NaN) <= (addedMs?.high ?? Number.NaN)).toBe(true);
    }
    for (const row of model?.throughput ?? []) expect(row).toMatchObject({ simulated: true });
    expect(model?.throughput.every(({ answersPerSecond }) => answersPerSecond > 0)).toBe(true);
  });

  it("takes the stages of caller, gateway and worker apart, and verifies what it was given", () => {
    const stages = new Set(result().stages.map(({ where, stage }) => `${where} ${stage}`));
    const wanted = ["prepare", "seal", "http", "open", "verify"].map((stage) => `caller ${stage}`);
    wanted.push(...["policy", "admission", "sign", "log"].map((stage) => `gateway ${stage}`));
    wanted.push(...["open", "compute", "sign leg"].map((stage) => `worker ${stage}`));
    expect(wanted.filter((stage) => !stages.has(stage))).toEqual([]);
    expect(result().verification.outcome).toBe("accepted");
    expect(result().disks[0]?.fdatasyncMs.n).toBeGreaterThan(0);
    expect(result().memory.requests).toBe(20);
    expect(result().memory.samples.every(({ gatewayRss }) => gatewayRss > 0)).toBe(true);
  });
});

describe("the smallest bench of the paths", () => {
  it("answers one model without a service, over plain HTTP, attested, and with a proof; every bundle is verified", async () => {
    const folder = await mkdtemp(join(tmpdir(), "triseal-e2e-bench-"));
    const out = join(folder, "paths.json");
    const flags = ["paths", "--smallest", "--seconds", "1", "--out", out];
    await run(process.execPath, ["--import", "tsx", "bench/run.ts", ...flags], { cwd: repository });
    const { models } = JSON.parse(await readFile(out, "utf8")) as PathsResult;
    await rm(folder, { recursive: true, force: true });
    const rows = models[0]?.rows ?? [];
    expect(rows.slice(0, 6).map(({ variant, simulated }) => [variant, simulated])).toEqual([
      ["plain HTTP", false],
      ["onnxruntime in process", false],
      ["tee, unsealed", true],
      ["tee, sealed X25519", true],
      ["tee, sealed hybrid", true],
      ["zk, proof by the gateway", false],
    ]);
    for (const { variant, path, answeredMs, verifyMs, unavailable } of rows) {
      expect([variant, answeredMs === null ? unavailable !== null : answeredMs.n >= 5]).toEqual([variant, true]);
      const isReceipted = path !== "none" && !variant.includes("direct") && answeredMs !== null;
      expect([variant, verifyMs !== null]).toEqual([variant, isReceipted]);
    }
  }, 110_000);
});
