/** Keeps answers only under a key of the day, which is deleted after `retain`: then the stored answer is gone for good. */
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

function importKey(key: Uint8Array): Promise<CryptoKey> {
  return crypto.subtle.importKey("raw", Uint8Array.from(key), "AES-GCM", false, ["encrypt", "decrypt"]);
}

/** Encrypts `answer` (AES-256-GCM, random 96-bit nonce in front). */
export async function storeAnswer(keys: VaultKeys, answer: Uint8Array): Promise<SealedAnswer> {
  const { name, key } = await keys.current();
  const nonce = crypto.getRandomValues(new Uint8Array(NONCE_LENGTH));
  const sealed = await crypto.subtle.encrypt({ name: "AES-GCM", iv: nonce }, await importKey(key), Uint8Array.from(answer));
  return { keyName: name, sealed: concatBytes(nonce, new Uint8Array(sealed)) };
}

/** The stored answer, or null once its key was deleted. */
export async function openAnswer(keys: VaultKeys, stored: SealedAnswer): Promise<Uint8Array | null> {
  const key = await keys.find(stored.keyName);
  if (key === null) return null;
  const nonce = Uint8Array.from(stored.sealed.subarray(0, NONCE_LENGTH));
  const data = Uint8Array.from(stored.sealed.subarray(NONCE_LENGTH));
  return new Uint8Array(await crypto.subtle.decrypt({ name: "AES-GCM", iv: nonce }, await importKey(key), data));
}
