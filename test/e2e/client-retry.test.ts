import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type InferenceCall, type RetryOptions, TrisealClient } from "../../src/client/index.ts";
import type { Trust } from "../../src/verify/index.ts";
import { clock, infer, type Service, startService, verdictOn, workerOf } from "./gateway-harness.ts";
import { isRunning, unreadBytes, until } from "./gateway-process.ts";
import { loggedReceipts } from "./logged-receipt.ts";
import { type LossyProxy, startLossyProxy } from "./lossy-proxy.ts";

let service: Service;
let proxy: LossyProxy;
let trust: Trust;

beforeAll(async () => {
  service = await startService();
  trust = await service.trust();
  proxy = await startLossyProxy(() => service.url);
});

afterEach(() => {
  proxy.passed.length = 0;
  proxy.before = () => false;
  proxy.after = () => false;
});

afterAll(async () => {
  await proxy.close();
  expect(await service.close()).toBe(0);
});

function clientOf(retry: RetryOptions = {}): TrisealClient {
  const options = { baseUrl: proxy.url, apiKey: service.apiKey, trust, clock };
  return new TrisealClient({ ...options, retry: { baseDelayMs: 100, maxDelayMs: 500, maxAttempts: 6, ...retry } });
}

function callOf(seal: boolean): InferenceCall {
  const tensor = { name: "pixels", datatype: "FP32", shape: [1, 64], data: Array<number>(64).fill(1) };
  return { model: "digits-mlp", inputs: [tensor], seal };
}

const answers = () => loggedReceipts(service.dataDir).filter(({ answered }) => answered);

/** Runs `work` once, the first time. */
function once(work: () => Promise<void> | void): () => Promise<boolean> {
  let done = false;
  return async () => {
    if (done) return false;
    done = true;
    await work();
    return true;
  };
}

async function killAndRestart(): Promise<void> {
  const worker = workerOf(service);
  await service.program.stop("SIGKILL");
  await until(() => !isRunning(worker), "end of the worker");
  await service.restart();
}

describe.each([
  ["sealed", true],
  ["in the clear", false],
])("the SDK's retry of a call %s", (_, seal) => {
  it("gets the answer that was logged, though the gateway was killed before the caller had it", async () => {
    const before = answers().length;
    proxy.after = once(killAndRestart);
    const { receiptId, bundle, response } = await clientOf().infer(callOf(seal));
    const [first, second, ...more] = proxy.passed;
    expect(more).toEqual([]);
    expect(first?.answer).toMatchObject({ status: 200, receiptId, replayed: false });
    expect(second?.answer).toMatchObject({ status: 200, receiptId, replayed: true });
    expect([second?.key, second?.body]).toEqual([first?.key, first?.body]);
    expect(response.outputs.length).toBeGreaterThan(0);
    expect(answers().length).toBe(before + 1);
    expect((await verdictOn(service, bundle)).outcome).toBe("accepted");
  });

  it("gets one answer however often the connection breaks, before and after the service had the request", async () => {
    const before = answers().length;
    let losses = 0;
    proxy.before = () => ++losses === 1;
    proxy.after = () => ++losses < 5;
    const { receiptId } = await clientOf({ maxAttempts: 9 }).infer(callOf(seal));
    const given = proxy.passed.flatMap(({ answer }) => (answer === null ? [] : [answer]));
    expect(given.length).toBeGreaterThan(1);
    expect(given.map(({ receiptId: id, replayed }) => [id, replayed])).toEqual(given.map((_, place) => [receiptId, place > 0]));
    expect(new Set(proxy.passed.map(({ key }) => key)).size).toBe(1);
    expect(answers().length).toBe(before + 1);
  });

  it("is answered once where the worker was killed while it held the request", async () => {
    const before = answers().length;
    const worker = workerOf(service);
    process.kill(worker, "SIGSTOP");
    const held = clientOf({ maxAttempts: 40, maxDelayMs: 1000 }).infer(callOf(seal));
    held.catch(() => undefined);
    await until(() => unreadBytes(worker) > 0, "request at the worker");
    process.kill(worker, "SIGKILL");
    const { receiptId } = await held;
    expect(proxy.passed[0]?.answer?.code).toBe("WORKER_LOST");
    expect(proxy.passed.at(-1)?.answer).toMatchObject({ status: 200, receiptId, replayed: false });
    expect(new Set(proxy.passed.map(({ key }) => key)).size).toBe(1);
    expect(answers().length).toBe(before + 1);
  });

  it("ends with a coded error where nobody answers", async () => {
    proxy.before = () => true;
    await expect(clientOf({ maxAttempts: 3, baseDelayMs: 1 }).infer(callOf(seal))).rejects.toMatchObject({
      name: "TrisealError",
      code: "SERVICE_UNREACHABLE",
    });
    expect(proxy.passed).toHaveLength(3);
  });
});

describe("the SDK's retry of an envelope that the worker had opened", () => {
  it("seals anew under the same key, and one answer is logged under it", async () => {
    const envelopes = { "content-type": "application/vnd.triseal.sealed" };
    proxy.before = async ({ body }) => {
      if (proxy.passed.length > 1) return false;
      // Under no key: the worker opens it, and nothing is stored for the caller's.
      expect((await infer(service, body, { headers: envelopes })).status).toBe(200);
      return true;
    };
    const { receiptId } = await clientOf().infer(callOf(true));
    expect(proxy.passed.map(({ answer }) => answer?.code ?? answer?.status ?? null)).toEqual([null, "SEALED_REPLAYED", 200]);
    const [first, second, third] = proxy.passed;
    expect(second?.body).toEqual(first?.body);
    expect(third?.body).not.toEqual(first?.body);
    expect(new Set(proxy.passed.map(({ key }) => key)).size).toBe(1);
    const used = loggedReceipts(service.dataDir).find(({ id }) => id === receiptId)?.keyHash;
    expect(used).toMatch(/^[0-9a-f]{64}$/);
    expect(answers().filter(({ keyHash }) => keyHash === used)).toHaveLength(1);
  });
});
