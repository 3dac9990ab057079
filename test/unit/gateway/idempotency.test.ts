import { rm } from "node:fs/promises";
import { describe, expect, it, vi } from "vitest";
import { utf8 } from "../../../src/core/bytes.ts";
import { TrisealError } from "../../../src/core/errors.ts";
import { keyedRequest } from "../../../src/gateway/idempotency.ts";
import type { InferencePath } from "../../../src/paths/path.ts";
import { createBundleVerifier } from "../../../src/verify/index.ts";
import { API_KEY, NOW, OTHER_KEY, startGateway, type TestGateway, trustFor } from "../../contract/gateway-fixture.ts";
import { codes, createParityPath, parityAppraiser, parityModel } from "../../contract/parity-path.ts";
import { testSigner } from "../../fixtures/signer.ts";

const legSigner = testSigner("leg", 31);
const authority = testSigner("authority", 32);
const rules = `  - id: vouched\n    when: "true"\n    require: { all: [parity] }\n`;
const ADDRESS = "/v2/models/parity/infer";

const honest = () => createParityPath({ legSigner, authority });
const start = (path: InferencePath = honest()) =>
  startGateway({ paths: [path], models: [parityModel], rules, codes, limits: { maxInFlight: 64 } });
const code = (name: string) => expect.objectContaining({ code: name });
const bodyOf = (...data: readonly number[]) =>
  JSON.stringify({ inputs: [{ name: "x", datatype: "INT32", shape: [data.length], data }] });

async function send(
  gateway: TestGateway,
  body: string,
  options: { key?: string; address?: string; apiKey?: string; mediaType?: string } = {},
) {
  const response = await gateway.post(options.address ?? ADDRESS, body, {
    "idempotency-key": options.key ?? "k-1",
    authorization: `Bearer ${options.apiKey ?? API_KEY}`,
    "content-type": options.mediaType ?? "application/json",
  });
  const text = await response.text();
  return {
    status: response.status,
    type: response.headers.get("content-type"),
    receiptId: response.headers.get("x-receipt-id"),
    replayed: response.headers.get("idempotency-replayed"),
    text,
    code: (JSON.parse(text) as { code?: string }).code ?? null,
  };
}

/** A path that answers only once `open` was called; `started` counts requests that reached it. */
function gatedPath() {
  const inner = honest();
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  let reached: () => void = () => undefined;
  const atPath = new Promise<void>((resolve) => {
    reached = resolve;
  });
  const state = { started: 0, open: () => open(), atPath };
  const path: InferencePath = {
    ...inner,
    infer: async (request, options) => {
      state.started++;
      reached();
      await opened;
      return inner.infer(request, options);
    },
  };
  return { path, state };
}

/** A path whose first requests fail with `errors`. */
function failingPath(...errors: readonly TrisealError[]): InferencePath {
  const inner = honest();
  const left = [...errors];
  return {
    ...inner,
    infer: async (request, options) => {
      const error = left.shift();
      if (error !== undefined) throw error;
      return inner.infer(request, options);
    },
  };
}

describe("a keyed request", () => {
  const request = { tenant: "acme", path: ADDRESS, mediaType: "application/json", body: utf8("{}") };

  it("is absent without the header, and the same for the same bytes", () => {
    expect(keyedRequest(null, request)).toBeNull();
    expect(keyedRequest("k", request)).toEqual(keyedRequest("k", { ...request, body: utf8("{}") }));
    expect(keyedRequest("k".repeat(128), request)?.keyHash).toMatch(/^[0-9a-f]{64}$/);
  });

  it("differs by key, tenant, path, media type and body, each in its own hash", () => {
    const first = keyedRequest("k", request);
    for (const other of [keyedRequest("K", request), keyedRequest("k", { ...request, tenant: "acm" })]) {
      expect(other?.keyHash).not.toBe(first?.keyHash);
      expect(other?.requestHash).toBe(first?.requestHash);
    }
    for (const change of [{ path: "/v2" }, { mediaType: "a/b" }, { body: utf8("{} ") }]) {
      const other = keyedRequest("k", { ...request, ...change });
      expect(other?.keyHash).toBe(first?.keyHash);
      expect(other?.requestHash).not.toBe(first?.requestHash);
    }
    // The place where tenant ends and key begins counts.
    expect(keyedRequest("ek", { ...request, tenant: "acm" })?.keyHash).not.toBe(first?.keyHash);
  });

  it.each(["", " ", "a b", "k".repeat(129), "ä", "k\t", "k, k", "\u007f"])("is refused under the key `%s`", (key) => {
    expect(() => keyedRequest(key, request)).toThrow(code("IDEMPOTENCY_KEY_INVALID"));
  });
});

