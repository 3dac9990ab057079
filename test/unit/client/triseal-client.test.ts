import { describe, expect, it } from "vitest";
import { type InferenceCall, type RetryOptions, TrisealClient } from "../../../src/client/index.ts";
import { concatBytes, utf8 } from "../../../src/core/bytes.ts";
import type { Check } from "../../../src/core/check.ts";
import type { JsonObject } from "../../../src/core/json.ts";
import { createServiceIdentity } from "../../../src/gateway/service-identity.ts";
import type { PathClient } from "../../../src/paths/path.ts";
import { codes as teeCodes } from "../../../src/paths/tee/wire/codes.ts";
import { sessionId } from "../../../src/receipt/index.ts";
import { API_KEY, NOW, trustFor } from "../../contract/gateway-fixture.ts";
import { testSigner } from "../../fixtures/signer.ts";

const code = (name: string) => expect.objectContaining({ name: "TrisealError", code: name });
const identity = createServiceIdentity(testSigner("gateway-1", 21), { notAfter: NOW + 86_400, dev: false, tlsKeys: [] });
const session: JsonObject = { established_at: NOW, expires_at: NOW + 600 };
const passed: Check = { id: "test.session", status: "pass", basis: "assertion", code: null, message: "fits", spec: "" };

/** What the service does with one POST: a status and a body, or nothing but a connection that breaks. */
type Said = "drop" | "cut" | { readonly status: number; readonly body: string };

const problem = (name: string, retryable: boolean, status = 503): Said => ({
  status,
  body: JSON.stringify({ code: name, retryable, detail: "x", status }),
});
const refused = problem("POLICY_DENIED", false, 403);
const replayed = problem("SEALED_REPLAYED", true, 409);
const expired = problem("SEALED_EXPIRED", true, 400);
const stale = problem("WORKER_KEY_STALE", true, 409);
const lost = problem("WORKER_LOST", true);
const inFlight = problem("IDEMPOTENCY_IN_FLIGHT", true, 409);

/** A service that reports soundly and answers its POSTs as told, with a path that numbers its envelopes. */
function setUp(said: readonly Said[], options: { retry?: RetryOptions; sessionsAfter?: number } = {}) {
  const left = [...said];
  const sent: { body: string; key: string | null; type: string | null }[] = [];
  const slept: number[] = [];
  let sealed = 0;
  let lists = 0;
  const envelopes: PathClient = {
    id: "test",
    codes: teeCodes,
    appraiseSession: async () => [passed],
    prepare: async ({ body }) => ({
      body: concatBytes(utf8(`${++sealed}:`), body),
      mediaType: "test/sealed",
      open: async (answer) => answer,
    }),
  };
  const json = (value: unknown, status = 200) => new Response(JSON.stringify(value), { status });
  const broken = new TypeError("fetch failed");
  const cut = () => new Response(new ReadableStream({ pull: (controller) => controller.error(broken) }));
  const client = new TrisealClient({
    baseUrl: "http://127.0.0.1:1",
    apiKey: API_KEY,
    trust: trustFor({}),
    clock: () => NOW,
    pathClients: [envelopes],
    retry: {
      random: () => 0.5,
      sleep: async (ms) => {
        slept.push(ms);
      },
      ...options.retry,
    },
    fetch: async (url, init) => {
      init?.signal?.throwIfAborted();
      const { pathname, searchParams } = new URL(url);
      if (pathname === "/v1/aci/attestation") return json(identity.report(searchParams.get("nonce")));
      if (pathname === "/v1/aci/sessions")
        return json({ sessions: ++lists > (options.sessionsAfter ?? 0) ? [{ session_id: sessionId(session) }] : [] });
      if (pathname.startsWith("/v1/aci/sessions/")) return json(session);
      const headers = new Headers(init?.headers);
      const body = new TextDecoder().decode(init?.body as Uint8Array);
      sent.push({ body, key: headers.get("idempotency-key"), type: headers.get("content-type") });
      const next = left.shift() ?? refused;
      if (next === "drop") throw broken;
      return next === "cut" ? cut() : new Response(next.body, { status: next.status });
    },
  });
  return { client, sent, slept, lists: () => lists };
}

const call: InferenceCall = { model: "m", inputs: [{ name: "x", datatype: "INT32", shape: [1], data: [1] }] };
const envelopesOf = (sent: readonly { body: string }[]) => sent.map(({ body }) => Number(body.split(":")[0]));

