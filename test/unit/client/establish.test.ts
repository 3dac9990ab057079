import { describe, expect, it } from "vitest";
import { type PinningTransport, TrisealClient, type TrisealClientOptions } from "../../../src/client/index.ts";
import type { Check } from "../../../src/core/check.ts";
import type { JsonObject, JsonValue } from "../../../src/core/json.ts";
import { unixSeconds } from "../../../src/core/time.ts";
import { createServiceIdentity, type ServiceIdentity } from "../../../src/gateway/service-identity.ts";
import type { PathClient } from "../../../src/paths/path.ts";
import { sessionId } from "../../../src/receipt/index.ts";
import { API_KEY, NOW, trustFor } from "../../contract/gateway-fixture.ts";
import { testSigner } from "../../fixtures/signer.ts";

const code = (name: string) => expect.objectContaining({ name: "TrisealError", code: name });
const SPKI = "ab".repeat(32);
const signer = testSigner("gateway-1", 21);
const NOT_AFTER = NOW + 86_400;
const plain = createServiceIdentity(signer, { notAfter: NOT_AFTER, dev: false, tlsKeys: [] });
const overTls = createServiceIdentity(signer, { notAfter: NOT_AFTER, dev: false, tlsKeys: [SPKI] });
const passed: Check = { id: "test.session", status: "pass", basis: "assertion", code: null, message: "fits", spec: "" };
const path: PathClient = {
  id: "test",
  codes: { PATH_SAID: { status: 409, retryable: false, action: "do" } },
  appraiseSession: async () => [passed],
  prepare: async ({ body }) => ({ body, mediaType: "test/sealed", open: async (answer) => answer }),
};
const call = { model: "m", inputs: [{ name: "x", datatype: "INT32", shape: [1], data: [1] }] };

/** A request that left the client, and whether it left on a pinned channel. */
interface Seen {
  readonly path: string;
  readonly key: string | null;
  readonly pinned: boolean;
}

interface Stage {
  readonly identity?: ServiceIdentity;
  /** Changes a report before it is served. */
  readonly report?: (report: JsonObject) => JsonObject;
  readonly session?: JsonObject;
  readonly refusal?: JsonValue;
  readonly pinning?: boolean;
  readonly options?: Partial<TrisealClientOptions>;
}

/** A client of a service that reports and lists one session, and refuses every POST. */
function setUp(stage: Stage = {}) {
  const seen: Seen[] = [];
  const time = { now: NOW as number };
  const pinnedTo: (readonly string[])[] = [];
  const json = (value: unknown, status = 200) => new Response(JSON.stringify(value), { status });
  const answer = async (url: string, init: RequestInit | undefined, pinned: boolean) => {
    const { pathname, searchParams } = new URL(url);
    seen.push({ path: pathname, key: new Headers(init?.headers).get("authorization"), pinned });
    const session = stage.session ?? { established_at: time.now, expires_at: time.now + 600 };
    if (pathname === "/v1/aci/attestation") {
      const report = (stage.identity ?? plain).report(searchParams.get("nonce"));
      return json(stage.report?.(report) ?? report);
    }
    if (pathname === "/v1/aci/sessions") return json({ sessions: [{ session_id: sessionId(session) }] });
    if (pathname.startsWith("/v1/aci/sessions/")) return json(session);
    return json(stage.refusal ?? { code: "POLICY_DENIED", detail: "no" }, 403);
  };
  const transport: PinningTransport = {
    contact: (url, init) => answer(url, init, false),
    pin: (keys) => {
      pinnedTo.push(keys);
      return (url, init) => answer(url, init, true);
    },
  };
  const client = new TrisealClient({
    baseUrl: "http://127.0.0.1:1",
    apiKey: API_KEY,
    trust: trustFor({}),
    clock: () => unixSeconds(time.now),
    pathClients: [path],
    retry: { maxAttempts: 1 },
    ...(stage.pinning === true ? { transport } : { fetch: (url, init) => answer(url, init, false) }),
    ...stage.options,
  });
  const count = (wanted: string) => seen.filter((request) => request.path === wanted).length;
  return { client, seen, time, pinnedTo, count };
}

