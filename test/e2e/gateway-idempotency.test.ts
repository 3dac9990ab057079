import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { utf8 } from "../../src/core/bytes.ts";
import {
  type Answer,
  type ApiKey,
  bundleOf,
  digitsBody,
  get,
  infer,
  makeApiKey,
  type Service,
  startService,
  verdictOn,
} from "./gateway-harness.ts";
import { until } from "./gateway-process.ts";
import { loggedReceipts } from "./logged-receipt.ts";

let service: Service;
let other: ApiKey;

beforeAll(async () => {
  other = await makeApiKey("other");
  service = await startService({ config: { apiKeys: [{ hash: other.hash, tenant: other.tenant, tier: "gold" }] } });
});

afterAll(async () => {
  expect(await service.close()).toBe(0);
});

const send = (body: unknown, key: string, headers: Record<string, string> = {}) =>
  infer(service, body, { headers: { "idempotency-key": key, ...headers } });

const logged = () => loggedReceipts(service.dataDir);

/** What must be the same in a repeat. */
function sent({ status, headers, bytes, receiptId }: Answer) {
  return { status, type: headers.get("content-type"), bytes, receiptId };
}

function expectRepeat(repeat: Answer, first: Answer): void {
  expect(repeat.headers.get("idempotency-replayed")).toBe("true");
  expect(first.headers.get("idempotency-replayed")).toBeNull();
  expect(sent(repeat)).toEqual(sent(first));
}

describe("an idempotency key at the gateway", () => {
  it("gets the stored answer or refusal again, also from the next process on the folder", async () => {
    const answer = await send(digitsBody(), "restart-1");
    const secret = { ...digitsBody(), parameters: { classification: "secret" } };
    const refusal = await send(secret, "restart-2");
    expect([answer.status, refusal.status]).toEqual([200, 403]);
    const { length } = logged();
    for (const signal of [null, "SIGTERM", "SIGKILL"] as const) {
      if (signal !== null) {
        await service.program.stop(signal);
        await service.restart();
      }
      expectRepeat(await send(digitsBody(), "restart-1"), answer);
      expectRepeat(await send(secret, "restart-2"), refusal);
      expect(logged()).toHaveLength(length);
    }
    for (const { receiptId, bytes } of [answer, refusal])
      expect((await verdictOn(service, await bundleOf(service, receiptId), { response: bytes })).outcome).toBe("accepted");
  });

  it("refuses other bytes with a receipt that verifies", async () => {
    const first = await send(digitsBody(), "reused");
    const body = JSON.stringify(digitsBody(Array<number>(64).fill(2)));
    const refused = await send(body, "reused");
    expect([refused.status, refused.json["code"], refused.json["retryable"]]).toEqual([422, "IDEMPOTENCY_KEY_REUSED", false]);
    const shown = { request: utf8(body), response: refused.bytes };
    expect((await verdictOn(service, await bundleOf(service, refused.receiptId), shown)).outcome).toBe("accepted");
    expectRepeat(await send(digitsBody(), "reused"), first);
  });

  it("is each tenant's own", async () => {
    const ours = await send(digitsBody(), "shared");
    const authorization = { authorization: `Bearer ${other.key}` };
    const theirs = await send(digitsBody(), "shared", authorization);
    expect([ours.status, theirs.status]).toEqual([200, 200]);
    expect(theirs.receiptId).not.toBe(ours.receiptId);
    expect(theirs.headers.get("idempotency-replayed")).toBeNull();
    expectRepeat(await send(digitsBody(), "shared", authorization), theirs);
    expectRepeat(await send(digitsBody(), "shared"), ours);
    expect((await get(service, `/v1/receipts/${ours.receiptId}/bundle`, other.key)).status).toBe(404);
  });

  it("gets one answer for twenty requests that come at once", async () => {
    const all = await Promise.all(Array.from({ length: 20 }, () => send(digitsBody(), "at-once")));
    const fresh = all.filter(({ status, headers }) => status === 200 && !headers.has("idempotency-replayed"));
    expect(fresh).toHaveLength(1);
    for (const answer of all)
      if (answer.status !== 200)
        expect([answer.status, answer.json["code"], answer.receiptId]).toEqual([409, "IDEMPOTENCY_IN_FLIGHT", null]);
    const keyHash = logged().find(({ id }) => id === fresh[0]?.receiptId)?.keyHash;
    expect(keyHash).toMatch(/^[0-9a-f]{64}$/);
    expect(logged().filter((receipt) => receipt.keyHash === keyHash)).toHaveLength(1);
  });

  it("gets one answer each where the gateway is killed under load and every caller sends again", async () => {
    const keys = Array.from({ length: 12 }, (_, index) => `load-${index}`);
    let given = 0;
    const answered = async (key: string): Promise<Answer> =>
      until(
        async () => {
          const answer = await send(digitsBody(), key).catch(() => null);
          if (answer?.status === 200) given++;
          return answer?.status === 200 ? answer : null;
        },
        `answer under ${key}`,
        60_000,
      );
    const all = Promise.all(keys.map(answered));
    await until(() => given >= 2, "some answers");
    await service.program.stop("SIGKILL");
    await service.restart();
    const answers = await all;
    expect(new Set(answers.map(({ receiptId }) => receiptId)).size).toBe(keys.length);
    const used = logged().flatMap(({ keyHash, answered: isAnswer }) => (isAnswer && keyHash !== null ? [keyHash] : []));
    expect(new Set(used).size).toBe(used.length);
    for (const answer of answers) {
      const bundle = await bundleOf(service, answer.receiptId);
      expect((await verdictOn(service, bundle, { response: answer.bytes })).outcome).toBe("accepted");
    }
  });

  it("is expired once the answers' key was deleted, and stays used", async () => {
    const first = await send(digitsBody(), "expired");
    await service.program.stop();
    await rm(join(service.dataDir, "vault"), { recursive: true });
    await service.restart();
    const expired = await send(digitsBody(), "expired");
    expect([expired.status, expired.json["code"], expired.json["retryable"]]).toEqual([410, "IDEMPOTENCY_EXPIRED", false]);
    expect((await verdictOn(service, await bundleOf(service, expired.receiptId))).outcome).toBe("accepted");
    expect((await verdictOn(service, await bundleOf(service, first.receiptId))).outcome).toBe("accepted");
  });
});