describe("a request that is repeated under its idempotency key", () => {
  it("gets the stored answer, under its receipt, and no new leaf", async () => {
    const gateway = await start();
    const first = await send(gateway, bodyOf(1, 2));
    const { size } = gateway.log;
    expect(first).toMatchObject({ status: 200, replayed: null });
    for (const mediaType of ["application/json", "Application/JSON; charset=utf-8"])
      expect(await send(gateway, bodyOf(1, 2), { mediaType })).toEqual({ ...first, replayed: "true" });
    expect(gateway.log.size).toBe(size);
    expect(gateway.lines.filter((line) => line["replayed"] === true)).toHaveLength(2);
    expect(JSON.stringify(gateway.lines)).not.toContain("k-1");
  });

  it("is another request under another key, of another tenant, or under none", async () => {
    const gateway = await start();
    const first = await send(gateway, bodyOf(1, 2));
    const others = [
      await send(gateway, bodyOf(1, 2), { key: "k-2" }),
      await send(gateway, bodyOf(1, 2), { apiKey: OTHER_KEY }),
      await send(gateway, bodyOf(3, 4), { key: "k-3" }),
    ];
    const bare = await gateway.post(ADDRESS, bodyOf(1, 2));
    for (const other of others) expect(other).toMatchObject({ status: 200, replayed: null });
    const ids = [first, ...others].map(({ receiptId }) => receiptId);
    expect(new Set([...ids, bare.headers.get("x-receipt-id")]).size).toBe(5);
    expect(await send(gateway, bodyOf(1, 2))).toEqual({ ...first, replayed: "true" });
  });

  it.each<[string, string, Parameters<typeof send>[2]]>([
    ["another body", bodyOf(1, 3), {}],
    ["one more space", `${bodyOf(1, 2)} `, {}],
    ["another address", bodyOf(1, 2), { address: "/v2/models/parity/versions/1/infer" }],
    ["another model", bodyOf(1, 2), { address: "/v2/models/other/infer" }],
  ])("is refused with a receipt where it has %s, and the first answer stands", async (_, body, options) => {
    const gateway = await start();
    const first = await send(gateway, bodyOf(1, 2));
    const refused = await send(gateway, body, options);
    expect(refused).toMatchObject({ status: 422, code: "IDEMPOTENCY_KEY_REUSED", replayed: null });
    const verify = createBundleVerifier([parityAppraiser]);
    const trust = trustFor({ parity: { authorities: [{ publicKey: authority.publicKey, because: "a test" }] } });
    const shown = { now: NOW, at: null, request: utf8(body), response: utf8(refused.text), opening: null, allowPending: false };
    const verdict = await verify(await gateway.bundle(refused.receiptId ?? ""), trust, shown);
    expect([verdict.outcome, verdict.code]).toEqual(["accepted", null]);
    expect(await send(gateway, bodyOf(1, 2))).toEqual({ ...first, replayed: "true" });
  });

  it("is refused without a receipt where nothing can be read, and its key stays free", async () => {
    const gateway = await start();
    for (const [body, options, expected] of [
      ["{", {}, "REQUEST_MALFORMED"],
      [bodyOf(1, 2), { mediaType: "text/plain" }, "REQUEST_MEDIA_TYPE"],
      [bodyOf(1, 2), { key: "a b" }, "IDEMPOTENCY_KEY_INVALID"],
      [bodyOf(1, 2), { key: "k".repeat(129) }, "IDEMPOTENCY_KEY_INVALID"],
    ] as const)
      expect(await send(gateway, body, options)).toMatchObject({ code: expected, receiptId: null });
    expect(await send(gateway, bodyOf(1, 2))).toMatchObject({ status: 200, replayed: null });
    expect(await send(gateway, "{")).toMatchObject({ code: "REQUEST_MALFORMED", receiptId: null });
  });

  it("gets a refusal that no retry can change again, and is decided anew after one that a retry can", async () => {
    const settled: readonly [string, string][] = [
      [bodyOf(1, 2, 3), ADDRESS],
      [bodyOf(1, 2), "/v2/models/other/infer"],
    ];
    for (const [body, address] of settled) {
      const gateway = await start();
      const first = await send(gateway, body, { address });
      expect(first.receiptId).toMatch(/^rcpt-/);
      const { size } = gateway.log;
      expect(await send(gateway, body, { address })).toEqual({ ...first, replayed: "true" });
      expect(gateway.log.size).toBe(size);
      expect(await send(gateway, bodyOf(1, 2), { address: ADDRESS })).toMatchObject({ code: "IDEMPOTENCY_KEY_REUSED" });
    }
    const lost = (["PATH_UNAVAILABLE", "DEADLINE_EXCEEDED", "CLIENT_ABORTED"] as const).map(
      (name) => new TrisealError(name, "x"),
    );
    const gateway = await start(failingPath(...lost));
    for (const { code: expected } of lost) expect(await send(gateway, bodyOf(1, 2))).toMatchObject({ code: expected });
    // Other bytes may follow, too: nothing was answered.
    const answered = await send(gateway, bodyOf(3, 4));
    expect(answered).toMatchObject({ status: 200, replayed: null });
    expect(await send(gateway, bodyOf(3, 4))).toEqual({ ...answered, replayed: "true" });
  });

  it("is decided anew where the first answer could not be logged", async () => {
    const gateway = await start();
    vi.spyOn(gateway.log, "append").mockRejectedValueOnce(new TrisealError("LOG_UNAVAILABLE", "full"));
    expect(await send(gateway, bodyOf(1, 2))).toMatchObject({ status: 503, code: "LOG_UNAVAILABLE", receiptId: null });
    const answered = await send(gateway, bodyOf(1, 2));
    expect(answered).toMatchObject({ status: 200, replayed: null });
    expect(await send(gateway, bodyOf(1, 2))).toEqual({ ...answered, replayed: "true" });
  });

  it("gets one leaf and one run for twenty that come at once; the others hear that it is in flight", async () => {
    const { path, state } = gatedPath();
    const gateway = await start(path);
    const { size } = gateway.log;
    const all = Array.from({ length: 20 }, () => send(gateway, bodyOf(1, 2)));
    await state.atPath;
    const waiting = await Promise.race(all);
    expect(waiting).toMatchObject({ status: 409, code: "IDEMPOTENCY_IN_FLIGHT", receiptId: null, replayed: null });
    expect(JSON.parse(waiting.text)).toMatchObject({ retryable: true });
    state.open();
    const answers = await Promise.all(all);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter((answer) => answer.code === "IDEMPOTENCY_IN_FLIGHT" && answer.receiptId === null)).toHaveLength(19);
    expect([gateway.log.size, state.started]).toEqual([size + 1, 1]);
    const [first] = answers.filter(({ status }) => status === 200);
    const repeats = await Promise.all(Array.from({ length: 20 }, () => send(gateway, bodyOf(1, 2))));
    for (const repeat of repeats) expect(repeat).toEqual({ ...first, replayed: "true" });
    expect([gateway.log.size, state.started]).toEqual([size + 1, 1]);
  });

  it("with other bytes while the first is in flight is refused, and the first keeps its key", async () => {
    const { path, state } = gatedPath();
    const gateway = await start(path);
    const held = send(gateway, bodyOf(1, 2));
    await state.atPath;
    expect(await send(gateway, bodyOf(3, 4))).toMatchObject({ code: "IDEMPOTENCY_KEY_REUSED", receiptId: expect.any(String) });
    const other = send(gateway, bodyOf(1, 2), { apiKey: OTHER_KEY });
    state.open();
    const first = await held;
    expect([first.status, (await other).status]).toEqual([200, 200]);
    expect((await other).receiptId).not.toBe(first.receiptId);
    expect(await send(gateway, bodyOf(1, 2))).toEqual({ ...first, replayed: "true" });
  });
});

