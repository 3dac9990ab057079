import { chmod, readdir, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { stringify } from "yaml";
import { decodeReport } from "../../src/receipt/index.ts";
import {
  bundleOf,
  copyFolder,
  digitsBody,
  filesUnder,
  get,
  infer,
  type Service,
  startService,
  temporaryFolder,
  verdictOn,
  workerOf,
} from "./gateway-harness.ts";
import { childrenOf, isRunning, runCli, unreadBytes, until } from "./gateway-process.ts";

/** Leaves of the log, by its own checkpoint. */
async function logSize(of: Service): Promise<number> {
  return Number((await get(of, "/log/checkpoint", null)).text.split("\n")[1]);
}

describe("a gateway that starts again on the same data folder", () => {
  let service: Service;

  beforeAll(async () => {
    service = await startService({ witness: true });
  });

  afterAll(async () => {
    expect(await service.close()).toBe(0);
  });

  for (const [how, signal] of [
    ["was asked to end", "SIGTERM"],
    ["was interrupted", "SIGINT"],
    ["was killed", "SIGKILL"],
  ] as const) {
    it(`serves the receipts of one that ${how}, its log grows, and its bundles still verify`, async () => {
      const answer = await infer(service, digitsBody());
      const refusal = await infer(service, { ...digitsBody(), parameters: { classification: "secret" } });
      const oldBundle = await bundleOf(service, answer.receiptId);
      const oldReport = decodeReport((await get(service, "/v1/aci/attestation", null)).json as never, "report");
      const size = await logSize(service);
      const [worker] = childrenOf(service.program.pid);
      expect(await service.program.stop(signal)).toBe(signal === "SIGKILL" ? null : 0);
      await until(() => worker !== undefined && !isRunning(worker), "end of the worker");
      await service.restart();
      expect(await logSize(service)).toBeGreaterThanOrEqual(size);
      const again = await infer(service, digitsBody());
      expect(again.status).toBe(200);
      expect(await logSize(service)).toBeGreaterThan(size);
      for (const { receiptId, bytes } of [answer, refusal, again]) {
        const verdict = await verdictOn(service, await bundleOf(service, receiptId), { response: bytes });
        expect([verdict.outcome, verdict.code]).toEqual(["accepted", null]);
        expect((await get(service, `/v1/receipts/${receiptId}/response`)).bytes).toEqual(bytes);
      }
      expect((await verdictOn(service, oldBundle)).outcome).toBe("accepted");
      const report = decodeReport((await get(service, "/v1/aci/attestation", null)).json as never, "report");
      expect(report.attestation.workload_keyset.receipt_signing_keys).toEqual(
        oldReport.attestation.workload_keyset.receipt_signing_keys,
      );
    });
  }

  it("loses no receipt that it gave out before it was killed under load", async () => {
    const given: string[] = [];
    const requests = Array.from({ length: 24 }, async () => {
      const answer = await infer(service, digitsBody()).catch(() => null);
      if (answer?.status === 200 && answer.receiptId !== null) given.push(answer.receiptId);
    });
    await until(() => given.length >= 4, "some answers");
    await service.program.stop("SIGKILL");
    await Promise.all(requests);
    await service.restart();
    for (const id of given) expect((await verdictOn(service, await bundleOf(service, id))).outcome).toBe("accepted");
  });

  it("cuts off a torn tail of its log and goes on", async () => {
    const answer = await infer(service, digitsBody());
    const size = await logSize(service);
    await service.program.stop("SIGKILL");
    const leaves = filesUnder(join(service.dataDir, "log")).filter(({ path }) => !path.includes("/tile/") && /leaves/.test(path));
    expect(leaves).toHaveLength(1);
    for (const { path } of leaves) await writeFile(path, Buffer.of(0, 0, 1), { flag: "a" });
    await service.restart();
    expect(await logSize(service)).toBeGreaterThanOrEqual(size);
    expect((await verdictOn(service, await bundleOf(service, answer.receiptId))).outcome).toBe("accepted");
    const next = await infer(service, digitsBody());
    // The witness cosigns only what extends what it saw before.
    expect((await verdictOn(service, await bundleOf(service, next.receiptId))).outcome).toBe("accepted");
  });
});

describe("a second process on a data folder that is in use", () => {
  let service: Service;

  beforeAll(async () => {
    service = await startService();
  });

  afterAll(async () => {
    await service.close();
  });

  it("is refused in one line that names the holder, and does no harm", async () => {
    const second = await runCli([
      "serve",
      "--dev",
      "--config",
      service.configFile,
      "--data",
      service.dataDir,
      "--port",
      "0",
      "--json",
    ]);
    expect([second.code, second.stdout]).toEqual([1, ""]);
    expect(second.stderr).toMatch(new RegExp(`^triseal: LOG_LOCKED: process ${service.program.pid} [^\\n]*\\n$`));
    expect((await infer(service, digitsBody())).status).toBe(200);
  });
});

/** Whether somebody listens on `port`. */
function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}

