/** `triseal fhe programs` and `fhe run --dry-run`, as processes: prices come out before anything is encrypted. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { temporaryFolder } from "./gateway-harness.ts";
import { runCli } from "./gateway-process.ts";

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
const at = (name: string) => join(folder.path, name);
const dryRun = (...args: string[]) => runCli(["fhe", "run", ...args, "--dry-run", "--json"]);

beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => folder.remove());

describe("the price of a program", () => {
  it("is refused for a program that there is not, for one that is wrong, and for a run that is not said to be dry", async () => {
    const missing = await dryRun(at("nothing.json"));
    expect(missing.code).toBe(30);
    expect(JSON.parse(missing.stdout)).toMatchObject({ ok: false, code: "FORMAT_INVALID" });
    await writeFile(at("wrong.json"), '{"v":1,"in":[{"n":"a","t":"u8"}],"ops":[["r","div","a","a"]],"out":["r"]}');
    const wrong = await dryRun(at("wrong.json"));
    expect(wrong.code).toBe(30);
    expect(JSON.parse(wrong.stdout)).toMatchObject({ ok: false, code: "FHE_PROGRAM_INVALID" });
    expect((await runCli(["fhe", "run", "transfer-u64"])).code).toBe(1);
  });

  it("is the same for a shipped program by its name and for its document in a file", async () => {
    const shown = await runCli(["fhe", "programs", "transfer-u64"]);
    expect(shown.code).toBe(0);
    await writeFile(at("transfer.json"), shown.stdout);
    const [named, read] = [await dryRun("transfer-u64"), await dryRun(at("transfer.json"))];
    expect(read.stdout).toBe(named.stdout);
    expect(JSON.parse(named.stdout)).toMatchObject({ ok: true, pbs: 128, depth: 41 });
  });

  it("is told op by op to a person, and all shipped programs are listed with theirs", async () => {
    const { stdout } = await runCli(["fhe", "run", "transfer-u64", "--dry-run"]);
    expect(stdout).toContain("\n32   bool  ok = ge from amount\n");
    expect(stdout).toMatch(/128 bootstraps, 41 deep\n$/);
    const listed = await runCli(["fhe", "programs"]);
    expect(listed.stdout).toMatch(/^auction-8x32 +366 +82 /m);
  });
});
