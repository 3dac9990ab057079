/** The HPKE parts against RFC 9180's published values, in both implementations. */
import type { Key } from "hpke";
import { afterEach, describe, expect, it, vi } from "vitest";
import { encodeHex, parseHex, utf8 } from "../../../src/core/bytes.ts";
import { nodeHybridKem } from "../../../src/paths/tee/sealing/node-hybrid-kem.ts";
import { nodeSuites } from "../../../src/paths/tee/sealing/node-suite.ts";
import { SEAL_MLKEM768_X25519, SEAL_X25519 } from "../../../src/paths/tee/wire/keyset.ts";
import { hybridKem, portableSuites, SEAL_ALGORITHMS } from "../../../src/paths/tee/wire/seal-suite.ts";

/** Base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM, from the test vectors of RFC 9180; sequence number 0. */
const RFC9180 = {
  info: parseHex("4f6465206f6e2061204772656369616e2055726e"),
  ikmE: parseHex("2cd7c601cefb3d42a62b04b7a9041494c06c7843818e0ce28a8f704ae7ab20f9"),
  ikmR: parseHex("dac33b0e9db1b59dbbea58d59a14e7b5896e9bdf98fad6891e99d1686492b9ee"),
  skRm: parseHex("497b4502664cfea5d5af0b39934dac72242a74f8480451e1aee7d6a53320333d"),
  pkRm: "430f4b9859665145a6b1ba274024487bd66f03a2dd577d7753c68d7d7d00c00c",
  enc: "6c93e09869df3402d7bf231bf540fadd35cd56be14f97178f0954db94b7fc256",
  aad: parseHex("436f756e742d30"),
  plaintext: "4265617574792069732074727574682c20747275746820626561757479",
  ct: "e5d84cd531cfb583096e7cfa9641bd3079cf3a91cda813c52deb5f512be9931980a41de125a925cdad859d5b7a",
  exported: "ded6cffafaea6b812cbf3e241e88332adbc077aca81512914213810ee291770a",
  exportedTestContext: "7c5ded445732c14fe09727d29b4251c0fd38455fe8440571e687f0886aac94d2",
};

/** MLKEM768-X25519 from the test vectors of draft-ietf-hpke-pq. The shared secret is over the whole of `enc` and the X25519 keys. */
const HYBRID = {
  ikmE: parseHex(
    "67d925853f974ffeb36a867ba8b370c455c77fa386e0b667d6dea0fa0bcd9446a7a24daaf163ec2c0979a75f6b776a4e08ba8e89aa9fb4f604e95a9acddc4091",
  ),
  ikmR: parseHex("9b3988687f65935430cf740cc30c36cd480d3dbd24867815addad49ea0dc050d"),
  skRm: "8f908710ee25a3aa6fd3ed80eb5bf102963547bf4fe36d86f772432ac383e6e9",
  pkRmStart: "e6b1689ff28e68c7536cfc35a8d4b63bac50777871b8b82358ea75d8339817f0",
  encStart: "83cc3ee720f72a3d37c2870f84ef83e4206b82366b63371116566096f9e7f8fc",
  sharedSecret: "d9994083f7879bfd2333bab88dad36c0473eb67daeabb4f7d4e4dca56c63ddb4",
};

const implementations = Object.entries({ portable: portableSuites, node: nodeSuites });

afterEach(() => {
  vi.restoreAllMocks();
});