describe("a gateway that is asked to end while a worker holds a request", () => {
  // The second one holds it for longer than connections are kept that carry no request.
  for (const [signal, heldMs] of [
    ["SIGTERM", 0],
    ["SIGINT", 5500],
  ] as const) {
    it(`closes its port, answers the request, and ends with 0 and without a child: ${signal}`, async () => {
      const service = await startService();
      onTestFinished(async () => {
        await service.close();
      });
      const worker = workerOf(service);
      process.kill(worker, "SIGSTOP");
      const held = infer(service, digitsBody());
      held.catch(() => undefined);
      await until(() => unreadBytes(worker) > 0, "request at the worker");
      const ended = service.program.stop(signal);
      await until(async () => !(await isOpen(Number(new URL(service.url).port))), "closed port");
      await new Promise((resolve) => setTimeout(resolve, heldMs));
      process.kill(worker, "SIGCONT");
      const answer = await held;
      expect(answer.status).toBe(200);
      expect(answer.receiptId).toMatch(/^rcpt-/);
      expect(await ended).toBe(0);
      expect(isRunning(worker)).toBe(false);
      await service.restart();
      expect((await verdictOn(service, await bundleOf(service, answer.receiptId), { response: answer.bytes })).outcome).toBe(
        "accepted",
      );
    });
  }
});

describe("what production refuses", () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;

  beforeEach(async () => {
    folder = await temporaryFolder();
  });

  afterEach(async () => {
    await folder.remove();
  });

  const serve = (...args: string[]) =>
    runCli(["serve", "--port", "0", "--json", "--data", join(folder.path, "data"), ...args], folder.path);

  it("is a simulated attester, in one line, before anything is made", async () => {
    const { code, stdout, stderr } = await serve();
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(/^triseal: CONFIG_INVALID: workers\.attester is `simulated`[^\n]*--dev[^\n]*\n$/);
    expect(await readdir(folder.path)).toEqual([]);
  });

  it("is a configuration with an unknown key, a wrong value, or no YAML", async () => {
    const cases: readonly [string, RegExp][] = [
      [stringify({ listen: { prot: 1 } }), /listen/],
      [stringify({ listen: { host: "0.0.0.0" } }), /listen\.host/],
      [stringify({ workers: { attester: "sgx" } }), /workers\.attester/],
      [stringify({ workers: { attester: "sev-snp" } }), /trust: .*sev-snp/],
      [stringify({ apiKeys: [{ hash: "00", tenant: "a" }] }), /apiKeys\.0\.hash/],
      [stringify({ limits: { maxBodyBytes: -1 } }), /limits\.maxBodyBytes/],
      ["a: b: c", /YAML/],
      ["listen: {}\nlisten: {}", /YAML/],
    ];
    const refused = cases.map(async ([text, named], index) => {
      const file = join(folder.path, `bad-${index}.yaml`);
      await writeFile(file, text);
      const { code, stderr } = await serve("--dev", "--config", file);
      expect([text, code]).toEqual([text, 1]);
      expect(stderr).toMatch(/^triseal: CONFIG_INVALID: [^\n]*\n$/);
      expect(stderr).toMatch(named);
    });
    await Promise.all(refused);
    const missing = await serve("--dev", "--config", join(folder.path, "none.yaml"));
    expect([missing.code, missing.stderr]).toEqual([1, expect.stringMatching(/^triseal: CONFIG_INVALID: cannot read [^\n]*\n$/)]);
  });

  it("is a port that is none, and one that is taken", async () => {
    const refused = ["x", "70000", "-1", "1.5"].map(async (port) => {
      const { code, stderr } = await runCli(["serve", "--dev", "--port", port, "--data", join(folder.path, port)]);
      expect([port, code]).toEqual([port, 1]);
      expect(stderr).toMatch(/^triseal: CONFIG_INVALID: [^\n]*port[^\n]*\n$/);
    });
    await Promise.all(refused);
    const holder = await startService();
    try {
      const port = new URL(holder.url).port;
      const { code, stderr } = await runCli(["serve", "--dev", "--port", port, "--data", join(folder.path, "data")]);
      expect(code).toBe(1);
      expect(stderr).toMatch(/triseal: [^\n]*EADDRINUSE[^\n]*\n$/);
      expect(stderr).not.toMatch(/\n\s+at /);
    } finally {
      await holder.close();
    }
  });

  it("is a key file that others can read, even in development", async () => {
    const service = await startService();
    const copy = join(folder.path, "data");
    await service.program.stop();
    await copyFolder(service.dataDir, copy);
    await service.close();
    const [name = ""] = await readdir(join(copy, "keys"));
    await chmod(join(copy, "keys", name), 0o644);
    const { code, stderr } = await serve("--dev");
    expect(code).toBe(1);
    expect(stderr).toMatch(new RegExp(`^triseal: KEY_FILE_INVALID: [^\\n]*${name}[^\\n]*chmod 600\\n$`));
    await chmod(join(copy, "keys", name), 0o600);
    await writeFile(join(copy, "keys", name), "{}");
    const damaged = await serve("--dev");
    expect(damaged.stderr).toMatch(/^triseal: KEY_FILE_INVALID: [^\n]*\n$/);
  });
});