/** The report with changed evidence. */
function withEvidence(report: JsonObject, change: (evidence: JsonObject) => JsonObject): JsonObject {
  const attestation = report["attestation"] as JsonObject;
  return { ...report, attestation: { ...attestation, evidence: change(attestation["evidence"] as JsonObject) } };
}

describe("the API key", () => {
  it("goes with the request alone: the service is appraised, and its sessions are read, without it", async () => {
    const { client, seen } = setUp();
    await expect(client.infer(call)).rejects.toEqual(code("POLICY_DENIED"));
    expect(seen.map((request) => request.key !== null)).toEqual([false, false, false, true]);
    expect(seen.at(-1)).toMatchObject({ path: "/v2/models/m/infer", key: `Bearer ${API_KEY}` });
  });

  it("is not needed to appraise a model's session, which fails as a request to it would", async () => {
    const { client, seen } = setUp();
    await client.appraiseModel("m");
    expect(seen.map((request) => request.key)).toEqual([null, null, null]);
    for (const session of [{ established_at: 0, expires_at: 0 }, { established_at: NOW - 7200, expires_at: NOW + 600 }, {}])
      await expect(setUp({ session }).client.appraiseModel("m")).rejects.toEqual(code("VERIFICATION_FAILED"));
  });

  it("goes to an appraised service only where a bundle is fetched first", async () => {
    const { client, seen } = setUp();
    await expect(client.bundle("rcpt-1")).rejects.toEqual(code("POLICY_DENIED"));
    expect(seen.map((request) => [request.path, request.key !== null])).toEqual([
      ["/v1/aci/attestation", false],
      ["/v1/receipts/rcpt-1/bundle", true],
    ]);
  });

  const stranger = testSigner("gateway-1", 99);
  const impostor = createServiceIdentity(stranger, { notAfter: NOT_AFTER, dev: false, tlsKeys: [] });
  const claimed = { ...stranger, publicKey: signer.publicKey };
  const forged = createServiceIdentity(claimed, { notAfter: NOT_AFTER, dev: false, tlsKeys: [SPKI] });
  const stale = plain.report("00".repeat(32));
  const impostors: readonly [string, Stage, string][] = [
    ["a service of another key", { identity: impostor }, "VERIFICATION_FAILED"],
    ["a keyset that lists the trusted key and is signed by another", { identity: forged }, "VERIFICATION_FAILED"],
    ["a report that no key signed", { report: (r) => withEvidence(r, () => ({})) }, "FORMAT_INVALID"],
    [
      "a report of an unknown key id",
      { report: (r) => withEvidence(r, (evidence) => ({ ...evidence, key_id: "gateway-2" })) },
      "VERIFICATION_FAILED",
    ],
    [
      "an old report, whose nonce was replaced",
      { report: (r) => withEvidence(r, () => (stale["attestation"] as JsonObject)["evidence"] as JsonObject) },
      "VERIFICATION_FAILED",
    ],
    ["an old report", { report: () => stale }, "VERIFICATION_FAILED"],
    [
      "a keyset that ends now",
      { identity: createServiceIdentity(signer, { notAfter: NOW, dev: false, tlsKeys: [] }) },
      "VERIFICATION_FAILED",
    ],
    ["a service that answers over TLS, reached over plain HTTP", { identity: overTls }, "CHANNEL_NOT_BOUND"],
    ["a service beyond this machine, over plain HTTP", { options: { baseUrl: "http://192.0.2.1" } }, "CHANNEL_NOT_BOUND"],
    [
      "a pinned address of which the keyset lists no key",
      { pinning: true, options: { baseUrl: "https://gateway.example" } },
      "TLS_KEY_MISMATCH",
    ],
  ];

  it.each(impostors)("is not sent to %s, and no content either", async (_, stage, expected) => {
    for (const seal of [true, false]) {
      const { client, seen } = setUp(stage);
      await expect(client.infer({ ...call, seal })).rejects.toEqual(code(expected));
      await expect(client.bundle("rcpt-1")).rejects.toEqual(code(expected));
      expect(new Set(seen.map((request) => `${request.path} ${request.key}`))).toEqual(new Set(["/v1/aci/attestation null"]));
    }
  });

  it("goes to a service whose keyset ends one second later", async () => {
    const identity = createServiceIdentity(signer, { notAfter: NOW + 1, dev: false, tlsKeys: [] });
    await expect(setUp({ identity }).client.infer(call)).rejects.toEqual(code("POLICY_DENIED"));
  });
});

