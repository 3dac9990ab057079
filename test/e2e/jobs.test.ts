import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type Answer,
  type ApiKey,
  bundleOf,
  digitsBody,
  get,
  infer,
  makeApiKey,
  readAnswer,
  type Service,
  startService,
  verdictOn,
  workerOf,
} from "./gateway-harness.ts";
import { runCli, until } from "./gateway-process.ts";
import { loggedReceipts } from "./logged-receipt.ts";

let service: Service;
let other: ApiKey;

beforeAll(async () => {
  other = await makeApiKey("other");
  service = await startService({
    config: { apiKeys: [{ hash: other.hash, tenant: other.tenant, tier: "gold" }], jobs: { maxOpenPerTenant: 4 } },
  });
});

afterAll(async () => {
  expect(await service.close()).toBe(0);
});

const submit = (body: unknown, headers: Record<string, string> = {}) =>
  infer(service, body, { headers: { prefer: "respond-async", ...headers } });

function idOf(accepted: Answer): string {
  const id = accepted.json["id"];
  if (typeof id !== "string") throw new Error(`not accepted: ${accepted.text}`);
  return id;
}

const jobOf = (id: string) => get(service, `/v1/jobs/${id}`);

/** Waits for a job's end; returns its document. */
async function ended(id: string): Promise<Answer["json"]> {
  return await until(async () => {
    const { json } = await jobOf(id);
    return json["finished_at"] === null ? null : json;
  }, `end of ${id}`);
}

async function cancel(id: string, key = service.apiKey): Promise<Answer> {
  const init = { method: "DELETE", headers: { authorization: `Bearer ${key}` } };
  return await readAnswer(await fetch(`${service.url}/v1/jobs/${id}`, init));
}

/** Runs `work` while the worker stands still, so that jobs stay open. */
async function whileWorkerStands<T>(work: () => Promise<T>): Promise<T> {
  const worker = workerOf(service);
  process.kill(worker, "SIGSTOP");
  try {
    return await work();
  } finally {
    process.kill(worker, "SIGCONT");
  }
}

