/** The fhe bench at its smallest, with the real engine. Skipped where the engine or its examples are not built. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { FheResult } from "../../bench/fhe/result.ts";
import { repository } from "./gateway-process.ts";

const RELEASE = join(repository, "src/paths/fhe/engine/target/release");
const built = ["triseal-fhe", "examples/direct", "examples/lwe", "examples/linear_int16"].every((name) =>
  existsSync(join(RELEASE, name)),
);
if (!built) console.log("skipped: the FHE engine or its examples are not built (`cargo build --release --examples`)");

const run = promisify(execFile);
let folder: string;
let stdout: string;
let result: FheResult;

async function bench(...more: readonly string[]): Promise<{ readonly stdout: string; readonly result: FheResult }> {
  const out = join(folder, "fhe.json");
  const flags = ["fhe", "--smallest", "--seconds", "1", "--out", out, ...more];
  const printed = await run(process.execPath, ["--import", "tsx", "bench/run.ts", ...flags], { cwd: repository });
  return { stdout: printed.stdout, result: JSON.parse(await readFile(out, "utf8")) as FheResult };
}

describe.skipIf(!built)("the smallest fhe bench", () => {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "triseal-e2e-bench-fhe-"));
    ({ stdout, result } = await bench());
  }, 600_000);

  afterAll(() => rm(folder, { recursive: true, force: true }));

  it("measures every part but that of Welch's test, and says where and with what", () => {
    const { schema, suite, simulated, machine, parts } = result;
    const versions: Readonly<Record<string, string>> = result.versions;
    expect({ schema, suite, simulated }).toEqual({ schema: "triseal.bench/v1", suite: "fhe", simulated: false });
    expect([machine.node, versions["node-tfhe"]]).toEqual([process.version, "1.7.0"]);
    expect(result.failed).toEqual([]);
    expect(Object.keys(parts)).toEqual(["transfer", "concurrency", "programs", "linear", "client"]);
    for (const title of ["transfer-u64", "auction-8x32", "tree-depth4", "goals"]) expect(stdout).toContain(title);
  });

  it("counts bootstraps within the goals, and finds no wrong integer", () => {
    const { programs, linear, transfer } = result.parts;
    for (const { forms, goalPbs } of programs?.rows ?? []) expect(forms[0]?.pbs).toBeLessThanOrEqual(goalPbs);
    expect(programs?.rows.map(({ program }) => program)).toEqual(["transfer-u64", "auction-8x32", "tree-depth4"]);
    expect([linear?.lweErrors, linear?.int16Errors]).toEqual([0, 0]);
    expect(transfer?.outcome).toBe("accepted");
  });

  it("gives each goal's ratio its interval", () => {
    const names = [
      "fhe_http_over_direct_p50",
      "fhe_http_over_usual_p50",
      "fhe_int16_over_lwe_linear",
      "fhe_keygen_wasm_over_native",
    ];
    for (const name of names) {
      const { median = 0, low = 0, high = 0 } = result.ratios[name] ?? {};
      expect([name, low > 0, low <= median, median <= high]).toEqual([name, true, true, true]);
    }
    expect(result.parts.concurrency?.rounds[0]?.engineShare).toBeGreaterThan(0);
    expect(result.ratios).not.toHaveProperty("fhe_eight_transfers_core_share");
  });

  it("adds pairs of transfers to what an earlier call left, and refuses a part that there is none of", async () => {
    const { result: added } = await bench("--only", "welch");
    expect(added.parts.programs).toEqual(result.parts.programs);
    const { sufficientMs, insufficientMs, outputBytes, sizeT, threshold, calls } = added.parts.welch ?? {};
    expect([sufficientMs?.length, insufficientMs?.length, sizeT, threshold, calls?.length]).toEqual([2, 2, 0, 4.5, 1]);
    expect(outputBytes?.sufficient).toEqual(outputBytes?.insufficient);
    await expect(bench("--only", "welch,nothing")).rejects.toThrow("--only names no part");
  }, 300_000);
});