describe("the channel over TLS", () => {
  const https = { options: { baseUrl: "https://gateway.example" }, identity: overTls };

  it("is pinned to the appraised keyset before anything but the report is asked for", async () => {
    const { client, seen, pinnedTo } = setUp({ ...https, pinning: true });
    await expect(client.infer({ ...call, seal: false })).rejects.toEqual(code("POLICY_DENIED"));
    expect(pinnedTo).toEqual([[SPKI]]);
    expect(seen.filter((request) => !request.pinned).map((request) => request.path)).toEqual(["/v1/aci/attestation"]);
    expect(seen.filter((request) => request.pinned).map((request) => request.path)).toEqual(["/v2/models/m/infer"]);
  });

  it("carries only sealed requests where the peer's key cannot be seen", async () => {
    const { client, seen } = setUp(https);
    await expect(client.infer({ ...call, seal: false })).rejects.toEqual(code("CHANNEL_NOT_BOUND"));
    expect(seen.map((request) => request.path)).toEqual(["/v1/aci/attestation"]);
    await expect(client.infer(call)).rejects.toEqual(code("POLICY_DENIED"));
  });

  it("pins the keys of its host name, and those of none", async () => {
    const keyset = { ...overTls.keyset };
    for (const [domains, expected] of [
      [["gateway.example", "other.example"], [["00".repeat(32)]]],
      [["other.example"], null],
    ] as const) {
      const tls = domains.map((domain, at) => ({ spki_sha256: `0${at}`.repeat(32), domain }));
      const { keysetDigest, reportData, signReport } = await import("../../../src/receipt/index.ts");
      const { encodeHex } = await import("../../../src/core/bytes.ts");
      const listed = { ...keyset, tls_public_keys: tls };
      const report = (nonce: string | null): JsonObject => {
        const digest = keysetDigest(listed);
        const bound = reportData(digest, nonce);
        const attestation = overTls.report(nonce)["attestation"] as JsonObject;
        return {
          ...overTls.report(nonce),
          workload_keyset_digest: digest,
          attestation: {
            ...attestation,
            workload_keyset: listed as unknown as JsonObject,
            report_data: encodeHex(bound),
            evidence: signReport(bound, signer),
          },
        };
      };
      const { client, pinnedTo } = setUp({ ...https, pinning: true, identity: { ...overTls, report } });
      await expect(client.infer(call)).rejects.toEqual(code(expected === null ? "TLS_KEY_MISMATCH" : "POLICY_DENIED"));
      expect(pinnedTo).toEqual(expected ?? []);
    }
  });

  it.each(["ftp://x", "gateway.example", "", "https://u:p@x", "https://x/?a=1"])("is not made to `%s`", (baseUrl) => {
    expect(() => setUp({ options: { baseUrl } })).toThrow(code("CONFIG_INVALID"));
  });
});

describe("the appraisal of a service", () => {
  it("is one for all who ask at the same time", async () => {
    const { client, count } = setUp();
    await Promise.all([client.establish(), client.establish(), client.infer(call).catch(() => null), client.establish()]);
    expect(count("/v1/aci/attestation")).toBe(1);
    await client.establish();
    expect(count("/v1/aci/attestation")).toBe(2);
  });

  it("goes on for the others where one of them leaves, and ends where all do", async () => {
    const gone = new Error("the caller left");
    const signals: AbortSignal[] = [];
    const open: (() => void)[] = [];
    const { client } = setUp({
      options: {
        fetch: (url, init) => {
          if (init?.signal) signals.push(init.signal);
          const nonce = new URL(url).searchParams.get("nonce");
          return new Promise((resolve, reject) => {
            init?.signal?.addEventListener("abort", () => reject(new Error("aborted")));
            open.push(() => resolve(new Response(JSON.stringify(plain.report(nonce)))));
          });
        },
      },
    });
    const [first, second] = [new AbortController(), new AbortController()];
    const waits = [client.establish(first.signal), client.establish(second.signal)];
    first.abort(gone);
    await expect(waits[0]).rejects.toBe(gone);
    expect(signals.map((signal) => signal.aborted)).toEqual([false]);
    open[0]?.();
    await expect(waits[1]).resolves.toBeUndefined();
    const third = new AbortController();
    const alone = client.establish(third.signal);
    third.abort(gone);
    await expect(alone).rejects.toBe(gone);
    expect(signals.map((signal) => signal.aborted)).toEqual([true, true]);
  });

  it("is made anew at its age, as are the sessions, and not a second earlier", async () => {
    const { client, time, count } = setUp({ options: { maxSessionAgeSeconds: 100 } });
    for (const [later, appraisals] of [
      [0, 1],
      [99, 1],
      [100, 2],
      [199, 2],
      [200, 3],
    ] as const) {
      time.now = NOW + later;
      await expect(client.infer(call)).rejects.toEqual(code("POLICY_DENIED"));
      expect([count("/v1/aci/attestation"), count("/v1/aci/sessions")]).toEqual([appraisals, appraisals]);
    }
  });
});

