/** The document of an account or an asset (SPEC 5): it is logged, and its digest is head 0 of the account's chain. */
import {
  array,
  type Decoded,
  type Decoder,
  digest,
  hexText,
  nullable,
  object,
  oneOf,
  seconds,
  text,
} from "../../../core/decode.ts";
import { digestHex, digestOf, type Sha256Digest } from "../../../core/digest.ts";
import { TrisealError } from "../../../core/errors.ts";
import { encodeJcs } from "../../../core/jcs.ts";
import { accountName, assertDistinct, readDocument, typeName, unsignedDecimal } from "./document.ts";

/** Largest document, in bytes. */
export const MAX_ACCOUNT_BYTES = 32_768;

const MAX_ENTRIES = 64;

/** SHA-256 of an API key, 64 hexadecimal digits. */
const principal = hexText(32);
const principals = distinct(array(principal, MAX_ENTRIES));
const programs = distinct(array(digest, MAX_ENTRIES));
const anyProgram = oneOf("any");

function distinct<T extends string>(list: Decoder<readonly T[]>): Decoder<readonly T[]> {
  return (value, place) => {
    const items = list(value, place);
    assertDistinct(items, place);
    return items;
  };
}

const permitted: Decoder<"any" | readonly Sha256Digest[]> = (value, place) =>
  value === "any" ? anyProgram(value, place) : programs(value, place);

const decodeFields = object(
  {
    v: oneOf(1),
    /** An account's state is one ciphertext; an asset's is what was minted, in clear. */
    kind: oneOf("account", "asset"),
    tenant: text(64),
    account: accountName,
    owner: principal,
    /** Who beside the owner may read the state, take from it, and add to it; and which programs may take it at all. */
    acl: object({ read: principals, debit: principals, credit: principals, programs: permitted }),
    keyId: hexText(32),
    type: typeName,
    /** Most that may be minted of an asset; null for no limit but the type's, and for an account. */
    cap: nullable(unsignedDecimal),
    created: seconds,
    nonce: hexText(16),
  },
  {
    /** The asset whose units an account holds: its programs are the asset's, and only what that asset mints comes in. */
    asset: accountName,
  },
);

/** A parsed document of an account. */
export type AccountDocument = Decoded<typeof decodeFields>;

/**
 * Parses the document of an account.
 * @throws TrisealError `FORMAT_INVALID`, also for an account with a cap and for a spelling other than the JCS form: the digest
 *   of the document is the first head.
 */
export function parseAccount(bytes: Uint8Array): AccountDocument {
  const account = decodeFields(readDocument(bytes, MAX_ACCOUNT_BYTES, "an account's document"), "account");
  if (account.kind === "account" && account.cap !== null)
    throw new TrisealError("FORMAT_INVALID", "account.cap: only an asset has one");
  if (account.kind === "asset" && account.asset !== undefined)
    throw new TrisealError("FORMAT_INVALID", "account.asset: only an account has one");
  if (digestOf(bytes) !== digestOf(encodeAccount(account))) {
    throw new TrisealError("FORMAT_INVALID", "the account's document is not in JCS form");
  }
  return account;
}

/** The bytes of a document, in JCS form. */
export function encodeAccount(account: AccountDocument): Uint8Array {
  return encodeJcs(account);
}

/** Head 0 of an account's chain, 64 hexadecimal digits: what `prevHead` of version 1 is. */
export function firstHead(account: AccountDocument): string {
  return digestHex(digestOf(encodeAccount(account)));
}

/** Largest state of an asset whose document names no cap: the type's. */
const MAX_SUPPLY = 2n ** 64n - 1n;

/** Most that may be minted of an asset. */
export function supplyCap({ cap }: AccountDocument): bigint {
  return cap === null ? MAX_SUPPLY : BigInt(cap);
}

/** Whether a program is among those that a document permits. */
export function allowsProgram(programs: "any" | readonly string[], programDigest: string): boolean {
  return programs === "any" || programs.includes(programDigest);
}
