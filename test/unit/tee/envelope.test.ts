import { beforeAll, describe, expect, it } from "vitest";
import { encodeBase64, encodeHex, parseBase64, utf8 } from "../../../src/core/bytes.ts";
import { digestOf } from "../../../src/core/digest.ts";
import { encodeJcs } from "../../../src/core/jcs.ts";
import { isJsonObject, type JsonObject, parseJson } from "../../../src/core/json.ts";
import { unixSeconds } from "../../../src/core/time.ts";
import { nodeSuites } from "../../../src/paths/tee/sealing/node-suite.ts";
import { openRequest, parseEnvelope, sealRequest } from "../../../src/paths/tee/wire/envelope.ts";
import { SEAL_MLKEM768_X25519, SEAL_X25519 } from "../../../src/paths/tee/wire/keyset.ts";
import { makeSealKey, portableSuites, publicSealKey, type SealKeyPair } from "../../../src/paths/tee/wire/seal-suite.ts";

const head = {
  model: "m",
  keysetDigest: digestOf(utf8("keyset")),
  facts: { classification: "personal", value_usd: 3 },
  exp: unixSeconds(1000),
};
const plaintext = utf8("the request");

function fields(body: Uint8Array): JsonObject {
  const value = parseJson(body);
  return isJsonObject(value) ? value : {};
}

function flipped(base64: unknown, index: number): string {
  const bytes = parseBase64(String(base64));
  const at = index < 0 ? bytes.length + index : index;
  bytes[at] = (bytes[at] ?? 0) ^ 0x40;
  return encodeBase64(bytes);
}

function cut(base64: unknown, length: number): string {
  return encodeBase64(parseBase64(String(base64)).slice(0, length));
}

const unopenable = expect.objectContaining({ code: "SEALED_UNOPENABLE" });
const malformed = expect.objectContaining({ code: "SEALED_MALFORMED" });

const implementations = { "portable suites": portableSuites, "node suites": nodeSuites };
const cases = Object.entries(implementations).flatMap(([name, suites]) => [
  { name, suites, algo: SEAL_X25519, encLength: 32 } as const,
  { name, suites, algo: SEAL_MLKEM768_X25519, encLength: 1120 } as const,
]);

