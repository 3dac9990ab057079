/**
 * What the holder of a key says to somebody who lacks it about the state of an account: its clear value, signed, and sealed to the
 * one who asked (SPEC 10). It rests on the holder's word: nothing proves a decryption here.
 */
import { concatBytes, encodeBase64, encodeHex, utf8 } from "../../../core/bytes.ts";
import {
  base64Bytes,
  type Decoded,
  digest,
  hexBytes,
  hexText,
  integer,
  object,
  oneOf,
  seconds,
  text,
} from "../../../core/decode.ts";
import { type Signer, verifyEd25519 } from "../../../core/ed25519.ts";
import { encodeJcs } from "../../../core/jcs.ts";
import { accountName, clearValue, readDocument, typeName } from "./document.ts";

const KIND = "triseal.fhe.balance.v1";
const SEALED_KIND = "triseal.fhe.sealed-balance.v1";
const DOMAIN = utf8(`${KIND}\0`);

/** Largest document, in bytes. */
export const MAX_BALANCE_BYTES = 8192;

const decodeStatement = object({
  v: oneOf(1),
  kind: oneOf(KIND),
  keyId: hexText(32),
  account: accountName,
  version: integer(1),
  /** Of that version, as a receipt has it. */
  handle: hexText(32),
  digest,
  type: typeName,
  value: clearValue,
  /** The receipt that wrote that version. */
  receiptId: text(64),
  /** Whom it is for: an X25519 public key. It stands under the signature, so that nobody passes it on as made for another. */
  to: hexText(32),
  issuedAt: seconds,
});

/** What a holder says of one version of an account. */
export type BalanceStatement = Omit<Decoded<typeof decodeStatement>, "v" | "kind">;

const decodeSigned = object({ statement: decodeStatement, publicKey: hexText(32), signature: hexBytes(64) });

/** A statement with its signature, which is not verified. */
export interface SignedBalance {
  readonly statement: BalanceStatement;
  /** Ed25519, 64 hexadecimal digits. */
  readonly publicKey: string;
  readonly signature: Uint8Array;
}

const decodeSealed = object({
  v: oneOf(1),
  kind: oneOf(SEALED_KIND),
  /** X25519 public key that it is sealed to. */
  to: hexText(32),
  enc: hexBytes(32),
  ct: base64Bytes(MAX_BALANCE_BYTES),
});

/** A sealed statement. */
export type SealedBalance = Omit<Decoded<typeof decodeSealed>, "v" | "kind">;

const document = (statement: BalanceStatement) => ({ v: 1, kind: KIND, ...statement });

/** Signs a statement. */
export function signBalance(statement: BalanceStatement, signer: Signer): SignedBalance {
  const signature = signer.sign(concatBytes(DOMAIN, encodeJcs(document(statement))));
  return { statement, publicKey: signer.publicKey, signature };
}

/** Whether the signature is that of the stated key. Says nothing about whose key that is. */
export function verifyBalance({ statement, publicKey, signature }: SignedBalance): boolean {
  return verifyEd25519(publicKey, concatBytes(DOMAIN, encodeJcs(document(statement))), signature);
}

/** The bytes that are sealed. */
export function encodeBalance({ statement, publicKey, signature }: SignedBalance): Uint8Array {
  return encodeJcs({ statement: document(statement), publicKey, signature: encodeHex(signature) });
}

/** @throws TrisealError `FORMAT_INVALID`. Verifies nothing. */
export function parseBalance(bytes: Uint8Array): SignedBalance {
  const signed = decodeSigned(readDocument(bytes, MAX_BALANCE_BYTES, "a statement"), "statement");
  const { v: _, kind: __, ...statement } = signed.statement;
  return { ...signed, statement };
}

/** The associated data of a sealed statement. */
export function sealedBalanceAad(to: string): Uint8Array {
  return encodeJcs({ v: 1, kind: SEALED_KIND, to });
}

/** The info of the sealing: what the key that is agreed on is for. */
export const BALANCE_INFO: Uint8Array = utf8(KIND);

/** The bytes of a sealed statement. */
export function encodeSealedBalance({ to, enc, ct }: SealedBalance): Uint8Array {
  return encodeJcs({ v: 1, kind: SEALED_KIND, to, enc: encodeHex(enc), ct: encodeBase64(ct) });
}

/** @throws TrisealError `FORMAT_INVALID`. Opens nothing. */
export function parseSealedBalance(bytes: Uint8Array): SealedBalance {
  const { v: _, kind: __, ...sealed } = decodeSealed(readDocument(bytes, 2 * MAX_BALANCE_BYTES, "a sealed statement"), "sealed");
  return sealed;
}
