/** The whole gateway in this process over real workers, with a clock that the test sets: the one thing that no process of its own allows. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { JsonObject } from "../../src/core/json.ts";
import { unixSeconds } from "../../src/core/time.ts";
import { nodeFiles } from "../../src/log/store/files.ts";
import { parseConfig } from "../../src/main/config.ts";
import type { RunningGateway, StartOptions } from "../../src/main/start-gateway.ts";
import { parseBundle } from "../../src/receipt/index.ts";
import { parseTrust } from "../../src/verify/index.ts";
import { bundleOf, digitsBody, get, infer, clock as realClock, type Service, verdictOn } from "./gateway-harness.ts";
import { repository, until } from "./gateway-process.ts";

/** Workers know only their own clock and take envelopes that end within five minutes: larger steps are theirs, too, or seal nothing. */
const BEFORE_START = -100;

const time = { offset: BEFORE_START };
const lines: JsonObject[] = [];
let folder: string;
let running: RunningGateway;
let service: Pick<Service, "url" | "apiKey" | "trust">;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "triseal-e2e-"));
  const config = parseConfig("workers: { jurisdiction: EU, concurrency: 1, maxSessionAgeSeconds: 60 }");
  // The built program: the worker's files are measured where they run from.
  const built = pathToFileURL(join(repository, "dist", "src", "main", "start-gateway.js")).href;
  const { startGateway } = (await import(built)) as { startGateway: (options: StartOptions) => Promise<RunningGateway> };
  running = await startGateway({
    config: { ...config, dataDir: join(folder, "data"), listen: { host: "127.0.0.1", port: 0, tls: null } },
    dev: true,
    databaseUrl: null,
    clock: () => unixSeconds(realClock() + time.offset),
    log: (line) => lines.push(line),
    files: nodeFiles,
  });
  const trust = async () => parseTrust(new Uint8Array(await readFile(running.trustFile)));
  service = { url: running.url, apiKey: running.apiKey ?? "", trust };
});

afterAll(async () => {
  await running.close();
  await rm(folder, { recursive: true, force: true });
});

const of = () => service as Service;

/** Sends requests until one is answered. Resolves with its bundle, and the codes of the refusals before it. */
async function nextAnswer(): Promise<{ readonly bundle: Uint8Array; readonly codes: ReadonlySet<unknown> }> {
  const codes = new Set<unknown>();
  const receiptId = await until(async () => {
    const answer = await infer(of(), digitsBody());
    if (answer.status === 200) return answer.receiptId;
    codes.add(answer.json["code"]);
    return null;
  }, "answer");
  return { bundle: await bundleOf(of(), receiptId), codes };
}

/** What stands in a receipt about time: when its session was appraised and ends, and when it was served. */
function timesOf(bundle: Uint8Array) {
  const { receipt, sessions } = parseBundle(bundle);
  const [session] = [...sessions.values()];
  return {
    served: receipt.served_at,
    established: Number((session as unknown as JsonObject | undefined)?.["established_at"]),
    expires: Number((session as unknown as JsonObject | undefined)?.["expires_at"]),
  };
}

async function expectInOrder(bundle: Uint8Array): Promise<void> {
  const { served, established, expires } = timesOf(bundle);
  expect(served).toBeGreaterThanOrEqual(established);
  expect(served).toBeLessThanOrEqual(expires);
  // Judged by somebody whose clock is right; the step back to the past is no crime, the step to the future is seen.
  const { outcome, code } = await verdictOn(of(), bundle);
  const expected = served <= realClock() + 60 ? ["accepted", null] : ["rejected", "LOG_TIME_INVALID"];
  expect([outcome, code]).toEqual(expected);
}

const FAIL_CLOSED = new Set(["PATH_UNAVAILABLE", "UPSTREAM_NOT_VERIFIED"]);

describe("a clock that is set while requests run", () => {
  it.each([
    ["forward over the end of every session", 0],
    ["forward again", 100],
    ["back before the beginning of every session", -60],
    ["back by a second", -61],
    ["forward to the right time", 0],
  ])("%s: no session of the wrong time is used, what is refused is coded, and it recovers by itself", async (_, offset) => {
    await nextAnswer();
    time.offset = offset;
    const { bundle, codes } = await nextAnswer();
    for (const code of codes) expect(FAIL_CLOSED).toContain(code);
    await expectInOrder(bundle);
    expect(running.workerPids()).toHaveLength(1);
  });

  it("a month ahead: the worker's keys have expired, nothing is admitted, and it recovers once the clock is right", async () => {
    await nextAnswer();
    time.offset = 30 * 86_400;
    await until(async () => (await get(of(), "/v2/health/ready", null)).status === 503, "readiness that is off");
    const { status, json, receiptId } = await infer(of(), digitsBody());
    expect([status, json["retryable"]]).toEqual([503, true]);
    // The policy's period has passed, too: whichever is seen first, it is a refusal with a receipt.
    expect(["POLICY_UNAVAILABLE", ...FAIL_CLOSED]).toContain(json["code"]);
    expect(receiptId).toMatch(/^rcpt-/);
    time.offset = 0;
    await expectInOrder((await nextAnswer()).bundle);
  });

  it("three months ahead: the keyset is renewed before it expires, and again when the clock is right", async () => {
    const digest = async () => (await get(of(), "/v2/health/live", null)).headers.get("x-aci-keyset-digest");
    const first = await digest();
    time.offset = 80 * 86_400;
    const second = await until(async () => ((await digest()) === first ? null : await digest()), "renewed keyset");
    time.offset = 0;
    await until(async () => (await digest()) !== second, "keyset of the right time");
    await expectInOrder((await nextAnswer()).bundle);
  });
});

describe("a worker that cannot give fresh evidence", () => {
  it("gets no request once its session has ended, and serves again by itself when it can", async () => {
    await nextAnswer();
    const [worker] = running.workerPids();
    process.kill(worker ?? 0, "SIGSTOP");
    time.offset = 61;
    const { status, json } = await infer(of(), digitsBody());
    expect([status, json["code"], json["retryable"]]).toEqual([503, "PATH_UNAVAILABLE", true]);
    const forwarded = lines.filter((line) => line["event"] === "infer" && line["code"] === "WORKER_LOST");
    expect(forwarded).toEqual([]);
    process.kill(worker ?? 0, "SIGCONT");
    const { bundle } = await nextAnswer();
    expect(running.workerPids()).toEqual([worker]);
    const { established, served } = timesOf(bundle);
    expect(served - established).toBeLessThanOrEqual(60);
    time.offset = 0;
  });
});