describe.each(implementations)("the %s X25519 suite", (_, suites) => {
  const { hpke } = suites[SEAL_X25519];

  it("derives, opens and exports what RFC 9180's test vector does", async () => {
    const derived = await hpke.DeriveKeyPair(RFC9180.ikmR, true);
    expect(encodeHex(await hpke.SerializePublicKey(derived.publicKey))).toBe(RFC9180.pkRm);
    expect(encodeHex(await hpke.SerializePrivateKey(derived.privateKey))).toBe(encodeHex(RFC9180.skRm));
    const ephemeral = await hpke.DeriveKeyPair(RFC9180.ikmE);
    expect(encodeHex(await hpke.SerializePublicKey(ephemeral.publicKey))).toBe(RFC9180.enc);
    for (const key of [derived, await hpke.DeserializePrivateKey(RFC9180.skRm, true)]) {
      const recipient = await hpke.SetupRecipient(key, parseHex(RFC9180.enc), { info: RFC9180.info });
      expect(encodeHex(await recipient.Open(parseHex(RFC9180.ct), RFC9180.aad))).toBe(RFC9180.plaintext);
      expect(encodeHex(await recipient.Export(new Uint8Array(0), 32))).toBe(RFC9180.exported);
      expect(encodeHex(await recipient.Export(utf8("TestContext"), 32))).toBe(RFC9180.exportedTestContext);
    }
  });

  it("opens none of it with one bit, the info, or the associated data changed", async () => {
    const key = await hpke.DeriveKeyPair(RFC9180.ikmR);
    const open = async (enc: string, ct: string, info: Uint8Array, aad: Uint8Array) =>
      await (await hpke.SetupRecipient(key, parseHex(enc), { info })).Open(parseHex(ct), aad);
    const { enc, ct, info, aad } = RFC9180;
    await expect(open(enc.replace(/^6/, "7"), ct, info, aad)).rejects.toThrow();
    await expect(open(enc.slice(2), ct, info, aad)).rejects.toThrow();
    await expect(open(enc, ct.replace(/^e/, "f"), info, aad)).rejects.toThrow();
    await expect(open(enc, ct.replace(/a$/, "b"), info, aad)).rejects.toThrow();
    await expect(open(enc, ct.slice(0, 30), info, aad)).rejects.toThrow();
    await expect(open(enc, ct, utf8("other"), aad)).rejects.toThrow();
    await expect(open(enc, ct, info, new Uint8Array(0))).rejects.toThrow();
  });
});

describe.each([
  ["portable", hybridKem()],
  ["node", nodeHybridKem],
])("the %s hybrid KEM", (_, kem) => {
  it("derives and opens what the test vector of its draft does", async () => {
    const keys = await kem.DeriveKeyPair(HYBRID.ikmR, true);
    const publicKey = encodeHex(await kem.SerializePublicKey(keys.publicKey));
    expect([publicKey.length, publicKey.startsWith(HYBRID.pkRmStart)]).toEqual([2432, true]);
    expect(encodeHex(await kem.SerializePrivateKey(keys.privateKey))).toBe(HYBRID.skRm);
    const { enc } = await encapsulateVector(await hybridKem().DeserializePublicKey(parseHex(publicKey)));
    const imported = await kem.DeserializePrivateKey(parseHex(HYBRID.skRm), false);
    for (const key of [keys.privateKey, imported])
      expect(encodeHex(await kem.Decap(enc, key, undefined))).toBe(HYBRID.sharedSecret);
    await expect(kem.SerializePrivateKey(imported)).rejects.toThrow(TypeError);
  });

  it("gives another secret for a changed ML-KEM ciphertext, and not an error that tells them apart", async () => {
    const keys = await kem.GenerateKeyPair(false);
    const { enc, shared_secret: sharedSecret } = await kem.Encap(keys.publicKey);
    const changed = Uint8Array.from(enc, (byte, index) => (index === 500 ? byte ^ 1 : byte));
    expect(encodeHex(await kem.Decap(changed, keys.privateKey, undefined))).not.toBe(encodeHex(sharedSecret));
  });

  it("refuses keys and encapsulations of another length, and X25519 keys of small order, on either side", async () => {
    const keys = await kem.GenerateKeyPair(false);
    const raw = await kem.SerializePublicKey(keys.publicKey);
    const sealTo = async (bytes: Uint8Array) => await kem.Encap(await kem.DeserializePublicKey(bytes));
    const { enc } = await sealTo(raw);
    for (const bad of [raw.slice(1), new Uint8Array(0), new Uint8Array([...raw, 0])]) await expect(sealTo(bad)).rejects.toThrow();
    for (const bad of [enc.slice(1), new Uint8Array(0), new Uint8Array([...enc, 0])])
      await expect(kem.Decap(bad, keys.privateKey, undefined)).rejects.toThrow();
    await expect(kem.DeserializePrivateKey(new Uint8Array(31), false)).rejects.toThrow();
    const smallOrder = (bytes: Uint8Array) => Uint8Array.from(bytes, (byte, index) => (index < bytes.length - 32 ? byte : 0));
    await expect(sealTo(smallOrder(raw))).rejects.toThrow();
    await expect(kem.Decap(smallOrder(enc), keys.privateKey, undefined)).rejects.toThrow();
    const reduced = Uint8Array.from(raw, (byte, index) => (index < 3 ? 0xff : byte));
    await expect(kem.DeserializePublicKey(reduced)).rejects.toThrow(/out of range/);
  });
});

