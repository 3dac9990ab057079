import { readFile } from "node:fs/promises";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { parse, stringify } from "yaml";
import { type InferenceCall, TrisealClient } from "../../src/client/index.ts";
import { utf8 } from "../../src/core/bytes.ts";
import { parseEnvelope } from "../../src/paths/tee/wire/envelope.ts";
import { SEAL_MLKEM768_X25519, workerKeysetDigest } from "../../src/paths/tee/wire/keyset.ts";
import { makeSealKey, publicSealKey } from "../../src/paths/tee/wire/seal-suite.ts";
import { eventOf, parseBundle } from "../../src/receipt/index.ts";
import { parseTrust, type Trust } from "../../src/verify/index.ts";
import { keysetOf } from "../campaign/http-target.ts";
import { clock, heldBack, type Service, startService, verdictOn, workerOf } from "./gateway-harness.ts";
import { until } from "./gateway-process.ts";
import { type Passed, type Relay, type Said, startRelay } from "./tampering-relay.ts";

let service: Service;
let trust: Trust;
let pixels: readonly number[];
let label: string;

beforeAll(async () => {
  service = await startService({ witness: true });
  trust = await service.trust();
  ({ input: pixels, label } = await heldBack("digits-mlp", 5));
});

afterAll(async () => {
  expect(await service.close()).toBe(0);
});

function clientOf(url: string, more: { trust?: Trust; apiKey?: string } = {}): TrisealClient {
  return new TrisealClient({ baseUrl: url, apiKey: service.apiKey, trust, clock, ...more });
}

function callOf(more: Partial<InferenceCall> = {}): InferenceCall {
  return { model: "digits-mlp", inputs: [{ name: "pixels", datatype: "FP32", shape: [1, 64], data: pixels }], ...more };
}

function code(expected: string) {
  return expect.objectContaining({ name: "TrisealError", code: expected });
}

describe("the SDK against an honest service", () => {
  it("gives the right label with a verified receipt, sealed and in the clear", async () => {
    const client = clientOf(service.url);
    for (const seal of [true, false]) {
      const { response, receiptId, bundle, verdict } = await client.infer(
        callOf({ seal, parameters: { classification: "internal" } }),
      );
      const scores = Array.from<unknown, number>(response.outputs[0]?.data ?? [], Number);
      expect(String(scores.indexOf(Math.max(...scores)))).toBe(label);
      expect([verdict.outcome, verdict.receiptId]).toEqual(["accepted", receiptId]);
      const { receipt } = parseBundle(bundle);
      expect(receipt.receipt_id).toBe(receiptId);
      expect(eventOf(receipt, "leg.sealed")?.sealed_by).toBe(seal ? "caller" : "gateway");
      expect(verdict.checks.filter((check) => check.id.startsWith("exchange.")).map((check) => check.status)).toEqual([
        "pass",
        "pass",
      ]);
      // 128 random bits in the body's id: no receipt of the SDK can be guessed from a small input.
      expect(eventOf(receipt, "request.received")).not.toHaveProperty("digest");
    }
  });

  it("gives only the outputs that were asked for, and takes an address with a slash at its end", async () => {
    const { response } = await clientOf(`${service.url}/`).infer(callOf({ outputs: ["probabilities"] }));
    expect(response.outputs.map(({ name }) => name)).toEqual(["probabilities"]);
  });

  it("throws the service's code for a refusal, with the id of a receipt whose bundle verifies", async () => {
    const client = clientOf(service.url);
    const refusals: readonly [Partial<InferenceCall>, string, number][] = [
      [{ parameters: { classification: "secret" } }, "POLICY_DENIED", 403],
      [{ inputs: [{ name: "pixels", datatype: "FP32", shape: [1, 2], data: [1, 2] }] }, "REQUEST_TENSOR_INVALID", 400],
      [{ model: "nothing", seal: false }, "MODEL_UNKNOWN", 404],
      [{ seal: false, parameters: { seal: "caller" } }, "REQUEST_NOT_SEALED", 400],
    ];
    for (const [more, expected, status] of refusals) {
      const refused = await client.infer(callOf(more)).then(
        () => null,
        (error: unknown) => error as { code: string; details: Record<string, unknown> },
      );
      expect(refused).toMatchObject({ code: expected, details: { status, receiptId: expect.stringMatching(/^rcpt-/) } });
      const verdict = await verdictOn(service, await client.bundle(String(refused?.details["receiptId"])));
      expect([verdict.outcome, verdict.code]).toEqual(["accepted", null]);
    }
  });

  it("throws the service's code where there is no receipt: a wrong key, a wrong fact, a model without a session", async () => {
    await expect(clientOf(service.url, { apiKey: "wrong-key-of-some-length" }).infer(callOf())).rejects.toEqual(
      code("AUTH_INVALID"),
    );
    await expect(clientOf(service.url).infer(callOf({ parameters: { value_usd: -1 } }))).rejects.toEqual(
      code("REQUEST_MALFORMED"),
    );
    await expect(clientOf(service.url).infer(callOf({ model: "nothing" }))).rejects.toEqual(code("VERIFICATION_FAILED"));
  });

  it("stops when the caller aborts", async () => {
    await expect(clientOf(service.url).infer(callOf({ signal: AbortSignal.abort() }))).rejects.toThrow();
  });
});