describe("a request that may be answered later", () => {
  it("is accepted with 202, and ends with the promised receipt, whose bundle verifies", async () => {
    const accepted = await submit(digitsBody());
    expect(accepted.status).toBe(202);
    const id = idOf(accepted);
    expect(accepted.headers.get("location")).toBe(`/v1/jobs/${id}`);
    expect(accepted.headers.get("retry-after")).toBe("1");
    expect(accepted.headers.get("preference-applied")).toBe("respond-async");
    const job = await ended(id);
    expect(job).toMatchObject({ state: "answered", progress: 1, code: null, receipt_id: accepted.receiptId });
    const result = await get(service, `/v1/jobs/${id}/result`);
    expect([result.status, result.receiptId]).toEqual([200, accepted.receiptId]);
    expect(result.json["model_name"]).toBe("digits-mlp");
    const request = new TextEncoder().encode(JSON.stringify(digitsBody()));
    const verdict = await verdictOn(service, await bundleOf(service, accepted.receiptId), { request, response: result.bytes });
    expect(verdict.outcome).toBe("accepted");
  });

  it("is refused at once by policy, and by the model's form, each with its receipt", async () => {
    const denied = await submit({ ...digitsBody(), parameters: { classification: "secret" } });
    expect([denied.status, denied.json["code"]]).toEqual([403, "POLICY_DENIED"]);
    const narrow = { name: "pixels", datatype: "FP32", shape: [1, 63], data: Array<number>(63).fill(1) };
    const malformed = await submit({ id: "e2e", inputs: [narrow] });
    expect([malformed.status, malformed.json["code"]]).toEqual([400, "REQUEST_TENSOR_INVALID"]);
    for (const { receiptId } of [denied, malformed])
      expect((await verdictOn(service, await bundleOf(service, receiptId))).outcome).toBe("accepted");
  });

  it("is one job for one idempotency key, before and after its end", async () => {
    const first = await submit(digitsBody(), { "idempotency-key": "job-1" });
    const again = await submit(digitsBody(), { "idempotency-key": "job-1" });
    expect([again.status, idOf(again), again.receiptId]).toEqual([202, idOf(first), first.receiptId]);
    await ended(idOf(first));
    const last = await submit(digitsBody(), { "idempotency-key": "job-1" });
    expect([last.status, idOf(last), last.json["state"]]).toEqual([202, idOf(first), "answered"]);
    expect(last.headers.get("idempotency-replayed")).toBe("true");
    const reused = await submit(digitsBody(Array<number>(64).fill(2)), { "idempotency-key": "job-1" });
    expect([reused.status, reused.json["code"]]).toEqual([422, "IDEMPOTENCY_KEY_REUSED"]);
  });

  it("belongs to the API key that made it", async () => {
    const id = idOf(await submit(digitsBody()));
    for (const path of [`/v1/jobs/${id}`, `/v1/jobs/${id}/result`, `/v1/jobs/${id}/events`]) {
      const answer = await get(service, path, other.key);
      expect([answer.status, answer.json["code"]]).toEqual([404, "JOB_UNKNOWN"]);
      expect((await get(service, path, null)).json["code"]).toBe("AUTH_REQUIRED");
    }
    expect((await cancel(id, other.key)).json["code"]).toBe("JOB_UNKNOWN");
    expect((await jobOf("job-of-nobody")).json["code"]).toBe("JOB_UNKNOWN");
    await ended(id);
  });

  it("can be cancelled while it runs and while it waits, with receipts that say so", async () => {
    const ids = await whileWorkerStands(async () => {
      const running = await submit(digitsBody());
      await until(async () => (await jobOf(idOf(running))).json["state"] === "running", "the first job");
      const queued = await submit(digitsBody());
      for (const accepted of [queued, running]) {
        const early = await get(service, `/v1/jobs/${idOf(accepted)}/result`);
        expect([early.status, early.json["code"]]).toEqual([409, "JOB_NOT_ENDED"]);
        await cancel(idOf(accepted));
      }
      return [running, queued].map(idOf);
    });
    for (const id of ids) {
      const job = await ended(id);
      expect(job).toMatchObject({ state: "cancelled", code: "JOB_CANCELLED" });
      const result = await get(service, `/v1/jobs/${id}/result`);
      expect([result.status, result.json["code"]]).toEqual([409, "JOB_CANCELLED"]);
      expect((await verdictOn(service, await bundleOf(service, String(job["receipt_id"])))).outcome).toBe("accepted");
    }
  });

  it("sends its states as server-sent events until its end", async () => {
    const id = idOf(await submit(digitsBody()));
    const { text, headers } = await get(service, `/v1/jobs/${id}/events`);
    expect(headers.get("content-type")).toContain("text/event-stream");
    const events = text.split("\n").filter((line) => line.startsWith("event: "));
    expect(events.at(-1)).toBe("event: end");
    expect(text).toContain('"state":"answered"');
  });

  it("is refused where the tenant has too many open jobs", async () => {
    await whileWorkerStands(async () => {
      const accepted = [];
      for (let job = 0; job < 4; job++) accepted.push(idOf(await submit(digitsBody())));
      const fifth = await submit(digitsBody());
      expect([fifth.status, fifth.json["code"]]).toEqual([503, "OVERLOADED"]);
      for (const id of accepted) await cancel(id);
    });
    await until(async () => (await submit(digitsBody())).status === 202, "room for another job");
  });

  it("stands in the list of its API key's receipts, by time and page", async () => {
    const { receiptId } = await infer(service, digitsBody());
    const list = await get(service, "/v1/receipts?from=0");
    const ids = (list.json["receipts"] as { id: string; leaf_index: number }[]).map(({ id }) => id);
    expect(ids.at(-1)).toBe(receiptId);
    expect((await get(service, "/v1/receipts?to=1000")).json).toEqual({ receipts: [], next: null });
    expect((await get(service, "/v1/receipts", other.key)).json).toEqual({ receipts: [], next: null });
    for (const query of ["from=x", "to=-1", "limit=5"])
      expect((await get(service, `/v1/receipts?${query}`)).json["code"]).toBe("REQUEST_MALFORMED");
  });

  it("is answered by the next process where its own was killed, once", async () => {
    const accepted = await whileWorkerStands(async () => {
      const jobs = [await submit(digitsBody()), await submit(digitsBody())];
      await service.program.stop("SIGKILL");
      return jobs;
    });
    await service.restart();
    for (const { receiptId, json } of accepted) {
      expect(await ended(String(json["id"]))).toMatchObject({ state: "answered", receipt_id: receiptId });
      expect(loggedReceipts(service.dataDir).filter(({ id }) => id === receiptId)).toHaveLength(1);
      expect((await verdictOn(service, await bundleOf(service, receiptId))).outcome).toBe("accepted");
    }
  });

  it("is found again after the database was made anew from the log, with its end", async () => {
    const accepted = await submit(digitsBody(), { "idempotency-key": "rebuilt-1" });
    const before = await ended(idOf(accepted));
    const rebuild = () => runCli(["store", "rebuild", "--config", service.configFile, "--data", service.dataDir, "--json"]);
    expect((await rebuild()).stderr).toContain("LOG_LOCKED");
    await service.program.stop();
    expect(await rebuild()).toMatchObject({ code: 0 });
    await service.restart();
    const { progress: _, attempts: __, finished_at: ___, ...same } = before;
    expect(await ended(idOf(accepted))).toMatchObject({ ...same, finished_at: expect.any(String) as string });
    const again = await submit(digitsBody(), { "idempotency-key": "rebuilt-1" });
    expect([again.status, again.receiptId]).toEqual([202, accepted.receiptId]);
    expect((await verdictOn(service, await bundleOf(service, accepted.receiptId))).outcome).toBe("accepted");
  });
});
