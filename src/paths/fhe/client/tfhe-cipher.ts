/**
 * Encrypts and decrypts on the caller's machine, with the WebAssembly build of tfhe-rs: `node-tfhe` in Node, `tfhe` in a browser,
 * version 1.7.0 of either. The library is handed in, so that this file runs where either of them does. Key sets are made natively:
 * the library cannot make the parts that the service needs (SPEC 4).
 */
import { isTrisealError, TrisealError } from "../../../core/errors.ts";

/** A value or key inside the library, which holds memory until it is freed. */
interface Held {
  free(): void;
}

interface Ciphertext extends Held {
  decrypt(key: Held): unknown;
  safe_serialize(limit: bigint): Uint8Array;
}

/** The class of one type, such as `FheUint64`. */
interface CiphertextClass {
  encrypt_with_client_key(value: unknown, key: Held): Ciphertext;
  safe_deserialize(bytes: Uint8Array, limit: bigint): Ciphertext;
}

/** What is used of the library: its module as it is imported. */
export interface TfheLibrary {
  readonly TfheClientKey: { safe_deserialize(bytes: Uint8Array, limit: bigint): Held };
}

/** Largest client key, in bytes. */
const MAX_CLIENT_KEY_BYTES = 16 * 1024 * 1024;

/** Largest expanded ciphertext, in bytes: 32 blocks of `u64` have half a MiB. */
export const MAX_EXPANDED_BYTES: number = 2 * 1024 * 1024;

/** Encrypts and decrypts under one client key. */
export interface FheCipher {
  /**
   * A fresh ciphertext, as a run document takes it (`ciphertext`). It proves nothing: a run that touches an account takes proven lists only.
   * @param value a clear value (SPEC 1).
   * @throws TrisealError `FORMAT_INVALID` for a type that is none, and for a value out of its range.
   */
  encrypt(type: string, value: string): Uint8Array;
  /**
   * The clear value of a ciphertext, as `GET /v1/fhe/blobs/…?form=expanded` gives it. A ciphertext of another key gives some number:
   * nothing in it says whose it is.
   * @throws TrisealError `FORMAT_INVALID` for what is no ciphertext of that type.
   */
  decrypt(type: string, ciphertext: Uint8Array): string;
  /** Frees the key. Nothing can be encrypted or decrypted afterwards. */
  close(): void;
}

interface Form {
  readonly name: string;
  readonly bits: number;
  readonly signed: boolean;
}

function formOf(type: string): Form {
  if (type === "bool") return { name: "FheBool", bits: 1, signed: false };
  const [, sign, digits = ""] = /^([ui])(2|4|6|8|10|12|14|16|32|64)$/.exec(type) ?? [];
  if (sign === undefined) throw new TrisealError("FORMAT_INVALID", "expected the name of a type");
  return { name: `Fhe${sign === "u" ? "Uint" : "Int"}${digits}`, bits: Number(digits), signed: sign === "i" };
}

/** The value as the library takes it: it wraps what is out of range without a word. */
function libraryValue({ name, bits, signed }: Form, value: string): boolean | number | bigint {
  if (name === "FheBool" && /^(?:true|false)$/.test(value)) return value === "true";
  if (name !== "FheBool" && /^(?:0|-?[1-9][0-9]{0,19})$/.test(value)) {
    const number = BigInt(value);
    const [least, most] = signed ? [-(2n ** BigInt(bits - 1)), 2n ** BigInt(bits - 1)] : [0n, 2n ** BigInt(bits)];
    if (number >= least && number < most) return bits > 32 ? number : Number(number);
  }
  throw new TrisealError("FORMAT_INVALID", "the value is none of its type");
}

/** @throws TrisealError `FORMAT_INVALID` in place of whatever the library throws, which is often a string. */
function within<T>(what: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (isTrisealError(cause)) throw cause;
    throw new TrisealError("FORMAT_INVALID", what, { cause });
  }
}

/** Works with what the library holds, and frees it. */
function freeing<T extends Held, R>(held: T, work: (held: T) => R): R {
  try {
    return work(held);
  } finally {
    held.free();
  }
}

/**
 * Opens a client key that `triseal fhe keygen` made.
 * @param library the module `node-tfhe`, or `tfhe` after its initialisation.
 * @throws TrisealError `FORMAT_INVALID` for what is no client key.
 */
export function openCipher(library: TfheLibrary, clientKey: Uint8Array): FheCipher {
  const limit = BigInt(MAX_EXPANDED_BYTES);
  if (clientKey.length > MAX_CLIENT_KEY_BYTES) throw new TrisealError("FORMAT_INVALID", "the client key is too large");
  const key = within("the bytes are no client key", () =>
    library.TfheClientKey.safe_deserialize(clientKey, BigInt(MAX_CLIENT_KEY_BYTES)),
  );
  const classOf = ({ name }: Form): CiphertextClass => {
    const found = Object.getOwnPropertyDescriptor(library, name)?.value as CiphertextClass | undefined;
    if (found === undefined) throw new TrisealError("FORMAT_INVALID", `the library has no ${name}`);
    return found;
  };
  const sizes = new Map<string, number>();
  const encrypt = (type: string, value: string): Uint8Array => {
    const form = formOf(type);
    const given = libraryValue(form, value);
    return within("the value could not be encrypted", () =>
      freeing(classOf(form).encrypt_with_client_key(given, key), (made) => made.safe_serialize(limit)),
    );
  };
  /** The library takes a ciphertext of another width for one of this, and gives a part of its value. */
  const assertWidth = (type: string, length: number): void => {
    const size = sizes.get(type) ?? encrypt(type, type === "bool" ? "false" : "0").length;
    sizes.set(type, size);
    if (Math.abs(length - size) > 4096) throw new TrisealError("FORMAT_INVALID", `the ciphertext is none of ${type}`);
  };
  const decrypt = (type: string, ciphertext: Uint8Array): string => {
    const form = formOf(type);
    assertWidth(type, ciphertext.length);
    return within("the bytes are no ciphertext of this type", () =>
      freeing(classOf(form).safe_deserialize(ciphertext, limit), (held) => String(held.decrypt(key))),
    );
  };
  return { encrypt, decrypt, close: () => key.free() };
}
