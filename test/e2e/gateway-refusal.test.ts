import { copyFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EMPTY_TRUST, verifyBundle } from "../../src/verify/index.ts";
import {
  type Answer,
  bundleOf,
  clock,
  digitsBody,
  get,
  infer,
  type Service,
  startService,
  temporaryFolder,
  verdictOn,
  workerOf,
} from "./gateway-harness.ts";
import { childrenOf, repository, textOf, unreadBytes, until } from "./gateway-process.ts";

const WORKERS = { count: 1, jurisdiction: "EU", concurrency: 1 };

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let policyFile: string;
let service: Service;

beforeAll(async () => {
  folder = await temporaryFolder();
  policyFile = join(folder.path, "test.policy.yaml");
  await copyFile(join(repository, "policies", "demo.policy.yaml"), policyFile);
  service = await startService({ config: { policy: { file: policyFile } } });
});

afterAll(async () => {
  expect(await service.close()).toBe(0);
  await folder.remove();
});

interface Event {
  readonly type: string;
  readonly [member: string]: unknown;
}

/** The events of a receipt, by type. */
async function events(of: Service, receiptId: string | null): Promise<ReadonlyMap<string, Event>> {
  const { json } = await get(of, `/v1/aci/receipts/${receiptId}`);
  return new Map((json["event_log"] as Event[]).map((event) => [event.type, event]));
}

/** Asserts a receipted refusal whose bundle verifies with the trust file and is refused without one. */
async function expectRefusal(of: Service, answer: Answer, status: number, code: string): Promise<ReadonlyMap<string, Event>> {
  expect([answer.status, answer.json["code"]]).toEqual([status, code]);
  const bundle = await bundleOf(of, answer.receiptId);
  const verdict = await verdictOn(of, bundle, { response: answer.bytes });
  expect([verdict.outcome, verdict.code]).toEqual(["accepted", null]);
  const alone = { now: clock(), at: null, request: null, response: null, opening: null, allowPending: false };
  expect((await verifyBundle(bundle, EMPTY_TRUST, alone)).outcome).toBe("rejected");
  const told = await events(of, answer.receiptId);
  expect(told.get("request.refused")).toMatchObject({ code });
  return told;
}

/** Resolves once the gateway has noticed `times` ends of a worker. */
async function workersDown(of: Service, times: number): Promise<void> {
  await until(() => of.program.logged().filter((line) => line["event"] === "worker down").length >= times, "worker's end");
}

/** Resolves once the service is ready for requests. */
async function ready(of: Service): Promise<void> {
  await until(async () => (await get(of, "/v2/health/ready", null)).status === 200, "ready worker", 60_000);
}

/** Sends a request that a stopped worker holds, and resolves once its bytes are there. */
async function sendToStopped(of: Service, worker: number, signal?: AbortSignal): Promise<{ readonly answer: Promise<Answer> }> {
  process.kill(worker, "SIGSTOP");
  const answer = infer(of, digitsBody(), signal === undefined ? {} : { signal });
  answer.catch(() => undefined);
  await until(() => unreadBytes(worker) > 0, "request at the worker");
  return { answer };
}

describe("a request that policy forbids", () => {
  it("is refused under the guardrail's name, before a byte of it is forwarded", async () => {
    const answer = await infer(service, digitsBody(undefined, { parameters: { classification: "secret" } }));
    const told = await expectRefusal(service, answer, 403, "POLICY_DENIED");
    expect(told.get("request.refused")?.["rule_id"]).toBe("secret-stays-out");
    expect(told.get("policy.decided")).toMatchObject({ effect: "deny", rule_ids: ["secret-stays-out"] });
    expect(told.has("request.forwarded")).toBe(false);
  });

  it("is refused for a class that the policy does not know, an assurance not offered, and a value without a class", async () => {
    const cases: readonly [object, string][] = [
      [{ classification: "top" }, "unknown-classification"],
      [{ assurance: "zk" }, "assurance-not-offered"],
      [{ value_usd: 10_000 }, "value-needs-classification"],
      [{ kind: "state" }, "state-is-encrypted"],
      [{ kind: "training" }, "kind-not-offered"],
    ];
    for (const [parameters, rule] of cases) {
      const answer = await infer(service, { ...digitsBody(), parameters });
      const told = await expectRefusal(service, answer, 403, "POLICY_DENIED");
      expect(told.get("request.refused")?.["rule_id"]).toBe(rule);
    }
  });

  it("is answered once the facts allow it", async () => {
    const answer = await infer(service, digitsBody(undefined, { parameters: { classification: "personal", value_usd: 25_000 } }));
    expect(answer.status).toBe(200);
    expect((await events(service, answer.receiptId)).get("policy.decided")).toMatchObject({ rule_ids: ["high-value"] });
  });
});

