import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseTrust } from "../../src/verify/index.ts";
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

let service: Service;
let other: ApiKey;

beforeAll(async () => {
  other = await makeApiKey("other");
  const { hash, tenant } = other;
  service = await startService({ witness: true, config: { apiKeys: [{ hash, tenant, tier: "silver", jurisdiction: "EU" }] } });
});

afterAll(async () => {
  expect(await service.close()).toBe(0);
});

/** JCS for documents whose strings are plain: sorted members, no white space (RFC 8785). */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const members = Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join(",")}}`;
}

function sha256(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

/** Asserts the form that refusals have on ACI routes. */
function expectProblem(answer: Answer, status: number, code: string, type: string): void {
  expect([answer.status, answer.json["code"]]).toEqual([status, code]);
  expect(answer.headers.get("content-type")).toBe("application/problem+json");
  expect(answer.json["error"]).toMatchObject({ message: expect.any(String), type, code });
  expect(answer.headers.get("x-request-id")).toBe(answer.json["request_id"]);
}

interface Report {
  readonly workload_keyset_digest: string;
  readonly attestation: {
    readonly tee_type: string;
    readonly workload_keyset: Record<string, unknown>;
    readonly report_data: string;
  };
}

describe("the attestation report", () => {
  it("binds its keyset to the challenge, as recomputed here", async () => {
    const nonce = sha256("a challenge");
    const answer = await get(service, `/v1/aci/attestation?nonce=${nonce}`, null);
    const report = answer.json as unknown as Report;
    const keysetDigest = `sha256:${sha256(canonical(report.attestation.workload_keyset))}`;
    expect(report.workload_keyset_digest).toBe(keysetDigest);
    const bound = `{"keyset_digest":"${keysetDigest}","nonce":"${nonce}","purpose":"aci.report_data.v1"}`;
    expect(report.attestation.report_data).toBe(sha256(bound));
    expect(report.attestation.tee_type).toBe("triseal-none");
    expect(answer.headers.get("x-aci-keyset-digest")).toBe(keysetDigest);
  });

  it("binds no challenge where none was given", async () => {
    const report = (await get(service, "/v1/aci/attestation", null)).json as unknown as Report;
    const bound = `{"keyset_digest":"${report.workload_keyset_digest}","nonce":null,"purpose":"aci.report_data.v1"}`;
    expect(report.attestation.report_data).toBe(sha256(bound));
  });

  it("is refused for a challenge that is not 64 lower-case hexadecimal digits", async () => {
    for (const nonce of ["", "00", "g".repeat(64), "A".repeat(64), "0".repeat(63), "0".repeat(65), `${"0".repeat(64)}%0a`]) {
      expectProblem(
        await get(service, `/v1/aci/attestation?nonce=${nonce}`, null),
        400,
        "REQUEST_MALFORMED",
        "invalid_request_error",
      );
    }
  });
});

describe("receipts", () => {
  const routes = (id: string | null) => [`/v1/aci/receipts/${id}`, `/v1/receipts/${id}/bundle`, `/v1/receipts/${id}/response`];

  it("are given to the key that made the request, with the stored answer as it was sent", async () => {
    const answer = await infer(service, digitsBody());
    const receipt = await get(service, `/v1/aci/receipts/${answer.receiptId}`);
    expect(receipt.json).toMatchObject({
      api_version: "aci/1",
      receipt_id: answer.receiptId,
      model: "digits-mlp",
      method: "POST",
    });
    expect(receipt.json["endpoint"]).toBe("/v2/models/digits-mlp/infer");
    const events = receipt.json["event_log"] as { type: string; body_hash?: string; mode?: string; digest?: string }[];
    expect(events[0]).toEqual({
      type: "request.received",
      body_hash: `sha256:${sha256(JSON.stringify(digitsBody()))}`,
      digest: "guessable",
    });
    expect(events.at(-1)).toEqual({ type: "response.returned", body_hash: `sha256:${sha256(answer.bytes)}` });
    expect(events.find((event) => event.type === "service.described")?.mode).toBe("dev");
    const stored = await get(service, `/v1/receipts/${answer.receiptId}/response`);
    expect([stored.text, stored.headers.get("content-type")]).toEqual([answer.text, "application/json"]);
    const bundle = await get(service, `/v1/receipts/${answer.receiptId}/bundle`);
    expect(bundle.headers.get("content-type")).toBe("application/vnd.triseal.bundle+json");
    expect((await verdictOn(service, bundle.bytes, { response: answer.bytes })).outcome).toBe("accepted");
  });

  it("are refused without a key, and with the key of another tenant as if they did not exist", async () => {
    const mine = await infer(service, digitsBody());
    const theirs = await infer(service, digitsBody(), { headers: { authorization: `Bearer ${other.key}` } });
    for (const route of routes(mine.receiptId)) {
      expectProblem(await get(service, route, null), 401, "AUTH_REQUIRED", "unauthorized");
      expectProblem(await get(service, route, "wrong-key-of-some-length"), 401, "AUTH_INVALID", "unauthorized");
      expectProblem(await get(service, route, other.key), 404, "RECEIPT_UNKNOWN", "not_found");
    }
    for (const route of routes(theirs.receiptId)) {
      expectProblem(await get(service, route), 404, "RECEIPT_UNKNOWN", "not_found");
      expect((await get(service, route, other.key)).status).toBe(200);
    }
    const unknown = await get(service, `/v1/aci/receipts/${mine.receiptId}`, other.key);
    const missing = await get(service, `/v1/aci/receipts/rcpt-${"0".repeat(32)}`, other.key);
    expect({ ...unknown.json, request_id: "" }).toEqual({ ...missing.json, request_id: "" });
  });

  it("are refused under an id that is none", async () => {
    for (const id of ["x", "rcpt-", `rcpt-${"0".repeat(32)}`, "..%2f..%2fkeys", "__proto__", "%00"]) {
      for (const route of routes(id)) expectProblem(await get(service, route), 404, "RECEIPT_UNKNOWN", "not_found");
    }
  });
});

describe("sessions", () => {
  interface Listed {
    readonly session_id: string;
    readonly upstream_name: string;
    readonly evidence: Record<string, unknown>;
  }
  const listed = async (query = "") => (await get(service, `/v1/aci/sessions${query}`, null)).json["sessions"] as Listed[];

  it("are listed without their evidence, and given in full under an id that is their hash", async () => {
    const [entry, ...more] = await listed();
    expect(more).toEqual([]);
    expect(Object.keys(entry?.evidence ?? {})).toEqual(["digest"]);
    const full = await get(service, `/v1/aci/sessions/${entry?.session_id}`, null);
    expect(sha256(canonical(full.json))).toBe(entry?.session_id);
    const evidence = full.json["evidence"] as { digest: string; data: string };
    expect(evidence.digest).toBe(entry?.evidence["digest"]);
    const [, base64 = ""] = evidence.data.split(";base64,");
    expect(`sha256:${sha256(Buffer.from(base64, "base64"))}`).toBe(evidence.digest);
    expect(full.json).toMatchObject({ api_version: "aci/1", upstream_name: "worker-1", established_at: expect.any(Number) });
  });

  it("are listed by model and by worker", async () => {
    expect(await listed("?model=digits-mlp")).toHaveLength(1);
    expect(await listed("?upstream_name=worker-1&model=breast-cancer-mlp")).toHaveLength(1);
    expect(await listed("?model=nothing")).toEqual([]);
    expect(await listed("?upstream_name=worker-2")).toEqual([]);
  });

  it("are refused under an id that is none", async () => {
    const receipt = await infer(service, digitsBody());
    for (const id of ["x", "0".repeat(64), receipt.receiptId, `sha256:${"0".repeat(64)}`, "..%2f..%2fkeys"]) {
      expectProblem(await get(service, `/v1/aci/sessions/${id}`, null), 404, "SESSION_UNKNOWN", "not_found");
    }
    // A policy is logged like a session and is none.
    const policy = (await get(service, `/v1/aci/receipts/${receipt.receiptId}`)).json["event_log"] as {
      statement_digest?: string;
    }[];
    const statement = policy.find((event) => event.statement_digest !== undefined)?.statement_digest?.slice(7);
    expectProblem(await get(service, `/v1/aci/sessions/${statement}`, null), 404, "SESSION_UNKNOWN", "not_found");
  });
});

describe("every answer", () => {
  it("names protocol version, keyset and request, whatever its status", async () => {
    const report = (await get(service, "/v1/aci/attestation", null)).json as unknown as Report;
    const answers = [
      await infer(service, digitsBody()),
      await infer(service, "no JSON"),
      await get(service, "/v2/health/live", null),
      await get(service, "/v1/aci/sessions", null),
      await get(service, "/v1/aci/receipts/x", null),
      await get(service, "/log/checkpoint", null),
      await get(service, "/nothing", null),
    ];
    for (const { headers } of answers) {
      expect(headers.get("x-aci-version")).toBe("aci/1");
      expect(headers.get("x-aci-keyset-digest")).toBe(report.workload_keyset_digest);
      expect(headers.get("x-request-id")).toMatch(/^req-[0-9a-f]{16}$/);
    }
    expect(new Set(answers.map(({ headers }) => headers.get("x-request-id"))).size).toBe(answers.length);
  });

  it("says nothing of the program that made it", async () => {
    const { headers } = await get(service, "/v2", null);
    expect(headers.get("server")).toBe(null);
    expect(headers.get("x-powered-by")).toBe(null);
  });
});

/** Root of RFC 6962 section 2.1, written here anew. */
function merkleRoot(leaves: readonly Buffer[]): Buffer {
  const hash = (...parts: Buffer[]) => createHash("sha256").update(Buffer.concat(parts)).digest();
  if (leaves.length === 0) return hash();
  const [only] = leaves;
  if (leaves.length === 1 && only !== undefined) return hash(Buffer.of(0), only);
  let left = 1;
  while (left * 2 < leaves.length) left *= 2;
  return hash(Buffer.of(1), merkleRoot(leaves.slice(0, left)), merkleRoot(leaves.slice(left)));
}

/** Reads a log as any client of tlog-tiles would: the checkpoint, then every entry bundle. */
async function readLog(of: Service) {
  const note = (await get(of, "/log/checkpoint", null)).text;
  const [origin = "", size = "", root = "", , ...signatures] = note.split("\n");
  const leaves: Buffer[] = [];
  for (let start = 0; start < Number(size); start += 256) {
    const width = Math.min(256, Number(size) - start);
    const path = `/log/tile/entries/${String(start / 256).padStart(3, "0")}${width === 256 ? "" : `.p/${width}`}`;
    const bytes = Buffer.from((await get(of, path, null)).bytes);
    for (let at = 0; at < bytes.length; at += 2 + bytes.readUInt16BE(at))
      leaves.push(bytes.subarray(at + 2, at + 2 + bytes.readUInt16BE(at)));
  }
  return { origin, size: Number(size), root, leaves, signatures: signatures.filter((line) => line !== "") };
}

describe("the log", () => {
  it("has the root that its entries have, as recomputed by an independent reader, past one full tile", async () => {
    while ((await readLog(service)).size <= 260) {
      const burst = Array.from({ length: 16 }, () => infer(service, digitsBody([], { inputs: [] })));
      for (const { receiptId } of await Promise.all(burst)) expect(receiptId).not.toBe(null);
    }
    const { origin, size, root, leaves } = await readLog(service);
    expect(origin).toBe("triseal.test/log");
    expect(leaves).toHaveLength(size);
    expect(merkleRoot(leaves).toString("base64")).toBe(root);
    const kinds = leaves.map((leaf) => (JSON.parse(leaf.toString()) as { kind: string }).kind);
    expect(new Set(kinds)).toEqual(new Set(["key", "policy", "session", "receipt"]));
    const hashes = await get(service, "/log/tile/0/000", null);
    expect(Buffer.from(hashes.bytes).subarray(0, 32)).toEqual(merkleRoot(leaves.slice(0, 1)));
    expect(hashes.bytes).toHaveLength(256 * 32);
  });

  it("is signed by the key that the trust file names, and cosigned by the witness", async () => {
    const trust = parseTrust(new Uint8Array(await readFile(service.trustFile)));
    expect(trust.services[0]?.logs[0]?.origin).toBe("triseal.test/log");
    const { receiptId } = await infer(service, digitsBody());
    // A bundle waits for the cosignature that covers its receipt.
    const bundle = new TextDecoder().decode(await bundleOf(service, receiptId));
    expect(bundle).toContain("— triseal.test/log ");
    expect(bundle).toContain("— triseal.test/witness ");
    const { signatures } = await until(async () => {
      const log = await readLog(service);
      return log.signatures.length > 0 && log;
    }, "signed checkpoint");
    expect(signatures[0]).toMatch(/^— triseal\.test\/log /);
  });

  it("only grows: an earlier checkpoint is the root of the first leaves of a later one", async () => {
    const before = await readLog(service);
    await infer(service, digitsBody());
    const after = await readLog(service);
    expect(after.size).toBeGreaterThan(before.size);
    expect(merkleRoot(after.leaves.slice(0, before.size)).toString("base64")).toBe(before.root);
  });

  it("shows nothing of a request: leaves are salted commitments", async () => {
    const first = await readLog(service);
    for (let twice = 0; twice < 2; twice++) await infer(service, digitsBody());
    const { leaves } = await readLog(service);
    for (const leaf of leaves) expect(leaf.toString()).toMatch(/^\{"commitment":"[0-9a-f]{64}","kind":"[a-z]+","v":1\}$/);
    expect(new Set(leaves.map((leaf) => leaf.toString())).size).toBe(leaves.length);
    expect(leaves.length).toBeGreaterThanOrEqual(first.size + 2);
  });

  it("has no tile beyond its end, and none under another spelling", async () => {
    const paths = [
      "entries/999",
      "0/999",
      "entries/000.p/999",
      "entries/0",
      "entries/000.p/0",
      "entries/000.p/01",
      "6/000",
      "entries/x000/000",
      "entries/..%2f..%2fkeys",
    ];
    for (const path of paths) {
      const answer = await get(service, `/log/tile/${path}`, null);
      expect([path, answer.status, answer.json["code"]]).toEqual([path, 404, "NOT_FOUND"]);
    }
  });
});
