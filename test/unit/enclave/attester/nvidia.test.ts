/** GPU evidence through NVIDIA's CLI, from a process that stands in for it, appraised under the test authorities. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createNvidiaSource } from "../../../../enclave/attester/nvidia.ts";
import { encodeBase64, encodeHex, utf8 } from "../../../../src/core/bytes.ts";
import type { JsonValue } from "../../../../src/core/json.ts";
import { createGpuWorld, gpuQuestion } from "../../../fixtures/evidence/gpu.ts";
import { answerTo } from "../../../fixtures/evidence/question.ts";

const never = new AbortController().signal;
const world = createGpuWorld();
const NONCE = world.report.slice(4, 36);

const pem = (der: Uint8Array) =>
  `-----BEGIN CERTIFICATE-----\n${encodeBase64(der).replace(/(.{64})/g, "$1\n")}\n-----END CERTIFICATE-----\n`;
const device = {
  version: "1.0",
  arch: "HOPPER",
  nonce: encodeHex(NONCE),
  vbios_version: "96.00.00.00.01",
  driver_version: "575.03",
  evidence: encodeBase64(world.report),
  certificate: encodeBase64(utf8(world.device.map(({ der }) => pem(der)).join(""))),
};
const answer = (evidences: JsonValue, code = 0) => JSON.stringify({ evidences, result_code: code, result_message: "Ok" });
const print = (text: string) => `process.stdout.write(${JSON.stringify(text)})`;

describe("GPU evidence through NVIDIA's CLI", () => {
  let folder = "";
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "triseal-nvattest-"));
  });
  afterAll(async () => {
    await rm(folder, { recursive: true });
  });

  /** A source whose tool is a process that runs `script`. */
  async function source(script: string, deadlineMs = 20_000) {
    const file = join(folder, "tool.cjs");
    await writeFile(file, script);
    return createNvidiaSource({ command: [process.execPath, file], deadlineMs });
  }

  it.each<readonly [string, string, string]>([
    ["garbage", print("no devices here"), "ATTESTER_MALFORMED"],
    ["nothing", "", "ATTESTER_MALFORMED"],
    ["a list in place of an object", print("[]"), "ATTESTER_MALFORMED"],
    ["an exit code, and a good answer", `${print(answer([device]))}; process.exitCode = 3`, "ATTESTER_FAILED"],
    ["its death", "process.kill(process.pid, 'SIGSEGV')", "ATTESTER_FAILED"],
    ["a failure in its answer", print(answer([device], 11)), "ATTESTER_FAILED"],
    ["no device", print(answer([])), "ATTESTER_UNAVAILABLE"],
    ["no list", print(answer("Ok")), "ATTESTER_MALFORMED"],
    ["more devices than a machine has", print(answer(Array.from({ length: 17 }, () => device))), "ATTESTER_MALFORMED"],
    ["too much", "setInterval(() => process.stdout.write('x'.repeat(1 << 18)), 1)", "ATTESTER_TOO_LARGE"],
    ["another nonce in its answer", print(answer([{ ...device, nonce: "00".repeat(32) }])), "ATTESTER_MISMATCH"],
    [
      "another nonce in its report",
      print(answer([{ ...device, evidence: encodeBase64(world.report.with(4, (world.report[4] ?? 0) ^ 1)) }])),
      "ATTESTER_MISMATCH",
    ],
    [
      "a report that is cut",
      print(answer([{ ...device, evidence: encodeBase64(world.report.slice(0, 36)) }])),
      "ATTESTER_MALFORMED",
    ],
    ["a report that is not in base64", print(answer([{ ...device, evidence: "%" }])), "ATTESTER_MALFORMED"],
    ["no chain", print(answer([{ ...device, certificate: "" }])), "ATTESTER_MALFORMED"],
    ["a chain that is no PEM", print(answer([{ ...device, certificate: encodeBase64(utf8("MII=")) }])), "ATTESTER_MALFORMED"],
    [
      "text after its chain",
      print(answer([{ ...device, certificate: encodeBase64(utf8(`${pem(world.report)}x`)) }])),
      "ATTESTER_MALFORMED",
    ],
  ])("%s is refused", async (_, script, code) => {
    await expect((await source(script)).collect(NONCE, never)).rejects.toMatchObject({ code });
  });

  it("a tool that is not there is no platform", async () => {
    const missing = createNvidiaSource({ command: [join(folder, "nvattest")] });
    await expect(missing.collect(NONCE, never)).rejects.toMatchObject({ code: "ATTESTER_UNAVAILABLE" });
  });

  it("a tool that hangs is killed with what it started", async () => {
    const pidFile = join(folder, "pid");
    const hanging = `const { spawn } = require("node:child_process");
      const child = spawn("sleep", ["600"], { stdio: "inherit" });
      require("node:fs").writeFileSync(${JSON.stringify(pidFile)}, String(child.pid));
      setInterval(() => {}, 1000)`;
    await expect((await source(hanging, 800)).collect(NONCE, never)).rejects.toMatchObject({ code: "ATTESTER_TIMEOUT" });
    const pid = Number(await readFile(pidFile, "utf8"));
    await wait(50);
    const state = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "gone");
    expect(state === "gone" || / Z /.test(state)).toBe(true);
  });

  it("a caller who gives up is answered at once", async () => {
    const pending = (await source("setInterval(() => {}, 1000)")).collect(NONCE, AbortSignal.timeout(100));
    await expect(pending).rejects.toMatchObject({ name: "TimeoutError" });
  });

  it("a nonce of another length is refused before the tool is run", async () => {
    await expect((await source("")).collect(NONCE.slice(1), never)).rejects.toMatchObject({ code: "ATTESTER_FAILED" });
  });

  it("what it collects passes the appraiser; the tool is asked for GPUs under the nonce", async () => {
    const script = `const asked = process.argv.slice(2).join(" ");
      if (asked !== "collect-evidence --device gpu --nonce ${encodeHex(NONCE)}") process.exit(9);
      ${print(answer([device, { ...device, nonce: `0x${encodeHex(NONCE).toUpperCase()}` }]))}`;
    const collected = await (await source(script)).collect(NONCE, never);
    expect(collected).toHaveLength(2);
    const question = gpuQuestion(world);
    for (const { evidence } of collected) {
      const policy = { ...question.policy, nonce: encodeHex(NONCE) };
      expect((await answerTo({ ...question, evidence: Object.fromEntries(evidence), policy })).code).toBeNull();
    }
  });
});
