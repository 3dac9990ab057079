import { describe, expect, it } from "vitest";
import { KeyRing } from "../../../enclave/worker/key-ring.ts";
import { utf8 } from "../../../src/core/bytes.ts";
import { digestOf } from "../../../src/core/digest.ts";
import { verifyEd25519 } from "../../../src/core/ed25519.ts";
import { unixSeconds } from "../../../src/core/time.ts";
import { openRequest, parseEnvelope, sealRequest } from "../../../src/paths/tee/wire/envelope.ts";
import { SEAL_MLKEM768_X25519, SEAL_X25519, workerKeysetDigest } from "../../../src/paths/tee/wire/keyset.ts";

function ringAt(start: number): { ring: KeyRing; set(now: number): void } {
  let now = start;
  const ring = new KeyRing({ subject: "worker", lifetimeS: 1000, clock: () => unixSeconds(now) });
  return {
    ring,
    set: (next) => {
      now = next;
    },
  };
}

describe("the key ring", () => {
  it("publishes keys that sign and open, under a digest of the whole keyset", async () => {
    const { ring } = ringAt(1000);
    const { keyset, digest, legSigner, sealKeys } = await ring.current();
    expect(digest).toBe(workerKeysetDigest(keyset));
    expect(keyset.notAfter).toBe(2000);
    const message = utf8("a message");
    expect(verifyEd25519(keyset.legKeys[0]?.publicKey ?? "", message, legSigner.sign(message))).toBe(true);
    const head = { model: "m", keysetDigest: digest, facts: {}, exp: unixSeconds(1100) };
    expect(keyset.sealKeys.map((key) => key.algo)).toEqual([SEAL_MLKEM768_X25519, SEAL_X25519]);
    for (const key of keyset.sealKeys) {
      const sealed = await sealRequest(head, key, message);
      expect((await openRequest(parseEnvelope(sealed.body), sealKeys)).plaintext).toEqual(message);
    }
  });

  it("does not let its private keys be exported", async () => {
    const { sealKeys } = await ringAt(1000).ring.current();
    expect(sealKeys).toHaveLength(2);
    for (const { keys, suite } of sealKeys) {
      expect(keys.privateKey.extractable).toBe(false);
      await expect(suite.hpke.SerializePrivateKey(keys.privateKey)).rejects.toThrow("extractable");
      await expect(suite.hpke.SerializePrivateKey({ ...keys.privateKey, extractable: true })).rejects.toThrow();
    }
  });

  it("makes a new keyset at half of the lifetime, and answers to the old one until that expires", async () => {
    const { ring, set } = ringAt(1000);
    const first = await ring.current();
    set(1499);
    expect((await ring.current()).digest).toBe(first.digest);
    set(1500);
    const [second, same] = await Promise.all([ring.current(), ring.current()]);
    expect(second.digest).not.toBe(first.digest);
    expect(same.digest).toBe(second.digest);
    expect(second.keyset.legKeys).not.toEqual(first.keyset.legKeys);
    set(1999);
    expect(ring.find(first.digest)).toBe(first);
    set(2000);
    expect(ring.find(first.digest)).toBe(null);
    expect(ring.find(second.digest)).toBe(second);
    expect(ring.find(digestOf(utf8("another")))).toBe(null);
  });
});
