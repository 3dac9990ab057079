import { readdir, rm } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { concatBytes, encodeBase64, uint32BE, utf8 } from "../../../src/core/bytes.ts";
import { digestOf } from "../../../src/core/digest.ts";
import { isJsonObject, parseJson } from "../../../src/core/json.ts";
import { hashApiKey } from "../../../src/gateway/authenticate.ts";
import { encodeRecord, parseRecord } from "../../../src/gateway/record.ts";
import { openAnswer, storeAnswer } from "../../../src/gateway/response-vault.ts";
import { parseBundle } from "../../../src/receipt/index.ts";
import { createBundleVerifier } from "../../../src/verify/index.ts";
import { API_KEY, memoryVault, NOW, OTHER_KEY, startGateway, trustFor } from "../../contract/gateway-fixture.ts";
import { codes, createParityPath, parityAppraiser, parityModel } from "../../contract/parity-path.ts";
import { testSigner } from "../../fixtures/signer.ts";

const legSigner = testSigner("leg", 31);
const authority = testSigner("authority", 32);
const rules = `  - id: vouched\n    when: "true"\n    require: { all: [parity] }\n`;
const start = () => startGateway({ paths: [createParityPath({ legSigner, authority })], models: [parityModel], rules, codes });
const trust = trustFor({ parity: { authorities: [{ publicKey: authority.publicKey, because: "a test" }] } });
const code = (name: string) => expect.objectContaining({ code: name });
const body = (data: readonly number[]) =>
  JSON.stringify({ inputs: [{ name: "x", datatype: "INT32", shape: [data.length], data }] });

type Gateway = Awaited<ReturnType<typeof start>>;

async function ask(gateway: Gateway, data: readonly number[]) {
  const response = await gateway.post("/v2/models/parity/infer", body(data));
  return { id: response.headers.get("x-receipt-id") ?? "", bytes: new Uint8Array(await response.arrayBuffer()) };
}

