/** `triseal proxy` between a plain client and a gateway, with a relay in the middle that changes what it is told to. */
import { chmod, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { parse, stringify } from "yaml";
import { eventOf, parseBundle } from "../../src/receipt/index.ts";
import { digitsBody, heldBack, infer, type Service, startService, verdictOn, workerOf } from "./gateway-harness.ts";
import { runCli, unreadBytes, until } from "./gateway-process.ts";
import { classify, inferBinary } from "./plain-oip-client.ts";
import { type ProxyPlace, proxyArgs, proxyPlace, type RunningProxy, startProxy } from "./proxy-process.ts";
import { type Passed, type Relay, type Said, startRelay } from "./tampering-relay.ts";

const MARK = "a-mark-that-nobody-else-may-see";
const CLOSED = "http://127.0.0.1:1";
let service: Service;
let relay: Relay;
let place: ProxyPlace;
let trustFile: string;
let trustText: string;
let proxy: RunningProxy;
let pixels: readonly number[];
let label: string;

beforeAll(async () => {
  service = await startService();
  relay = await startRelay(() => service.url);
  place = await proxyPlace(service);
  trustFile = join(place.folder, "trust.yaml");
  trustText = await readFile(service.trustFile, "utf8");
  await writeFile(trustFile, trustText);
  proxy = await startProxy(
    proxyArgs(relay.url, trustFile, place.keyFile, "--bundles", place.bundles, "--with-content", "--max-body", "1"),
  );
  ({ input: pixels, label } = await heldBack("digits-mlp", 5));
});

afterEach(async () => {
  relay.tamper = () => undefined;
  relay.passed.length = 0;
  await writeFile(trustFile, trustText);
});

afterAll(async () => {
  expect(await proxy.program.stop()).toBe(0);
  await relay.close();
  await place.remove();
  expect(await service.close()).toBe(0);
});

type Entry = Record<string, unknown> & { readonly paths: { readonly tee: { workers: { digest: string }[] } } };

/** The trust file with its one service changed. */
function changedTrust(change: (entry: Entry) => void): string {
  const document = parse(trustText) as { services: Entry[] };
  for (const entry of document.services) change(entry);
  return stringify(document);
}

const foreign = () =>
  changedTrust((entry) =>
    Object.assign(entry, {
      gateway: { keys: [{ publicKey: "0".repeat(64) }], teeTypes: [{ accept: "triseal-none", because: "a test" }] },
    }),
  );
const posts = () => relay.passed.filter(({ method }) => method === "POST");
const isInfer = ({ method }: Passed) => method === "POST";

describe("a proxy is not started", () => {
  const refused = async (args: readonly string[]) => {
    const { code, stdout } = await runCli(args, place.folder, { TRISEAL_KEY: "" });
    return [code, (JSON.parse(stdout) as { code: string }).code];
  };

  it("under a trust file that names another gateway, or is none", async () => {
    const other = join(place.folder, "other.yaml");
    await writeFile(other, foreign());
    expect(await refused(proxyArgs(relay.url, other, place.keyFile))).toEqual([10, "VERIFICATION_FAILED"]);
    await writeFile(other, "services: [");
    expect(await refused(proxyArgs(relay.url, other, place.keyFile))).toEqual([30, "TRUST_FILE_INVALID"]);
    expect(await refused(proxyArgs(relay.url, "/nowhere", place.keyFile))).toEqual([30, "TRUST_FILE_INVALID"]);
    expect(relay.passed.filter(({ keyed }) => keyed)).toEqual([]);
  });

  it("behind a relay that puts another key into the gateway's report", async () => {
    relay.tamper = (said, { path }) => {
      if (path.startsWith("/v1/aci/attestation"))
        said.body = Buffer.from(said.body.toString().replace(/[0-9a-f]{64}/g, "0".repeat(64)));
    };
    expect(await refused(proxyArgs(relay.url, trustFile, place.keyFile))).toEqual([10, "VERIFICATION_FAILED"]);
    expect(relay.passed.filter(({ keyed }) => keyed)).toEqual([]);
  });

  it("without a key, with one that others read, for callers beyond this machine, or with numbers that are none", async () => {
    const args = proxyArgs(relay.url, trustFile, place.keyFile);
    const loose = join(place.folder, "loose");
    await writeFile(loose, service.apiKey);
    await chmod(loose, 0o640);
    const url = ["--url", relay.url, "--trust", trustFile, "--json"];
    for (const wrong of [
      ["proxy", ...url],
      [...args, "--key-file", loose],
      [...args, "--listen", "0.0.0.0:0"],
      [...args, "--listen", "localhost"],
      [...args, "--max-body", "0"],
      [...args, "--timeout", "1e3"],
      [...args, "--with-content"],
      [...args, "--url", "ftp://gateway"],
    ])
      expect(await refused(wrong)).toEqual([1, "CONFIG_INVALID"]);
  });
});

describe("through a proxy, a client that knows nothing of Triseal", () => {
  it("gets the right answer in JSON, sealed by the proxy, with a receipt that is kept and verifies", async () => {
    const scores = await classify(proxy.url, "unused-but-sent-by-the-client", "digits-mlp", pixels);
    expect(String(scores.indexOf(Math.max(...scores)))).toBe(label);
    expect(scores).toEqual(await classify(service.url, service.apiKey, "digits-mlp", pixels));
    const answer = await proxy.infer(digitsBody([...pixels], { id: MARK, parameters: { classification: "internal" } }));
    expect([answer.status, answer.json["id"]]).toEqual([200, MARK]);
    const kept = (end: string) =>
      readFile(join(place.bundles, `${answer.receiptId}.${end}`)).then((bytes) => new Uint8Array(bytes));
    const bundle = await kept("triseal.json");
    const verdict = await verdictOn(service, bundle, { request: await kept("request"), response: await kept("response") });
    expect([verdict.outcome, verdict.receiptId]).toEqual(["accepted", answer.receiptId]);
    const { receipt } = parseBundle(bundle);
    expect(eventOf(receipt, "leg.sealed")?.sealed_by).toBe("caller");
    // The caller's own id could be guessed or known: it stays with the proxy.
    expect(posts().length).toBe(2);
    for (const { body } of posts()) {
      expect(body.includes(MARK)).toBe(false);
      expect(body.includes("pixels")).toBe(false);
    }
  });

  it("gets the same numbers with binary tensors, both ways", async () => {
    const input = { name: "pixels", datatype: "FP32", shape: [1, 64] };
    const { outputs, binary } = await inferBinary(proxy.url, "unused", "digits-mlp", input, Float32Array.from(pixels));
    expect(outputs).toMatchObject([{ name: "probabilities", parameters: { binary_data_size: 40 } }]);
    expect(Array.from(binary)).toEqual(await classify(service.url, service.apiKey, "digits-mlp", pixels));
  });

  it("finds models, metadata and readiness", async () => {
    expect((await proxy.get("/v2/models")).json["models"]).toContain("digits-mlp");
    expect((await proxy.get("/v2/models/digits-mlp/versions/1")).json).toMatchObject({ name: "digits-mlp", versions: ["1"] });
    expect((await proxy.get("/v2/models/digits-mlp/ready")).json).toEqual({ name: "digits-mlp", ready: true });
  });

  it("gets the gateway's refusal with its receipt, and the proxy's own before anything is sealed", async () => {
    const denied = await proxy.infer(digitsBody([...pixels], { parameters: { classification: "secret" } }));
    expect([denied.status, denied.json["code"], denied.receiptId]).toEqual([
      403,
      "POLICY_DENIED",
      expect.stringMatching(/^rcpt-/),
    ]);
    expect(denied.json["error"]).toMatch(/^POLICY_DENIED: /);
    relay.passed.length = 0;
    const cases: readonly [Promise<{ status: number; json: Readonly<Record<string, unknown>> }>, number, string][] = [
      [proxy.infer(digitsBody(), { model: "nothing" }), 404, "MODEL_UNKNOWN"],
      [proxy.infer(digitsBody(), { model: "..%2f..%2fv1%2freceipts" }), 404, "MODEL_UNKNOWN"],
      [proxy.infer(new Uint8Array(1024 * 1024 + 1)), 413, "REQUEST_TOO_LARGE"],
      [proxy.infer(digitsBody(), { headers: { origin: "http://127.0.0.1" } }), 403, "CALLER_REFUSED"],
      [proxy.infer({}), 400, "REQUEST_MALFORMED"],
    ];
    for (const [answer, status, code] of cases)
      expect([(await answer).status, (await answer).json["code"]]).toEqual([status, code]);
    expect(posts()).toEqual([]);
  });
});

describe("a proxy hands nothing over", () => {
  type Tamper = (said: Said, request: Passed, earlier: string) => void;
  const refused: readonly [string, string, Tamper][] = [
    [
      "of a sealed answer with one bit changed",
      "SEALED_UNOPENABLE",
      (said, request) => {
        if (!isInfer(request)) return;
        const bytes = Buffer.from(said.body);
        bytes[bytes.length - 9] = (bytes[bytes.length - 9] ?? 0) ^ 1;
        said.body = bytes;
      },
    ],
    [
      "of an answer in the clear in place of a sealed one",
      "SEALED_MALFORMED",
      (said, request) => {
        if (isInfer(request)) said.body = Buffer.from('{"model_name":"digits-mlp","outputs":[]}');
      },
    ],
    [
      "under another request's receipt",
      "VERIFICATION_FAILED",
      (said, request, earlier) => {
        if (isInfer(request)) said.headers["x-receipt-id"] = earlier;
      },
    ],
    [
      "under a receipt that does not exist",
      "RECEIPT_UNKNOWN",
      (said, request) => {
        if (isInfer(request)) said.headers["x-receipt-id"] = `rcpt-${"0".repeat(32)}`;
      },
    ],
    [
      "under no receipt",
      "VERIFICATION_FAILED",
      (said, request) => {
        if (isInfer(request)) delete said.headers["x-receipt-id"];
      },
    ],
    [
      "under a bundle that was changed",
      "VERIFICATION_FAILED",
      (said, { path }) => {
        if (path.endsWith("/bundle"))
          said.body = Buffer.from(said.body.toString().replace('"effect":"allow"', '"effect":"deny"'));
      },
    ],
    [
      "of a gateway that redirects",
      "VERIFICATION_FAILED",
      (said, request) => {
        if (isInfer(request)) Object.assign(said, { status: 307, headers: { location: service.url } });
      },
    ],
  ];

  it.each(refused)("%s", async (_, code, tamper) => {
    const earlier = (await proxy.infer()).receiptId ?? "";
    const before = (await readdir(place.bundles)).length;
    relay.tamper = (said, request) => tamper(said, request, earlier);
    const answer = await proxy.infer();
    expect([answer.status, answer.json["code"]]).toEqual([502, code]);
    expect(answer.text).not.toContain("outputs");
    expect((await readdir(place.bundles)).length).toBe(before);
  });

  it("and seals nothing to a session whose document was changed, or under a trust file that names no such worker", async () => {
    // Another state of the file: nothing that passed before is used again.
    await writeFile(trustFile, `${trustText}\n# again\n`);
    relay.tamper = (said, { path }) => {
      if (path.startsWith("/v1/aci/sessions/")) said.body = Buffer.from(said.body.toString().replace("worker-1", "worker-2"));
    };
    const changed = await proxy.infer();
    expect([changed.status, changed.json["code"]]).toEqual([502, "VERIFICATION_FAILED"]);
    expect((await proxy.get("/v2/models/digits-mlp/ready")).json).toMatchObject({ ready: false, reason: "VERIFICATION_FAILED" });
    relay.tamper = () => undefined;
    const revoke = (entry: Entry) => {
      const digest = entry.paths.tee.workers[0]?.digest;
      Object.assign(entry, { revoked: { keys: [], measurements: [{ digest, because: "a test" }] } });
    };
    for (const [text, code] of [
      [changedTrust(revoke), "VERIFICATION_FAILED"],
      [foreign(), "VERIFICATION_FAILED"],
      ["services: [", "TRUST_FILE_INVALID"],
    ] as const) {
      await writeFile(trustFile, text);
      const answer = await proxy.infer();
      expect([answer.status, answer.json["code"]]).toEqual([502, code]);
    }
    expect(posts()).toEqual([]);
    await writeFile(trustFile, trustText);
    expect((await proxy.infer()).status).toBe(200);
  });

  it("whose bundle cannot be kept", async () => {
    await rm(place.bundles, { recursive: true });
    const answer = await proxy.infer();
    expect([answer.status, answer.json["code"]]).toEqual([502, "BUNDLE_NOT_KEPT"]);
    expect(answer.text).not.toContain("outputs");
  });
});

describe("a proxy of its own", () => {
  it("waits for a gateway that is down, and answers with codes meanwhile", async () => {
    const waiting = await startProxy(proxyArgs(CLOSED, trustFile, place.keyFile, "--timeout", "2"));
    expect(waiting.program.ready["unreached"]).toBe("SERVICE_UNREACHABLE");
    const answer = await waiting.infer();
    expect([503, 504]).toContain(answer.status);
    expect(["SERVICE_UNREACHABLE", "DEADLINE_EXCEEDED"]).toContain(answer.json["code"]);
    expect((await waiting.get("/v2/health/ready")).status).toBe(503);
    expect((await waiting.get("/v2/health/live")).status).toBe(200);
    expect(await waiting.program.stop()).toBe(0);
  });

  it("gives up on a gateway that does not answer", async () => {
    const patient = await startProxy(proxyArgs(relay.url, trustFile, place.keyFile, "--timeout", "2"));
    expect((await patient.infer()).status).toBe(200);
    relay.tamper = (_, request) => (isInfer(request) ? new Promise(() => undefined) : undefined);
    const answer = await patient.infer();
    expect([answer.status, answer.json["code"]]).toEqual([504, "DEADLINE_EXCEEDED"]);
    expect(await patient.program.stop()).toBe(0);
  });

  it("whose key the gateway does not know answers 502", async () => {
    const keyFile = join(place.folder, "wrong");
    await writeFile(keyFile, "dev-0123456789abcdef0123456789abcdef", { mode: 0o600 });
    const wrong = await startProxy(proxyArgs(service.url, trustFile, keyFile));
    const answer = await wrong.infer();
    expect([answer.status, answer.json["code"]]).toEqual([502, "AUTH_INVALID"]);
    expect(await wrong.program.stop()).toBe(0);
  });

  it("answers what it holds when it is told to stop, and says neither key nor content", async () => {
    const own = await startProxy(proxyArgs(service.url, trustFile, place.keyFile));
    expect((await own.infer()).status).toBe(200);
    const worker = workerOf(service);
    process.kill(worker, "SIGSTOP");
    const held = own.infer(digitsBody(Array<number>(64).fill(7), { id: MARK }));
    await until(() => unreadBytes(worker) > 0, "request at the worker");
    const ended = own.program.stop("SIGTERM");
    await until(
      () =>
        fetch(own.url).then(
          () => false,
          () => true,
        ),
      "closed port",
    );
    process.kill(worker, "SIGCONT");
    expect([(await held).status, await ended]).toEqual([200, 0]);
    const said = own.program.stderr();
    expect(own.program.logged().filter(({ event }) => event === "proxied")).toHaveLength(2);
    expect(said).not.toContain(MARK);
    expect(said).not.toContain(service.apiKey);
    expect((await infer(service, digitsBody())).status).toBe(200);
  });
});
