/** Keeps answers only under a key of the day, which is deleted after `retain`: then the stored answer is gone for good. */
import { createCipheriv, createDecipheriv } from "node:crypto";
import { concatBytes } from "../core/bytes.ts";

/** Where the keys of the vault live. The composition root keeps them in files of mode 0600 and deletes old ones. */
export interface VaultKeys {
  /** Name and 32 bytes of the key for new answers. */
  current(): Promise<{ readonly name: string; readonly key: Uint8Array }>;
  /** A key by its name, or null once it was deleted. */
  find(name: string): Promise<Uint8Array | null>;
}

/** A stored answer. */
export interface SealedAnswer {
  readonly keyName: string;
  readonly sealed: Uint8Array;
}

const NONCE_LENGTH = 12;
const TAG_LENGTH = 16;

/** Encrypts `answer`: random 96-bit nonce, AES-256-GCM ciphertext, tag. */
export async function storeAnswer(keys: VaultKeys, answer: Uint8Array): Promise<SealedAnswer> {
  const { name, key } = await keys.current();
  const nonce = crypto.getRandomValues(new Uint8Array(NONCE_LENGTH));
  // In one step, on this thread: handing a few kilobytes to another one costs more than encrypting them.
  const cipher = createCipheriv("aes-256-gcm", key, nonce, { authTagLength: TAG_LENGTH });
  return { keyName: name, sealed: concatBytes(nonce, cipher.update(answer), cipher.final(), cipher.getAuthTag()) };
}

/** The stored answer, or null once its key was deleted. */
export async function openAnswer(keys: VaultKeys, stored: SealedAnswer): Promise<Uint8Array | null> {
  const key = await keys.find(stored.keyName);
  if (key === null) return null;
  const { sealed } = stored;
  const [nonce, tagStart] = [sealed.subarray(0, NONCE_LENGTH), sealed.length - TAG_LENGTH];
  if (tagStart < NONCE_LENGTH) throw new RangeError("a stored answer is shorter than its nonce and tag");
  const decipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: TAG_LENGTH });
  decipher.setAuthTag(sealed.subarray(tagStart));
  return concatBytes(decipher.update(sealed.subarray(NONCE_LENGTH, tagStart)), decipher.final());
}