describe("the ledger", () => {
  it("has the same index when it is built again from the log and its records", async () => {
    const gateway = await start();
    const asked = [await ask(gateway, [1, 2]), await ask(gateway, [1, 2, 3]), await ask(gateway, [4, 5])];
    const rebuilt = await gateway.reopenLedger();
    const keyHash = hashApiKey(API_KEY);
    for (const { id, bytes } of asked) {
      expect(await rebuilt.receipt(id, keyHash)).toEqual(await gateway.ledger.receipt(id, keyHash));
      expect(await rebuilt.bundle(id, keyHash)).toEqual(await gateway.bundle(id));
      expect((await rebuilt.response(id, keyHash)).body).toEqual(bytes);
    }
    for (const ledger of [gateway.ledger, rebuilt]) {
      await expect(ledger.receipt(asked[0]?.id ?? "", hashApiKey(OTHER_KEY))).rejects.toEqual(code("RECEIPT_UNKNOWN"));
      await expect(ledger.receipt("rcpt-unknown", keyHash)).rejects.toEqual(code("RECEIPT_UNKNOWN"));
      expect(await ledger.session("00".repeat(32))).toBeNull();
    }
  });

  it("logs a shared document once, also after a restart", async () => {
    const gateway = await start();
    const session = utf8('{"a":1}');
    await gateway.ledger.logShared("session", session);
    const { size } = gateway.log;
    await gateway.ledger.logShared("session", session);
    const rebuilt = await gateway.reopenLedger();
    await rebuilt.logShared("session", session);
    expect(gateway.log.size).toBe(size);
    expect(await rebuilt.session(digestOf(session).slice(7))).toEqual({ a: 1 });
    await rebuilt.logShared("session", utf8('{"a":2}'));
    expect(gateway.log.size).toBe(size + 1);
  });

  it("gives a stored answer back until its key is deleted, and then for nobody", async () => {
    const gateway = await start();
    const { id, bytes } = await ask(gateway, [1, 2]);
    const answer = await gateway.get(`/v1/receipts/${id}/response`);
    expect(new Uint8Array(await answer.arrayBuffer())).toEqual(bytes);
    expect((await gateway.get(`/v1/receipts/${id}/response`, OTHER_KEY)).status).toBe(404);
    const before = await gateway.bundle(id);
    gateway.vault.keys.clear();
    expect((await gateway.get(`/v1/receipts/${id}/response`)).status).toBe(404);
    expect(await gateway.bundle(id)).toEqual(before);
  });

  it("forgets one receipt whose record was deleted, and proves the others as before", async () => {
    const gateway = await start();
    const [first, second] = [await ask(gateway, [1, 2]), await ask(gateway, [2, 2])];
    const index = gateway.log.size - 2;
    const hash = gateway.log.leafHashAt(index);
    await rm(`${gateway.folder}/log/records/${hash.slice(0, 2)}/${hash}`);
    const rebuilt = await gateway.reopenLedger();
    const keyHash = hashApiKey(API_KEY);
    await expect(rebuilt.receipt(first.id, keyHash)).rejects.toEqual(code("RECEIPT_UNKNOWN"));
    await expect(gateway.ledger.receipt(first.id, keyHash)).rejects.toEqual(code("RECEIPT_UNKNOWN"));
    const options = { now: NOW, at: null, request: null, response: null, opening: null, allowPending: false };
    expect(await createBundleVerifier([parityAppraiser])(await rebuilt.bundle(second.id, keyHash), trust, options)).toMatchObject(
      { outcome: "accepted" },
    );
  });

  it("says that it is corrupt where a blob that a receipt cites is gone", async () => {
    const gateway = await start();
    const { id } = await ask(gateway, [1, 2]);
    for (const folder of await readdir(`${gateway.folder}/blobs`))
      await rm(`${gateway.folder}/blobs/${folder}`, { recursive: true });
    await expect(gateway.ledger.bundle(id, hashApiKey(API_KEY))).rejects.toEqual(code("LOG_CORRUPT"));
    expect((await gateway.get(`/v1/receipts/${id}/bundle`)).status).toBe(500);
  });

  it("logs a refusal like an answer", async () => {
    const gateway = await start();
    const { id, bytes } = await ask(gateway, [1, 2, 3]);
    const { receipt } = parseBundle(await gateway.bundle(id));
    expect(receipt.event_log.map(({ type }) => type)).toEqual([
      "request.received",
      "service.described",
      "policy.decided",
      "upstream.verified",
      "request.refused",
      "response.returned",
    ]);
    expect(receipt.event_log.at(-1)).toEqual({ type: "response.returned", body_hash: digestOf(bytes) });
    const problem = parseJson(bytes);
    expect(isJsonObject(problem) && problem["receipt_id"]).toBe(id);
  });

  it("writes the events of an answer in the order in which they happened", async () => {
    const gateway = await start();
    const { id } = await ask(gateway, [1, 2]);
    const { receipt } = parseBundle(await gateway.bundle(id));
    expect(receipt.event_log.map(({ type }) => type)).toEqual([
      "request.received",
      "service.described",
      "policy.decided",
      "request.forwarded",
      "upstream.verified",
      "leg.sealed",
      "response.returned",
    ]);
    expect(receipt).toMatchObject({ model: "parity", method: "POST", endpoint: "/v2/models/parity/infer", served_at: NOW });
    expect(receipt.event_log[0]).toEqual({
      type: "request.received",
      body_hash: digestOf(utf8(body([1, 2]))),
      digest: "guessable",
    });
  });
});

