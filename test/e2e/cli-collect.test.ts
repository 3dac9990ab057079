/** `triseal evidence collect`, as a process: what is refused, and what it wrote is judged by `evidence verify`. */
import { chmod, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeBase64, utf8 } from "../../src/core/bytes.ts";
import { hasSwtpm, type Swtpm, startSwtpm } from "../fixtures/attester/swtpm.ts";
import { createGpuWorld } from "../fixtures/evidence/gpu.ts";
import { temporaryFolder } from "./gateway-harness.ts";
import { runCli } from "./gateway-process.ts";

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
const at = (name: string) => join(folder.path, name);
const DATA = "5a".repeat(32);

beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => folder.remove());

const collect = (attester: string, out: string, ...more: string[]) =>
  runCli(["evidence", "collect", "--attester", attester, "--report-data", DATA, "--out", at(out), ...more]);

describe("triseal evidence collect", { timeout: 120_000 }, () => {
  it.each([
    ["an attester that is not known", "sgx", [], "CONFIG_INVALID"],
    ["simulated evidence", "simulated", ["--socket", "/s"], "CONFIG_INVALID"],
    ["a flag of another attester", "tdx", ["--vmpl", "0"], "CONFIG_INVALID"],
    ["a simulator that is not there", "tpm2-simulated", ["--socket", "/nonexistent/s"], "ATTESTER_UNAVAILABLE"],
    ["a TPM that is not there", "tpm2", ["--device", "/nonexistent/tpm"], "ATTESTER_UNAVAILABLE"],
    ["report data of another length", "tpm2", ["--report-data", "00"], "CONFIG_INVALID"],
  ])("refuses %s, and writes nothing", async (_, attester, more, code) => {
    const before = await readdir(folder.path);
    const { code: exit, stderr } = await collect(attester, "none.json", ...more);
    expect([exit, stderr]).toEqual([1, expect.stringContaining(code)]);
    expect(await readdir(folder.path)).toEqual(before);
  });

  it("writes what NVIDIA's tool gives for each device, with a case for each", async () => {
    const world = createGpuWorld();
    const nonce = Buffer.from(world.report.slice(4, 36)).toString("hex");
    const pem = world.device.map(({ der }) => `-----BEGIN CERTIFICATE-----\n${encodeBase64(der)}\n-----END CERTIFICATE-----\n`);
    const part = { nonce, evidence: encodeBase64(world.report), certificate: encodeBase64(utf8(pem.join(""))) };
    await writeFile(at("answer"), JSON.stringify({ evidences: [part, part], result_code: 0, result_message: "Ok" }));
    await writeFile(at("tool"), `#!/bin/sh\ncat "${at("answer")}"\n`);
    await chmod(at("tool"), 0o755);
    const { code, stdout } = await collect("nvidia", "gpu.json", "--tool", at("tool"), "--report-data", nonce);
    expect([code, stdout.trim().split("\n").length]).toEqual([0, 3]);
    // The test authority is no root that is built in.
    const verdict = await runCli(["evidence", "verify", "--case", at("gpu.json.1.case.json"), "--json"]);
    expect(JSON.parse(verdict.stdout)).toMatchObject({ code: "EVIDENCE_COLLATERAL_MISSING", claims: {} });
  });
});

describe.skipIf(!hasSwtpm)("triseal evidence collect from a TPM in software", { timeout: 120_000 }, () => {
  let swtpm: Swtpm;
  beforeAll(async () => {
    swtpm = await startSwtpm();
  });
  afterAll(() => swtpm.stop());

  it("writes a quote that is judged, and does not write over it", async () => {
    expect((await collect("tpm2-simulated", "tpm.json", "--socket", swtpm.socket)).code).toBe(0);
    const verdict = await runCli(["evidence", "verify", "--case", at("tpm.json.case.json"), "--json"]);
    // Nobody enrolled the key.
    expect(JSON.parse(verdict.stdout)).toMatchObject({ code: "EVIDENCE_KEY_BINDING_INVALID", claims: { nonce: DATA } });
    const again = await collect("tpm2-simulated", "tpm.json", "--socket", swtpm.socket);
    expect([again.code, again.stderr]).toEqual([1, expect.stringContaining("is there already")]);
    expect(JSON.parse(await readFile(at("tpm.json"), "utf8"))).toMatchObject({ v: 1, devices: [] });
  });
});