/** What the vector's randomness makes, by the implementation that takes its randomness from `crypto.getRandomValues`. */
async function encapsulateVector(recipient: Key) {
  let offset = 0;
  const spy = vi.spyOn(crypto, "getRandomValues").mockImplementation((array) => {
    const bytes = new Uint8Array(array?.buffer ?? new ArrayBuffer(0));
    bytes.set(HYBRID.ikmE.subarray(offset, offset + bytes.length));
    offset += bytes.length;
    return array;
  });
  const made = await hybridKem().Encap(recipient);
  spy.mockRestore();
  expect(offset).toBe(64);
  expect([made.enc.length, encodeHex(made.enc.subarray(0, 32))]).toEqual([1120, HYBRID.encStart]);
  expect(encodeHex(made.shared_secret)).toBe(HYBRID.sharedSecret);
  return made;
}

describe("the two hybrid KEMs", () => {
  it("open what the other made, for any key, and agree on its bytes", async () => {
    const kems = [hybridKem(), nodeHybridKem];
    for (const [from, to] of [
      [kems[0], kems[1]],
      [kems[1], kems[0]],
    ]) {
      if (from === undefined || to === undefined) throw new Error("two of them");
      for (let round = 0; round < 20; round++) {
        const keys = await to.GenerateKeyPair(true);
        const raw = await to.SerializePublicKey(keys.publicKey);
        const there = await from.DeserializePublicKey(raw);
        expect(await from.SerializePublicKey(there)).toEqual(raw);
        const { enc, shared_secret: sharedSecret } = await from.Encap(there);
        expect(await to.Decap(enc, keys.privateKey, undefined)).toEqual(sharedSecret);
        const moved = await from.DeserializePrivateKey(await to.SerializePrivateKey(keys.privateKey), false);
        expect(await from.Decap(enc, moved, undefined)).toEqual(sharedSecret);
      }
    }
  });
});

describe.each(SEAL_ALGORITHMS)("the two implementations of %s", (algo) => {
  it("have the same identifiers and lengths", () => {
    const [portable, node] = [portableSuites[algo].hpke, nodeSuites[algo].hpke];
    const identify = ({ KEM, KDF, AEAD }: typeof portable) => [
      [KEM.id, KEM.name, KEM.Nsecret, KEM.Nenc, KEM.Npk, KEM.Nsk],
      [KDF.id, KDF.stages, KDF.Nh],
      [AEAD.id, AEAD.Nk, AEAD.Nn, AEAD.Nt],
    ];
    expect(identify(node)).toEqual(identify(portable));
    expect(portable.KEM.id).toBe(algo === SEAL_MLKEM768_X25519 ? 0x647a : 0x0020);
  });

  it("do not take each other's key objects, nor ones that were made by hand", async () => {
    const { hpke } = nodeSuites[algo];
    const forged = { algorithm: { name: "X25519" }, extractable: true, type: "private" };
    await expect(hpke.SerializePrivateKey(forged)).rejects.toThrow();
    await expect(hpke.SerializePublicKey({ ...forged, type: "public" })).rejects.toThrow();
    await expect(hpke.SetupSender({ ...forged, type: "public" })).rejects.toThrow();
  });
});