describe("a record", () => {
  const receipt = {
    id: `rcpt-${"0a".repeat(16)}`,
    tenant: "acme",
    keyHash: "0b".repeat(32),
    servedAt: NOW,
    cites: [],
    session: null,
    response: null,
  };
  const record = {
    kind: "receipt",
    document: digestOf(utf8("d")),
    salt: new Uint8Array(32).fill(1),
    blobs: [utf8("d")],
  } as const;

  it("is read back as it was written", () => {
    const response = { keyName: "2026-09-21", mediaType: "application/json", sealed: Uint8Array.of(1, 2) };
    const idempotency = { keyHash: "0c".repeat(32), requestHash: "0d".repeat(32), status: 403 };
    const call = { keyName: "2026-09-21", sealed: Uint8Array.of(3, 4) };
    const leg = { jobId: `job-${"0e".repeat(16)}`, receiptId: `rcpt-${"0f".repeat(16)}`, path: "zk", deadlineAt: NOW };
    const states = { inputCommitment: "5a".repeat(32), outputs: [1, -2], outputCommitment: null };
    const pending = { legs: [leg], model: "m", states, call };
    for (const written of [
      record,
      { ...record, receipt },
      { ...record, receipt: { ...receipt, response } },
      { ...record, receipt: { ...receipt, response, idempotency } },
      { ...record, receipt: { ...receipt, response, pending } },
      { ...record, kind: "supplement", receipt: { ...receipt, parentId: `rcpt-${"01".repeat(16)}` } },
    ] as const)
      expect(parseRecord(encodeRecord(written))).toEqual({ v: 1, ...written });
  });

  it("has what is sealed behind its JSON, and is read as well with all of it inside", () => {
    const sealed = crypto.getRandomValues(new Uint8Array(64));
    const response = { keyName: "2026-09-21", mediaType: "application/json", sealed };
    const written = { ...record, receipt: { ...receipt, response } };
    const bytes = encodeRecord(written);
    expect([bytes[0], bytes.slice(-64)]).toEqual([0, sealed]);
    const head = JSON.parse(new TextDecoder().decode(bytes.subarray(4, -64))) as { receipt: object };
    const inside = { ...head, receipt: { ...head.receipt, response: { ...response, sealed: encodeBase64(sealed) } } };
    expect(parseRecord(utf8(JSON.stringify(inside)))).toEqual({ v: 1, ...written });
  });

  it("with bytes behind it that belong nowhere is refused", () => {
    const response = { keyName: "2026-09-21", mediaType: "application/json", sealed: Uint8Array.of(1, 2) };
    const whole = encodeRecord({ ...record, receipt: { ...receipt, response } });
    const without = encodeRecord({ ...record, receipt });
    const behind = (json: Uint8Array, ...bytes: readonly number[]) =>
      concatBytes(uint32BE(json.length), json, Uint8Array.from(bytes));
    const inside = utf8(new TextDecoder().decode(whole.subarray(4, -2)).replace('"sealed":""', '"sealed":"AQI="'));
    for (const bytes of [
      whole.subarray(0, -2),
      whole.subarray(0, 3),
      whole.subarray(0, 40),
      behind(without),
      behind(without, 1),
      behind(encodeRecord(record), 1),
      behind(inside, 1),
      behind(new Uint8Array(), 1),
      whole.with(3, (whole[3] ?? 0) + 1),
      whole.with(1, 1),
    ])
      expect(() => parseRecord(bytes)).toThrow(code("FORMAT_INVALID"));
  });

  it("of another form is refused", () => {
    const document = JSON.parse(new TextDecoder().decode(encodeRecord({ ...record, receipt }))) as object;
    for (const change of [
      { v: 2 },
      { kind: "other" },
      { salt: "00" },
      { blobs: ["x"] },
      { more: 1 },
      { receipt: { ...receipt, id: "rcpt-1" } },
      { receipt: {} },
      { receipt: { ...receipt, parentId: "rcpt-1" } },
      { receipt: { ...receipt, pending: {} } },
      { receipt: { ...receipt, pending: { legs: [{ path: "zk" }], model: "m", states: {}, call: null } } },
      { receipt: { ...receipt, idempotency: null } },
      { receipt: { ...receipt, idempotency: { keyHash: "0c".repeat(32), requestHash: "0d".repeat(32) } } },
      { receipt: { ...receipt, idempotency: { keyHash: "0c", requestHash: "0d".repeat(32), status: 200 } } },
      { receipt: { ...receipt, idempotency: { keyHash: "0c".repeat(32), requestHash: "0d".repeat(32), status: 199 } } },
    ]) {
      expect(() => parseRecord(utf8(JSON.stringify({ ...document, ...change })))).toThrow(code("FORMAT_INVALID"));
    }
  });
});

describe("the response vault", () => {
  it("keeps no answer in the clear, and seals each anew", async () => {
    const vault = memoryVault();
    const answer = utf8("a secret answer, a secret answer");
    const [one, two] = [await storeAnswer(vault, answer), await storeAnswer(vault, answer)];
    expect(encodeBase64(one.sealed)).not.toBe(encodeBase64(two.sealed));
    expect(Buffer.from(one.sealed).includes(Buffer.from("secret"))).toBe(false);
    expect(await openAnswer(vault, one)).toEqual(answer);
    const changed = one.sealed.map((byte, place) => (place === 20 ? byte ^ 1 : byte));
    await expect(openAnswer(vault, { ...one, sealed: changed })).rejects.toThrow();
    expect(await openAnswer(vault, { ...one, keyName: "2026-09-22" })).toBeNull();
    vault.keys.clear();
    expect(await openAnswer(vault, one)).toBeNull();
  });
});