describe("a policy file that is broken while the gateway runs", () => {
  it("leaves the last good policy deciding and turns readiness off, until it is mended", async () => {
    const good = await readFile(policyFile, "utf8");
    await writeFile(policyFile, `${good}\n  - id: Broken\n`);
    const notReady = await until(async () => {
      const answer = await get(service, "/v2/health/ready", null);
      return answer.status === 503 && answer;
    }, "notice of the broken policy");
    expect(notReady.json).toMatchObject({ ready: false, reason: expect.stringMatching(/^policy: /) });
    expect((await infer(service, digitsBody())).status).toBe(200);
    expect((await infer(service, { ...digitsBody(), parameters: { classification: "secret" } })).status).toBe(403);
    await writeFile(policyFile, good);
    await ready(service);
  });

  it("leaves the last good policy deciding where the new one is well formed and nobody signed it", async () => {
    const good = await readFile(policyFile, "utf8");
    await writeFile(policyFile, good.replace('request.classification == "secret"', "false"));
    await until(async () => (await get(service, "/v2/health/ready", null)).status === 503, "notice of the unsigned policy");
    expect((await infer(service, { ...digitsBody(), parameters: { classification: "secret" } })).status).toBe(403);
    await writeFile(policyFile, good);
    await ready(service);
  });
});

describe("a worker that is killed while it holds a request", () => {
  it("leaves a refusal that says the request had been forwarded, and a new worker under a new session serves the next", async () => {
    const before = (await get(service, "/v1/aci/sessions")).json["sessions"] as { session_id: string }[];
    const worker = workerOf(service);
    const { answer } = await sendToStopped(service, worker);
    process.kill(worker, "SIGKILL");
    const told = await expectRefusal(service, await answer, 503, "WORKER_LOST");
    expect(told.get("request.forwarded")?.["body_hash"]).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(told.get("upstream.verified")).toMatchObject({ result: "failed", required: true, reason: "WORKER_LOST" });
    await workersDown(service, 1);
    await ready(service);
    expect((await infer(service, digitsBody())).status).toBe(200);
    expect(workerOf(service)).not.toBe(worker);
    const after = (await get(service, "/v1/aci/sessions")).json["sessions"] as { session_id: string }[];
    expect(after).toHaveLength(1);
    expect(after[0]?.session_id).not.toBe(before[0]?.session_id);
  });

  it("keeps the session of the dead worker readable for whoever holds a receipt that cites it", async () => {
    const answer = await infer(service, digitsBody());
    const session = (await events(service, answer.receiptId)).get("upstream.verified")?.["session_id"];
    process.kill(workerOf(service), "SIGKILL");
    await workersDown(service, 2);
    expect((await get(service, `/v1/aci/sessions/${String(session)}`)).status).toBe(200);
    const verdict = await verdictOn(service, await bundleOf(service, answer.receiptId), { response: answer.bytes });
    expect(verdict.outcome).toBe("accepted");
    await ready(service);
  });
});