describe("the SDK, sealed", () => {
  it.each<[string, readonly Said[], readonly number[], number, string]>([
    ["stops at a refusal that no retry can change", [refused], [1], 0, "POLICY_DENIED"],
    ["sends the same envelope again after a retryable refusal", [lost, lost], [1, 1, 1], 2, "POLICY_DENIED"],
    ["sends the same envelope again where the connection broke", ["drop", "cut"], [1, 1, 1], 2, "POLICY_DENIED"],
    [
      "sends it again behind an intermediary's own answer",
      [
        { status: 502, body: "<html>" },
        { status: 504, body: "" },
      ],
      [1, 1, 1],
      2,
      "POLICY_DENIED",
    ],
    ["stops at an answer of 500 that is no problem document", [{ status: 500, body: "<html>" }], [1], 0, "SERVICE_ERROR"],
    ["follows no redirect and sends nothing again", [{ status: 307, body: "" }], [1], 0, "VERIFICATION_FAILED"],
    ["seals anew, at once, only where the worker had opened the envelope", [replayed], [1, 2], 0, "POLICY_DENIED"],
    ["first sends the known envelope after each loss", ["drop", replayed, "drop", replayed], [1, 1, 2, 2, 3], 2, "POLICY_DENIED"],
    ["seals anew where the envelope expired", [lost, expired], [1, 1, 2], 1, "POLICY_DENIED"],
    ["seals anew once where the key is stale", [stale], [1, 2], 0, "POLICY_DENIED"],
    [
      "seals anew again where the key is stale after the connection broke",
      [stale, "drop", stale],
      [1, 2, 2, 3],
      1,
      "POLICY_DENIED",
    ],
    ["seals anew no second time where the key is stale", [stale, stale], [1, 2], 0, "WORKER_KEY_STALE"],
    ["seals anew three times and no more", Array<Said>(9).fill(replayed), [1, 2, 3, 4], 0, "SEALED_REPLAYED"],
    [
      "waits for the first request for longer than its attempts last",
      Array<Said>(7).fill(inFlight),
      Array<number>(8).fill(1),
      7,
      "POLICY_DENIED",
    ],
    ["gives up after four attempts", Array<Said>(9).fill(lost), [1, 1, 1, 1], 3, "WORKER_LOST"],
    ["gives up after four broken connections", Array<Said>(9).fill("drop"), [1, 1, 1, 1], 3, "SERVICE_UNREACHABLE"],
    [
      "does not retry a refusal because of what its key was used for",
      [problem("IDEMPOTENCY_KEY_REUSED", false, 422)],
      [1],
      0,
      "IDEMPOTENCY_KEY_REUSED",
    ],
  ])("%s", async (_, said, envelopes, sleeps, expected) => {
    const { client, sent, slept } = setUp(said);
    await expect(client.infer(call)).rejects.toEqual(code(expected));
    expect(envelopesOf(sent)).toEqual(envelopes);
    expect(slept).toHaveLength(sleeps);
    const [first] = sent;
    expect(first?.key).toMatch(/^[0-9a-f]{32}$/);
    // One key, and inside each envelope the same request.
    expect(new Set(sent.map(({ key, type }) => `${key} ${type}`)).size).toBe(1);
    expect(new Set(sent.map(({ body }) => body.replace(/^\d+:/, ""))).size).toBe(1);
  });

  it("waits for a session where none is listed, and sends nothing meanwhile", async () => {
    const late = setUp([], { sessionsAfter: 2 });
    await expect(late.client.infer(call)).rejects.toEqual(code("POLICY_DENIED"));
    expect([late.lists(), late.slept.length, late.sent.length]).toEqual([3, 2, 1]);
    const never = setUp([], { sessionsAfter: 99 });
    await expect(never.client.infer(call)).rejects.toEqual(code("VERIFICATION_FAILED"));
    expect([never.lists(), never.sent.length]).toEqual([4, 0]);
  });
});

describe("the SDK, in the clear", () => {
  it("sends the same bytes under the same key however often it must", async () => {
    const { client, sent, slept } = setUp([lost, stale, "drop"]);
    await expect(client.infer({ ...call, seal: false })).rejects.toEqual(code("POLICY_DENIED"));
    expect(sent).toHaveLength(4);
    expect(new Set(sent.map((item) => JSON.stringify(item))).size).toBe(1);
    expect(slept).toHaveLength(3);
  });

  it("makes a key of its own for each call, and takes the caller's", async () => {
    const { client, sent } = setUp([]);
    for (const more of [{}, {}, { idempotencyKey: "k-1" }])
      await expect(client.infer({ ...call, ...more, seal: false })).rejects.toEqual(code("POLICY_DENIED"));
    expect(new Set(sent.map(({ key }) => key)).size).toBe(3);
    expect(sent[2]?.key).toBe("k-1");
  });

  it.each(["", "a b", "ä", "k\n", "k".repeat(129)])("refuses the key `%s` before it sends anything", async (idempotencyKey) => {
    const { client, sent, lists } = setUp([]);
    await expect(client.infer({ ...call, idempotencyKey })).rejects.toEqual(code("IDEMPOTENCY_KEY_INVALID"));
    expect([sent.length, lists()]).toEqual([0, 0]);
  });

  it("ends with the caller's own reason, not with a connection's failure", async () => {
    const gone = new Error("the caller left");
    const { client, sent } = setUp([]);
    await expect(client.infer({ ...call, signal: AbortSignal.abort(gone) })).rejects.toBe(gone);
    await expect(client.establish(AbortSignal.abort(gone))).rejects.toBe(gone);
    expect(sent).toEqual([]);
    const controller = new AbortController();
    const sleep = async () => controller.abort(gone);
    const waiting = setUp(["drop"], { retry: { sleep } });
    await expect(waiting.client.infer({ ...call, signal: controller.signal })).rejects.toBe(gone);
    expect(waiting.sent).toHaveLength(1);
  });
});
