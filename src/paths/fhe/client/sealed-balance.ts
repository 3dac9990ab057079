/** Seals a balance statement to the one who asked for it, and opens it there: HPKE base mode (RFC 9180), X25519, AES-256-GCM. */
import { AEAD_AES_256_GCM, CipherSuite, KDF_HKDF_SHA256, KEM_DHKEM_X25519_HKDF_SHA256 } from "hpke";
import { encodeHex, parseHex } from "../../../core/bytes.ts";
import type { Signer } from "../../../core/ed25519.ts";
import {
  BALANCE_INFO,
  type BalanceStatement,
  encodeBalance,
  encodeSealedBalance,
  parseBalance,
  parseSealedBalance,
  sealedBalanceAad,
  signBalance,
  verifyBalance,
} from "../wire/balance-statement.ts";
import { fheError } from "../wire/codes.ts";

const suite = new CipherSuite(KEM_DHKEM_X25519_HKDF_SHA256, KDF_HKDF_SHA256, AEAD_AES_256_GCM);

/** An X25519 key pair in raw hexadecimal form. */
export interface BalanceKey {
  readonly publicKey: string;
  readonly privateKey: string;
}

/** A new key that statements can be sealed to. */
export async function makeBalanceKey(): Promise<BalanceKey> {
  const keys = await suite.GenerateKeyPair(true);
  return {
    publicKey: encodeHex(await suite.SerializePublicKey(keys.publicKey)),
    privateKey: encodeHex(await suite.SerializePrivateKey(keys.privateKey)),
  };
}

/**
 * Signs a statement and seals it to `statement.to`.
 * @throws TrisealError `FHE_STATEMENT_INVALID` where that is no usable key.
 */
export async function sealBalance(statement: BalanceStatement, signer: Signer): Promise<Uint8Array> {
  const { to } = statement;
  const plain = encodeBalance(signBalance(statement, signer));
  try {
    const key = await suite.DeserializePublicKey(parseHex(to));
    const { encapsulatedSecret: enc, ciphertext: ct } = await suite.Seal(key, plain, {
      info: BALANCE_INFO,
      aad: sealedBalanceAad(to),
    });
    return encodeSealedBalance({ to, enc, ct });
  } catch (cause) {
    throw fheError("FHE_STATEMENT_INVALID", "the key cannot be sealed to", { cause });
  }
}

/**
 * Opens a sealed statement.
 * @param holder the Ed25519 public key of the key's holder, as the one who opens knows it from elsewhere.
 * @throws TrisealError `FORMAT_INVALID`; `FHE_STATEMENT_INVALID` for one that is sealed to another key, does not open, is signed by
 *   somebody else, or was made for somebody else.
 */
export async function openBalance(sealed: Uint8Array, own: BalanceKey, holder: string): Promise<BalanceStatement> {
  const { to, enc, ct } = parseSealedBalance(sealed);
  if (to !== own.publicKey) throw fheError("FHE_STATEMENT_INVALID", "the statement is sealed to another key");
  const signed = parseBalance(await opened(own, enc, ct));
  if (signed.publicKey !== holder || !verifyBalance(signed))
    throw fheError("FHE_STATEMENT_INVALID", "the statement is not signed by the holder that you named");
  if (signed.statement.to !== to) throw fheError("FHE_STATEMENT_INVALID", "the statement was made for somebody else");
  return signed.statement;
}

async function opened({ privateKey, publicKey }: BalanceKey, enc: Uint8Array, ct: Uint8Array): Promise<Uint8Array> {
  try {
    const key = await suite.DeserializePrivateKey(parseHex(privateKey));
    const pair = { privateKey: key, publicKey: await suite.DeserializePublicKey(parseHex(publicKey)) };
    return await suite.Open(pair, enc, ct, { info: BALANCE_INFO, aad: sealedBalanceAad(publicKey) });
  } catch (cause) {
    throw fheError("FHE_STATEMENT_INVALID", "the statement does not open under this key", { cause });
  }
}