describe("a gateway without a live worker", () => {
  it("refuses at once with a receipt, says that it is not ready, and recovers by itself", async () => {
    const worker = workerOf(service);
    process.kill(worker, "SIGKILL");
    // The next one is stopped before it can say that it is ready.
    const next = await until(() => childrenOf(service.program.pid).find((pid) => pid !== worker) ?? null, "next worker");
    process.kill(next, "SIGSTOP");
    const health = await get(service, "/v2/health/ready", null);
    expect([health.status, health.json["ready"]]).toEqual([503, false]);
    expect(health.json["reason"]).toMatch(/^no path is ready: worker `worker-1`: /);
    expect((await get(service, "/v2/models/digits-mlp/ready")).status).toBe(503);
    expect((await get(service, "/v2/health/live", null)).status).toBe(200);
    expect((await get(service, "/v1/aci/sessions")).json["sessions"]).toEqual([]);
    const told = await expectRefusal(service, await infer(service, digitsBody()), 503, "PATH_UNAVAILABLE");
    expect(told.has("request.forwarded")).toBe(false);
    expect(told.get("policy.decided")).toMatchObject({ effect: "deny" });
    process.kill(next, "SIGCONT");
    await ready(service);
    expect((await infer(service, digitsBody())).status).toBe(200);
  });
});

describe("a caller that closes the connection while a worker holds its request", () => {
  it("leaves a receipt of the aborted request, and the next one is answered", async () => {
    const worker = workerOf(service);
    const giveUp = new AbortController();
    const { answer } = await sendToStopped(service, worker, giveUp.signal);
    giveUp.abort();
    await expect(answer).rejects.toThrow();
    const line = await until(
      () => service.program.logged().find((entry) => entry["code"] === "CLIENT_ABORTED" && entry["event"] === "infer") ?? null,
      "receipt of the aborted request",
    );
    process.kill(worker, "SIGCONT");
    const receiptId = textOf(line, "receipt_id");
    const told = await events(service, receiptId);
    expect(told.get("request.refused")).toMatchObject({ code: "CLIENT_ABORTED" });
    expect(told.has("request.forwarded")).toBe(true);
    expect((await verdictOn(service, await bundleOf(service, receiptId))).outcome).toBe("accepted");
    expect((await infer(service, digitsBody())).status).toBe(200);
  });
});

describe("a gateway with tight limits", () => {
  let tight: Service;

  beforeAll(async () => {
    const limits = { maxInFlight: 1, requestTimeoutMs: 1500 };
    const policy = { file: join(repository, "policies", "demo.policy.yaml") };
    tight = await startService({ config: { limits, policy, workers: { concurrency: 1 } } });
  });

  afterAll(async () => {
    expect(await tight.close()).toBe(0);
  });

  it("refuses what is more than it may hold, and refuses what a silent worker holds at the deadline, with a receipt", async () => {
    const worker = workerOf(tight);
    const { answer } = await sendToStopped(tight, worker);
    try {
      const second = await infer(tight, digitsBody());
      expect([second.status, second.json["code"], second.receiptId]).toEqual([503, "OVERLOADED", null]);
      const told = await expectRefusal(tight, await answer, 504, "DEADLINE_EXCEEDED");
      expect(told.has("request.forwarded")).toBe(true);
    } finally {
      process.kill(worker, "SIGCONT");
    }
    expect((await infer(tight, digitsBody())).status).toBe(200);
  });

  it("refuses personal data where the worker claims no place in the EU", async () => {
    const answer = await infer(tight, { ...digitsBody(), parameters: { classification: "personal" } });
    const told = await expectRefusal(tight, answer, 403, "POLICY_DENIED");
    expect(told.get("request.refused")?.["rule_id"]).toBe("personal-data-stays-in-the-eu");
  });
});

describe("a policy that accepts hardware evidence only", () => {
  it("refuses every request on a simulated worker, with a receipt, and forwards nothing", async () => {
    const policy = { file: join(repository, "policies", "default.policy.yaml") };
    const strict = await startService({ config: { policy, workers: WORKERS } });
    try {
      const told = await expectRefusal(strict, await infer(strict, digitsBody()), 503, "UPSTREAM_NOT_VERIFIED");
      expect(told.has("request.forwarded")).toBe(false);
      expect(told.get("upstream.verified")).toMatchObject({ result: "failed", required: true });
    } finally {
      await strict.close();
    }
  });
});