describe("the SDK behind a proxy that tampers", () => {
  let proxy: Relay;

  beforeAll(async () => {
    proxy = await startRelay(() => service.url);
  });

  afterEach(() => {
    proxy.passed.length = 0;
    proxy.tamper = () => undefined;
  });

  afterAll(async () => {
    await proxy.close();
  });

  const posts = () => proxy.passed.filter(({ method }) => method === "POST");
  const isInfer = ({ method }: Passed) => method === "POST";
  const isBundle = ({ path }: Passed) => path.endsWith("/bundle");

  it("answers through one that does nothing", async () => {
    await expect(clientOf(proxy.url).infer(callOf())).resolves.toMatchObject({ verdict: { outcome: "accepted" } });
    expect(posts()).toHaveLength(1);
  });

  it("gives nothing where one bit of a sealed answer was changed", async () => {
    proxy.tamper = (said, request) => {
      if (!isInfer(request)) return;
      // The ciphertext stands at the end of the binary form (SPEC 3.2).
      const bytes = Buffer.from(said.body);
      const place = bytes.length - 9;
      bytes[place] = (bytes[place] ?? 0) ^ 1;
      said.body = bytes;
    };
    await expect(clientOf(proxy.url).infer(callOf())).rejects.toEqual(code("SEALED_UNOPENABLE"));
  });

  it("gives nothing where a sealed answer was replaced by one in the clear, by text, or by nothing", async () => {
    const clear = '{"model_name":"digits-mlp","outputs":[]}';
    for (const text of [clear, "hello", "", "{}"]) {
      proxy.tamper = (said, request) => {
        if (isInfer(request)) said.body = Buffer.from(text);
      };
      await expect(clientOf(proxy.url).infer(callOf())).rejects.toEqual(code("SEALED_MALFORMED"));
    }
  });

  it("gives nothing where an answer in the clear was changed, in its scores or only in its spelling", async () => {
    const changes = [
      (text: string) => text.replace(/"data":\[[^,]+,/, '"data":[1,'),
      (text: string) => `${text} `,
      (text: string) => text.replace('"digits-mlp"', '"digits-MLP"'),
    ];
    for (const change of changes) {
      proxy.tamper = (said, request) => {
        if (isInfer(request)) said.body = Buffer.from(change(said.body.toString()));
      };
      await expect(clientOf(proxy.url).infer(callOf({ seal: false }))).rejects.toEqual(code("VERIFICATION_FAILED"));
    }
  });

  it("gives nothing where a refusal was dressed up as an answer, or the answer's status was changed", async () => {
    proxy.tamper = (said, request) => {
      if (isInfer(request)) said.status = 200;
    };
    const forbidden = callOf({ seal: false, parameters: { classification: "secret" } });
    await expect(clientOf(proxy.url).infer(forbidden)).rejects.toThrow();
    proxy.tamper = (said, request) => {
      if (isInfer(request)) said.status = 500;
    };
    await expect(clientOf(proxy.url).infer(callOf())).rejects.toEqual(code("SERVICE_ERROR"));
  });

  it("gives nothing under the receipt of another request, or under none", async () => {
    const earlier = await clientOf(service.url).infer(callOf());
    for (const seal of [true, false]) {
      proxy.tamper = (said, request) => {
        if (isInfer(request)) said.headers["x-receipt-id"] = earlier.receiptId;
      };
      await expect(clientOf(proxy.url).infer(callOf({ seal }))).rejects.toEqual(code("VERIFICATION_FAILED"));
      proxy.tamper = (said, request) => {
        if (isInfer(request)) delete said.headers["x-receipt-id"];
      };
      await expect(clientOf(proxy.url).infer(callOf({ seal }))).rejects.toEqual(code("VERIFICATION_FAILED"));
      proxy.tamper = (said, request) => {
        if (isInfer(request)) said.headers["x-receipt-id"] = `rcpt-${"0".repeat(32)}`;
      };
      await expect(clientOf(proxy.url).infer(callOf({ seal }))).rejects.toEqual(code("RECEIPT_UNKNOWN"));
    }
  });

  it("gives nothing where another answer of the same service is played back, receipt and all", async () => {
    let first: Said | null = null;
    proxy.tamper = (said, request) => {
      if (!isInfer(request)) return;
      first ??= { ...said };
      Object.assign(said, first);
    };
    for (const [seal, expected] of [
      [false, "VERIFICATION_FAILED"],
      [true, "SEALED_UNOPENABLE"],
    ] as const) {
      first = null;
      await expect(clientOf(proxy.url).infer(callOf({ seal }))).resolves.toBeDefined();
      await expect(clientOf(proxy.url).infer(callOf({ seal }))).rejects.toEqual(code(expected));
    }
  });

  it("gives nothing under a bundle that was changed, replaced or cut short", async () => {
    const earlier = await clientOf(service.url).infer(callOf());
    const changes: readonly ((body: Buffer) => Buffer)[] = [
      () => Buffer.from(earlier.bundle),
      (body) => Buffer.from(body.toString().replace(/"served_at":(\d+)/, (_, at: string) => `"served_at":${Number(at) + 1}`)),
      (body) => Buffer.from(body.toString().replace('"effect":"allow"', '"effect":"deny"')),
      (body) => body.subarray(0, body.length - 2),
      () => Buffer.from("{}"),
      () => Buffer.from(""),
    ];
    for (const change of changes) {
      proxy.tamper = (said, request) => {
        if (isBundle(request)) said.body = change(said.body);
      };
      await expect(clientOf(proxy.url).infer(callOf())).rejects.toEqual(code("VERIFICATION_FAILED"));
    }
  });

  it("seals nothing to a session whose document was changed", async () => {
    const changes: readonly ((document: Record<string, unknown>) => Record<string, unknown>)[] = [
      (document) => ({ ...document, expires_at: Number(document["expires_at"]) + 60 }),
      (document) => ({ ...document, upstream_name: "worker-2" }),
      (document) => ({ ...document, evidence: { digest: `sha256:${"0".repeat(64)}`, data: "data:a/b;base64,AAAA" } }),
      () => ({}),
    ];
    for (const change of changes) {
      proxy.tamper = (said, { path }) => {
        if (/^\/v1\/aci\/sessions\/[0-9a-f]{64}$/.test(path))
          said.body = Buffer.from(JSON.stringify(change(JSON.parse(said.body.toString()))));
      };
      await expect(clientOf(proxy.url).infer(callOf())).rejects.toEqual(code("VERIFICATION_FAILED"));
    }
    expect(posts()).toEqual([]);
  });

  it("sends nothing to a service whose report was changed, is stale, or is another's", async () => {
    const another = await startService();
    const theirs = Buffer.from(await (await fetch(`${another.url}/v1/aci/attestation`)).arrayBuffer());
    await another.close();
    const stale = Buffer.from(await (await fetch(`${service.url}/v1/aci/attestation?nonce=${"0".repeat(64)}`)).arrayBuffer());
    const reports: readonly ((body: Buffer) => Buffer)[] = [
      () => theirs,
      () => stale,
      (body) => Buffer.from(body.toString().replace(/"not_after":(\d+)/, (_, at: string) => `"not_after":${Number(at) + 1}`)),
      (body) => Buffer.from(body.toString().replace(/"public_key":"[0-9a-f]{64}"/, `"public_key":"${"0".repeat(64)}"`)),
      (body) => Buffer.from(body.toString().replace('"triseal-none"', '"sev-snp"')),
    ];
    for (const report of reports) {
      proxy.tamper = (said, { path }) => {
        if (path.startsWith("/v1/aci/attestation")) said.body = report(said.body);
      };
      for (const seal of [true, false])
        await expect(clientOf(proxy.url).infer(callOf({ seal }))).rejects.toEqual(code("VERIFICATION_FAILED"));
    }
    expect(posts()).toEqual([]);
  });

  it("appraises the service anew once an answer names another keyset", async () => {
    const client = clientOf(proxy.url);
    const reports = () => proxy.passed.filter(({ path }) => path.startsWith("/v1/aci/attestation")).length;
    await client.infer(callOf());
    await client.infer(callOf());
    expect(reports()).toBe(1);
    proxy.tamper = (said, request) => {
      if (isInfer(request)) said.headers["x-aci-keyset-digest"] = `sha256:${"0".repeat(64)}`;
    };
    await client.infer(callOf());
    await client.infer(callOf());
    expect(reports()).toBe(2);
  });

  it("follows no redirect", async () => {
    proxy.tamper = (said, request) => {
      if (isInfer(request))
        Object.assign(said, { status: 307, headers: { location: `${service.url}${request.path}` }, body: Buffer.of() });
    };
    await expect(clientOf(proxy.url).infer(callOf())).rejects.toThrow();
    expect(posts()).toHaveLength(1);
  });

  describe("with a trust file that names less than the service needs", () => {
    type ServiceEntry = { name: string; [member: string]: unknown };
    const without = async (change: (service: ServiceEntry) => void): Promise<Trust> => {
      const document = parse(await readFile(service.trustFile, "utf8")) as { services: ServiceEntry[] };
      const [entry] = document.services;
      if (entry !== undefined) change(entry);
      return parseTrust(utf8(stringify(document)));
    };
    const zeros = "0".repeat(64);
    type Tee = { tee: { evidence: unknown[]; workers: unknown[]; models: unknown[] } };

    it("sends no byte of a request: no simulated evidence, no such platform, worker, model or gateway", async () => {
      const trusts = [
        await without((entry) => ((entry["paths"] as Tee).tee.evidence = [])),
        await without(
          (entry) => ((entry["paths"] as Tee).tee.evidence = [{ type: "simulated", platformKeys: [zeros], because: "a test" }]),
        ),
        await without((entry) => ((entry["paths"] as Tee).tee.workers = [{ digest: `sha256:${zeros}` }])),
        await without((entry) => (entry["paths"] = {})),
        await without(
          (entry) =>
            (entry["gateway"] = { keys: [{ publicKey: zeros }], teeTypes: [{ accept: "triseal-none", because: "a test" }] }),
        ),
        await without((entry) => (entry["gateway"] = { ...(entry["gateway"] as object), teeTypes: [] })),
        parseTrust(utf8("apiVersion: triseal.dev/trust/v1\nservices: []\n")),
      ];
      for (const less of trusts)
        await expect(clientOf(proxy.url, { trust: less }).infer(callOf())).rejects.toEqual(code("VERIFICATION_FAILED"));
      expect(posts()).toEqual([]);
    });

    it("gives no answer: no such log, no such witness, no policy signer, no development mode", async () => {
      const trusts = [
        await without((entry) => (entry["logs"] = [{ origin: "triseal.test/log", publicKey: zeros }])),
        await without((entry) => (entry["logs"] = [{ ...(entry["logs"] as object[])[0], origin: "triseal.test/other" }])),
        await without(
          (entry) => (entry["witnesses"] = { quorum: 1, keys: [{ name: "triseal.test/witness", publicKey: "1".repeat(64) }] }),
        ),
        await without((entry) => (entry["policySigners"] = [])),
        await without((entry) => delete entry["dev"]),
      ];
      for (const less of trusts) {
        for (const seal of [true, false]) {
          await expect(clientOf(proxy.url, { trust: less }).infer(callOf({ seal }))).rejects.toEqual(code("VERIFICATION_FAILED"));
        }
      }
    });
  });

  it("seals anew once, to a session appraised anew, when the worker that it knew is gone", async () => {
    const client = clientOf(proxy.url);
    const before = await client.infer(callOf());
    const worker = workerOf(service);
    process.kill(worker, "SIGKILL");
    await until(() => service.program.logged().some((line) => line["event"] === "worker down"), "end of the worker");
    await until(async () => (await fetch(`${service.url}/v2/health/ready`)).status === 200, "next worker", 60_000);
    proxy.passed.length = 0;
    const after = await client.infer(callOf());
    expect(posts()).toHaveLength(2);
    expect(proxy.passed.filter(({ path }) => /^\/v1\/aci\/sessions\/[0-9a-f]{64}$/.test(path))).toHaveLength(1);
    const session = (bundle: Uint8Array) => eventOf(parseBundle(bundle).receipt, "upstream.verified")?.session_id;
    expect(session(after.bundle)).not.toBe(session(before.bundle));
  });

  it("seals anew once and no more where the service calls every key stale, and appraises what it offers", async () => {
    const client = clientOf(proxy.url);
    await client.infer(callOf());
    const stale = Buffer.from(JSON.stringify({ code: "WORKER_KEY_STALE", detail: "stale", retryable: true }));
    proxy.tamper = (said, request) => {
      if (isInfer(request)) Object.assign(said, { status: 409, body: stale });
    };
    proxy.passed.length = 0;
    await expect(client.infer(callOf())).rejects.toEqual(code("WORKER_KEY_STALE"));
    expect(posts()).toHaveLength(2);
    proxy.passed.length = 0;
    const sound = proxy.tamper;
    proxy.tamper = async (said, request) => {
      await sound(said, request);
      if (request.path.startsWith("/v1/aci/sessions/"))
        said.body = Buffer.from(said.body.toString().replace("worker-1", "worker-2"));
    };
    await expect(client.infer(callOf())).rejects.toEqual(code("VERIFICATION_FAILED"));
    expect(posts()).toHaveLength(1);
  });

  it("seals to no keyset that a refusal offers, wherever it stands in it", async () => {
    const client = clientOf(proxy.url);
    await client.infer(callOf());
    const own = await keysetOf(service);
    const { publicKey } = publicSealKey(await makeSealKey("seal-pq-1", SEAL_MLKEM768_X25519));
    const keyset = { ...own, sealKeys: [{ keyId: "seal-pq-1", algo: SEAL_MLKEM768_X25519, publicKey }] };
    const offer = {
      keyset,
      keyset_digest: workerKeysetDigest(keyset),
      keysetDigest: workerKeysetDigest(keyset),
      sessions: [{ keyset }],
    };
    const stale = {
      code: "WORKER_KEY_STALE",
      detail: "stale",
      retryable: true,
      ...offer,
      error: { ...offer, code: "WORKER_KEY_STALE" },
    };
    proxy.tamper = (said, request) => {
      if (isInfer(request)) Object.assign(said, { status: 409, body: Buffer.from(JSON.stringify(stale)) });
    };
    proxy.passed.length = 0;
    await expect(client.infer(callOf())).rejects.toEqual(code("WORKER_KEY_STALE"));
    const sealedTo = proxy.passed.filter(isInfer).map(({ body }) => parseEnvelope(new Uint8Array(body)).keysetDigest);
    expect(sealedTo).toEqual([workerKeysetDigest(own), workerKeysetDigest(own)]);
  });
});