describe("a session", () => {
  it.each<[string, JsonObject]>([
    ["as old as the caller allows", { established_at: NOW - 100, expires_at: NOW + 600 }],
    ["that has no beginning", { expires_at: NOW + 600 }],
    ["that has no end", { established_at: NOW }],
    ["that ends now", { established_at: NOW - 50, expires_at: NOW }],
  ])("%s is not sealed to", async (_, session) => {
    const { client, count } = setUp({ session, options: { maxSessionAgeSeconds: 100 } });
    await expect(client.infer(call)).rejects.toEqual(code("VERIFICATION_FAILED"));
    expect(count("/v2/models/m/infer")).toBe(0);
  });

  it("one second younger than the caller allows is sealed to, once", async () => {
    const session = { established_at: NOW - 99, expires_at: NOW + 600 };
    const { client, time } = setUp({ session, options: { maxSessionAgeSeconds: 100 } });
    await expect(client.infer(call)).rejects.toEqual(code("POLICY_DENIED"));
    time.now = NOW + 1;
    await expect(client.infer(call)).rejects.toEqual(code("VERIFICATION_FAILED"));
  });

  it("from the future is used no longer than one from now", async () => {
    const session = { established_at: NOW + 10_000, expires_at: NOW + 20_000 };
    const { client, time, count } = setUp({ session, options: { maxSessionAgeSeconds: 100 } });
    for (const later of [0, 99, 100]) {
      time.now = NOW + later;
      await expect(client.infer(call)).rejects.toEqual(code("POLICY_DENIED"));
    }
    expect(count("/v1/aci/sessions")).toBe(2);
  });
});

describe("a code that the service states", () => {
  it.each<[string, JsonValue, string, JsonObject]>([
    ["is thrown where core knows it", { code: "POLICY_DENIED", detail: "no" }, "POLICY_DENIED", { status: 403 }],
    ["is thrown where a path knows it", { code: "PATH_SAID" }, "PATH_SAID", { status: 403 }],
    ["stays a detail where nobody knows it", { code: "FUTURE_CODE" }, "SERVICE_ERROR", { foreignCode: "FUTURE_CODE" }],
    ["stays a detail where another path has it", { code: "WORKER_LOST" }, "SERVICE_ERROR", { foreignCode: "WORKER_LOST" }],
    ["is no finding of this side", { code: "VERIFICATION_FAILED" }, "SERVICE_ERROR", { foreignCode: "VERIFICATION_FAILED" }],
    ["is no name of an object's own parts", { code: "CONSTRUCTOR" }, "SERVICE_ERROR", { foreignCode: "CONSTRUCTOR" }],
    ["is none where it has not the form of one", { code: "constructor" }, "SERVICE_ERROR", { foreignCode: null }],
    ["is none in a list", [], "SERVICE_ERROR", { foreignCode: null }],
  ])("%s", async (_, refusal, expected, details) => {
    const failed = setUp({ refusal }).client.infer(call);
    await expect(failed).rejects.toMatchObject({ code: expected, details });
  });

  it("leaves its words on one line", async () => {
    const { client } = setUp({ refusal: { code: "POLICY_DENIED", detail: `a\n\u001b[31mb${"c".repeat(400)}` } });
    const error = await client.infer(call).catch((caught: unknown) => caught);
    expect((error as Error).message).toMatch(/^a \[31mbc+$/);
    expect((error as Error).message).toHaveLength(300);
  });
});