describe("a used key", () => {
  it("is expired, and gets no second answer, once the stored answer's key is deleted or its record is", async () => {
    const gateway = await start();
    const [first] = [await send(gateway, bodyOf(1, 2)), await send(gateway, bodyOf(1, 2), { key: "k-2" })];
    const { size } = gateway.log;
    const hash = gateway.log.leafHashAt(size - 1);
    await rm(`${gateway.folder}/log/records/${hash.slice(0, 2)}/${hash}`);
    expect(await send(gateway, bodyOf(1, 2), { key: "k-2" })).toMatchObject({ status: 410, code: "IDEMPOTENCY_EXPIRED" });
    expect(await send(gateway, bodyOf(1, 2))).toEqual({ ...first, replayed: "true" });
    const [[name = "", key = new Uint8Array()] = []] = gateway.vault.keys;
    gateway.vault.keys.clear();
    const expired = await send(gateway, bodyOf(1, 2));
    expect(expired).toMatchObject({ status: 410, code: "IDEMPOTENCY_EXPIRED", replayed: null });
    expect(expired.receiptId).not.toBe(first.receiptId);
    expect(await send(gateway, bodyOf(1, 3))).toMatchObject({ status: 422 });
    gateway.vault.keys.set(name, key);
    expect(await send(gateway, bodyOf(1, 2))).toEqual({ ...first, replayed: "true" });
  });

  it("is known again from log and records alone, of two uses the first", async () => {
    const gateway = await start();
    const logged = vi.spyOn(gateway.ledger, "logExchange");
    const answer = await send(gateway, bodyOf(1, 2));
    const refusal = await send(gateway, bodyOf(1, 2, 3), { key: "k-2" });
    await send(gateway, bodyOf(9, 9));
    await gateway.post(ADDRESS, bodyOf(1, 2));
    const [first] = logged.mock.calls;
    if (first === undefined) throw new Error("nothing was logged");
    const usedFirst = () => gateway.ledger.keyUse(first[1]?.keyHash ?? "");
    const before = await usedFirst();
    expect(before).not.toBeNull();
    await gateway.ledger.logExchange(...first);
    expect(await usedFirst()).toEqual(before);
    const rebuilt = await gateway.reopenLedger();
    for (const [key, body, { receiptId, status, type, text }] of [
      ["k-1", bodyOf(1, 2), answer],
      ["k-2", bodyOf(1, 2, 3), refusal],
    ] as const) {
      const request = { tenant: "acme", path: ADDRESS, mediaType: "application/json", body: utf8(body) };
      const keyed = keyedRequest(key, request);
      const use = await rebuilt.keyUse(keyed?.keyHash ?? "");
      expect(use).toEqual(await gateway.ledger.keyUse(keyed?.keyHash ?? ""));
      if (use === null) throw new Error("the key is not known");
      expect(use.requestHash).toBe(keyed?.requestHash);
      expect(await rebuilt.storedResponse(use)).toEqual({ receiptId, status, mediaType: type, body: utf8(text), pending: [] });
    }
    expect(await rebuilt.keyUse("00".repeat(32))).toBeNull();
  });
});
