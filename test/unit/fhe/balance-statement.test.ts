import { describe, expect, it } from "vitest";
import { utf8 } from "../../../src/core/bytes.ts";
import { digestOfJson } from "../../../src/core/digest.ts";
import { unixSeconds } from "../../../src/core/time.ts";
import { makeBalanceKey, openBalance, sealBalance } from "../../../src/paths/fhe/client/sealed-balance.ts";
import {
  type BalanceStatement,
  encodeBalance,
  encodeSealedBalance,
  parseBalance,
  parseSealedBalance,
  signBalance,
  verifyBalance,
} from "../../../src/paths/fhe/wire/balance-statement.ts";
import { testSigner } from "../../fixtures/signer.ts";

const [holder, stranger] = [testSigner("holder", 91), testSigner("stranger", 92)];
const [mine, theirs] = [await makeBalanceKey(), await makeBalanceKey()];
const statement: BalanceStatement = {
  keyId: "11".repeat(32),
  account: "alice",
  version: 3,
  handle: "22".repeat(32),
  digest: digestOfJson("a state"),
  type: "u64",
  value: "1250",
  receiptId: "rcpt-1",
  to: mine.publicKey,
  issuedAt: unixSeconds(5),
};
const invalid = { code: "FHE_STATEMENT_INVALID" };

describe("a sealed balance statement", () => {
  it("opens for the one who asked, and to what the holder said", async () => {
    expect(await openBalance(await sealBalance(statement, holder), mine, holder.publicKey)).toEqual(statement);
  });

  it("opens for nobody else, and not under another key of the same name", async () => {
    const sealed = await sealBalance(statement, holder);
    await expect(openBalance(sealed, theirs, holder.publicKey)).rejects.toMatchObject(invalid);
    await expect(openBalance(sealed, { ...theirs, publicKey: mine.publicKey }, holder.publicKey)).rejects.toMatchObject(invalid);
  });

  it("is refused where somebody else signed it", async () => {
    await expect(openBalance(await sealBalance(statement, stranger), mine, holder.publicKey)).rejects.toMatchObject(invalid);
  });

  it("is refused where any part of it was changed", async () => {
    const { to, enc, ct } = parseSealedBalance(await sealBalance(statement, holder));
    const flip = (bytes: Uint8Array, at: number) => bytes.map((byte, index) => (index === at ? byte ^ 1 : byte));
    const changed = [
      { to: theirs.publicKey, enc, ct },
      { to, enc: flip(enc, 3), ct },
      { to, enc, ct: flip(ct, 0) },
      { to, enc, ct: ct.subarray(0, -1) },
      { to, enc, ct: new Uint8Array() },
    ];
    for (const sealed of changed)
      await expect(openBalance(encodeSealedBalance(sealed), mine, holder.publicKey)).rejects.toMatchObject(invalid);
  });

  it("that its reader passes on stays one that was made for him", async () => {
    const { CipherSuite, AEAD_AES_256_GCM, KDF_HKDF_SHA256, KEM_DHKEM_X25519_HKDF_SHA256 } = await import("hpke");
    const suite = new CipherSuite(KEM_DHKEM_X25519_HKDF_SHA256, KDF_HKDF_SHA256, AEAD_AES_256_GCM);
    const { BALANCE_INFO, sealedBalanceAad } = await import("../../../src/paths/fhe/wire/balance-statement.ts");
    const key = await suite.DeserializePublicKey(Uint8Array.from(Buffer.from(theirs.publicKey, "hex")));
    const options = { info: BALANCE_INFO, aad: sealedBalanceAad(theirs.publicKey) };
    const { encapsulatedSecret: enc, ciphertext: ct } = await suite.Seal(
      key,
      encodeBalance(signBalance(statement, holder)),
      options,
    );
    const passedOn = encodeSealedBalance({ to: theirs.publicKey, enc, ct });
    await expect(openBalance(passedOn, theirs, holder.publicKey)).rejects.toMatchObject(invalid);
  });

  it("is not sealed to what is no key", async () => {
    for (const to of ["00".repeat(32), "11"])
      await expect(sealBalance({ ...statement, to }, holder)).rejects.toMatchObject(invalid);
  });
});

describe("a signed statement", () => {
  it("holds as it was signed, and with nothing changed", () => {
    const signed = parseBalance(encodeBalance(signBalance(statement, holder)));
    expect(verifyBalance(signed)).toBe(true);
    for (const change of [{ value: "1251" }, { version: 4 }, { account: "bob" }, { to: theirs.publicKey }])
      expect(verifyBalance({ ...signed, statement: { ...statement, ...change } })).toBe(false);
    expect(verifyBalance({ ...signed, publicKey: stranger.publicKey })).toBe(false);
  });

  it("is malformed with anything more or less", () => {
    const text = new TextDecoder().decode(encodeBalance(signBalance(statement, holder)));
    const changed = [
      text.replace('"version":3', '"version":0'),
      text.replace('"value":"1250"', '"value":1250'),
      text.replace('"value":"1250"', '"value":"01250"'),
      text.replace('"v":1', '"v":1,"w":1'),
      `${text} `.repeat(2),
      text.slice(0, -1),
    ];
    for (const document of changed) {
      expect(document).not.toBe(text);
      expect(() => parseBalance(utf8(document))).toThrow(expect.objectContaining({ code: "FORMAT_INVALID" }));
    }
  });
});