describe.each(cases)("an envelope sealed with the $name to $algo", ({ suites, algo, encLength }) => {
  let key: SealKeyPair;
  let other: SealKeyPair;
  let all: SealKeyPair[];

  beforeAll(async () => {
    key = await makeSealKey("seal-a", algo, suites);
    const otherAlgo = algo === SEAL_X25519 ? SEAL_MLKEM768_X25519 : SEAL_X25519;
    other = await makeSealKey("seal-b", otherAlgo, suites);
    all = [other, key];
  });

  const seal = () => sealRequest(head, publicSealKey(key), plaintext, suites);

  it("opens under no other key, and with no clear member changed", async () => {
    const { body } = await seal();
    const stranger = await makeSealKey("seal-a", algo, suites);
    await expect(openRequest(parseEnvelope(body), [stranger])).rejects.toEqual(unopenable);
    const clear = fields(body);
    const changes: JsonObject[] = [
      { model: "n" },
      { keysetDigest: digestOf(utf8("other")) },
      { keyId: other.keyId },
      { keyId: "seal-c" },
      { exp: 1001 },
      { facts: {} },
      { facts: { classification: "personal" } },
      { facts: { classification: "personal", value_usd: 4 } },
      { facts: { classification: "personal", value_usd: 3, kind: "x" } },
      { enc: flipped(clear["enc"], 0) },
      { enc: flipped(clear["enc"], encLength - 32) },
      { enc: flipped(clear["enc"], -1) },
      { enc: cut(clear["enc"], encLength - 1) },
      { enc: cut(clear["enc"], 32 === encLength ? 16 : 32) },
      { enc: "" },
      { enc: encodeBase64(new Uint8Array(encLength)) },
      { enc: encodeBase64(new Uint8Array(encLength).fill(0xff)) },
      { ct: flipped(clear["ct"], 0) },
      { ct: flipped(clear["ct"], -1) },
      { ct: "" },
    ];
    for (const change of changes) {
      const envelope = parseEnvelope(encodeJcs({ ...clear, ...change }));
      await expect(openRequest(envelope, all), JSON.stringify(change)).rejects.toEqual(unopenable);
    }
    const same = encodeJcs({ ...clear, facts: { value_usd: 3, classification: "personal" } });
    expect((await openRequest(parseEnvelope(same), all)).plaintext).toEqual(plaintext);
  });

  it("opens under no key that took its name, of the same suite or of the other", async () => {
    const envelope = parseEnvelope((await seal()).body);
    await expect(openRequest(envelope, [{ ...other, keyId: key.keyId }])).rejects.toEqual(unopenable);
    await expect(openRequest(envelope, [{ ...key, keyId: "renamed" }])).rejects.toEqual(unopenable);
    const renamed = { ...envelope, keyId: "renamed" };
    await expect(openRequest(renamed, [{ ...key, keyId: "renamed" }])).rejects.toEqual(unopenable);
    await expect(openRequest(envelope, [])).rejects.toEqual(unopenable);
    expect((await openRequest(envelope, [key])).plaintext).toEqual(plaintext);
  });

  it("is not made for a key that is none, nor under the other algorithm's name", async () => {
    const good = publicSealKey(key);
    const keys = [
      { ...good, publicKey: "00" },
      { ...good, publicKey: "zz".repeat(32) },
      { ...good, publicKey: good.publicKey.slice(2) },
      { ...good, publicKey: `${good.publicKey}00` },
      { ...good, algo: other.algo },
      { ...good, publicKey: other.publicKey },
      { ...good, algo: "hpke-of-tomorrow" },
      { ...good, algo: "constructor" },
    ];
    for (const bad of keys) await expect(sealRequest(head, bad, plaintext, suites), bad.algo).rejects.toEqual(unopenable);
  });

  it("never has the same bytes twice, nor its plaintext in them", async () => {
    const bodies = await Promise.all([1, 2, 3].map(async () => encodeHex((await seal()).body)));
    expect(new Set(bodies).size).toBe(3);
    for (const body of bodies) expect(body).not.toContain(encodeHex(plaintext));
  });

  it("opens under its key in every implementation, and its answer opens only with what sealed it", async () => {
    for (const sender of Object.values(implementations)) {
      const sealed = await sealRequest(head, publicSealKey(key), plaintext, sender);
      const envelope = parseEnvelope(sealed.body);
      expect([envelope.keyId, envelope.enc.length, envelope.facts]).toEqual([key.keyId, encLength, head.facts]);
      const opened = await openRequest(envelope, all);
      expect(opened.plaintext).toEqual(plaintext);
      const answer = await opened.sealResponse(utf8("the answer"));
      expect(await sealed.openResponse(answer)).toEqual(utf8("the answer"));
      await expect((await seal()).openResponse(answer)).rejects.toEqual(unopenable);
    }
  });

  it("is refused in any other form", async () => {
    const clear = fields((await seal()).body);
    const { ct, ...withoutCt } = clear;
    const { keyId, ...withoutKeyId } = clear;
    expect([ct, keyId]).toEqual([expect.any(String), key.keyId]);
    const forms: JsonObject[] = [
      withoutCt,
      withoutKeyId,
      { ...clear, v: 2 },
      { ...clear, extra: null },
      { ...clear, exp: "1000" },
      { ...clear, keyId: "" },
      { ...clear, keyId: "Seal" },
      { ...clear, keyId: "a".repeat(65) },
      { ...clear, enc: "not base64" },
      { ...clear, enc: encodeBase64(new Uint8Array(1123)) },
      { ...clear, facts: { other: 1 } },
      { ...clear, keysetDigest: "sha256:00" },
    ];
    for (const form of forms) expect(() => parseEnvelope(encodeJcs(form)), JSON.stringify(form)).toThrow(malformed);
    expect(() => parseEnvelope(utf8("[]"))).toThrow(malformed);
    expect(() => parseEnvelope(Uint8Array.of(0xff))).toThrow(malformed);
  });

  it("has an answer that is refused when any part of it was changed", async () => {
    const sealed = await seal();
    const opened = await openRequest(parseEnvelope(sealed.body), all);
    const answer = fields(await opened.sealResponse(utf8("the answer")));
    const open = (change: JsonObject) => sealed.openResponse(encodeJcs({ ...answer, ...change }));
    await expect(open({ nonce: flipped(answer["nonce"], 0) })).rejects.toEqual(unopenable);
    await expect(open({ ct: flipped(answer["ct"], 0) })).rejects.toEqual(unopenable);
    await expect(open({ ct: flipped(answer["ct"], -1) })).rejects.toEqual(unopenable);
    await expect(open({ ct: "" })).rejects.toEqual(unopenable);
    await expect(open({ v: 2 })).rejects.toEqual(malformed);
    await expect(open({ more: 1 })).rejects.toEqual(malformed);
    await expect(sealed.openResponse(utf8("{"))).rejects.toEqual(malformed);
    expect(await open({})).toEqual(utf8("the answer"));
  });
});

/** Public keys whose X25519 result is zero for every private key: u of order 1, 2, 4 and 8, and forms above the prime. */
const SMALL_ORDER = [
  "00".repeat(32),
  `01${"00".repeat(31)}`,
  "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
  "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
  `ec${"ff".repeat(30)}7f`,
  `ed${"ff".repeat(30)}7f`,
  `ee${"ff".repeat(30)}7f`,
];

describe.each(Object.entries(implementations))("the %s", (_, suites) => {
  it.each(SMALL_ORDER)("seal to no X25519 key of small order, and open nothing from one: %s", async (publicKey) => {
    const key = { keyId: "seal-1", algo: SEAL_X25519, publicKey };
    await expect(sealRequest(head, key, plaintext, suites)).rejects.toEqual(unopenable);
    const own = await makeSealKey("seal-1", SEAL_X25519, suites);
    const enc = Buffer.from(publicKey, "hex").toString("base64");
    const { body } = await sealRequest(head, publicSealKey(own), plaintext, suites);
    await expect(openRequest(parseEnvelope(encodeJcs({ ...fields(body), enc })), [own])).rejects.toEqual(unopenable);
  });

  it("seal to no hybrid key whose ML-KEM part is out of range or whose X25519 part is of small order", async () => {
    const { publicKey, keyId, algo } = publicSealKey(await makeSealKey("seal-1", SEAL_MLKEM768_X25519, suites));
    const outOfRange = `${"ff".repeat(1184)}${publicKey.slice(2368)}`;
    await expect(sealRequest(head, { keyId, algo, publicKey: outOfRange }, plaintext, suites)).rejects.toEqual(unopenable);
    const oneOutOfRange = `ffff${publicKey.slice(4)}`;
    await expect(sealRequest(head, { keyId, algo, publicKey: oneOutOfRange }, plaintext, suites)).rejects.toEqual(unopenable);
    const smallOrder = publicKey.slice(0, 2368) + "00".repeat(32);
    await expect(sealRequest(head, { keyId, algo, publicKey: smallOrder }, plaintext, suites)).rejects.toEqual(unopenable);
  });
});
