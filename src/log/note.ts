/** Signed notes (C2SP signed-note): a text and signature lines. Parsing is strict: one note has one spelling. */
import { concatBytes, encodeBase64, encodeHex, equalBytes, parseBase64, parseHex, utf8 } from "../core/bytes.ts";
import { sha256Bytes } from "../core/digest.ts";
import { TrisealError } from "../core/errors.ts";

/** Largest note, in UTF-16 code units. */
export const MAX_NOTE_LENGTH = 64 * 1024;
/** Most signature lines of a note; C2SP asks for at least 16. */
export const MAX_NOTE_SIGNATURES = 32;

/** Signature type of an Ed25519 note signature (C2SP signed-note, "Signature types"). */
export const ED25519_TYPE = 0x01;
/** Signature type of a timestamped Ed25519 cosignature (C2SP tlog-cosignature). */
export const COSIGNATURE_TYPE = 0x04;

/** One signature line. */
export interface NoteSignature {
  readonly name: string;
  /** 4 bytes. */
  readonly keyId: Uint8Array;
  readonly signature: Uint8Array;
}

/** A note. `text` ends with a newline. */
export interface Note {
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

function malformed(reason: string): never {
  throw new TrisealError("LOG_PROOF_INVALID", `note: ${reason}`);
}

/** Whether `name` can name a key: not empty, no Unicode space, no plus, no control character. */
export function isKeyName(name: string): boolean {
  return name.length > 0 && name.length <= 256 && name.isWellFormed() && !/[\s+\p{Cc}\p{Z}]/u.test(name);
}

/** Key id of an Ed25519 key of the given signature type: the first 4 bytes of SHA-256(name ‖ newline ‖ type ‖ key). */
export function noteKeyId(name: string, type: number, publicKey: string): Uint8Array {
  return sha256Bytes(concatBytes(utf8(`${name}\n`), Uint8Array.of(type), parseHex(publicKey))).slice(0, 4);
}

/** The text form of a verifier key: `name+keyId+base64(type ‖ key)`. */
export function encodeVerifierKey(name: string, type: number, publicKey: string): string {
  const material = encodeBase64(concatBytes(Uint8Array.of(type), parseHex(publicKey)));
  return `${name}+${encodeHex(noteKeyId(name, type, publicKey))}+${material}`;
}

/** A parsed verifier key. `publicKey` is 64 hexadecimal digits. */
export interface VerifierKey {
  readonly name: string;
  readonly type: number;
  readonly publicKey: string;
}

/**
 * Parses a verifier key of type Ed25519 or cosignature.
 * @throws TrisealError `LOG_PROOF_INVALID`.
 */
export function parseVerifierKey(text: string): VerifierKey {
  const [, name = "", id = "", material = ""] = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(text) ?? [];
  if (!isKeyName(name)) malformed("not a verifier key");
  let bytes: Uint8Array;
  try {
    bytes = parseBase64(material);
  } catch (cause) {
    throw new TrisealError("LOG_PROOF_INVALID", "note: not a verifier key", { cause });
  }
  const type = bytes[0] ?? 0;
  if (bytes.length !== 33 || (type !== ED25519_TYPE && type !== COSIGNATURE_TYPE)) malformed("a verifier key of another type");
  const publicKey = encodeHex(bytes.subarray(1));
  if (encodeHex(noteKeyId(name, type, publicKey)) !== id) malformed("the verifier key's id is not its own");
  return { name, type, publicKey };
}

/** One signature line, with its newline. */
export function encodeSignatureLine({ name, keyId, signature }: NoteSignature): string {
  return `— ${name} ${encodeBase64(concatBytes(keyId, signature))}\n`;
}

/**
 * Parses one signature line without its newline.
 * @throws TrisealError `LOG_PROOF_INVALID`.
 */
export function parseSignatureLine(line: string): NoteSignature {
  const [, name = "", encoded = ""] = /^— ([^ ]+) ([A-Za-z0-9+/]+={0,2})$/.exec(line) ?? [];
  if (!isKeyName(name)) malformed("bad signature line");
  let bytes: Uint8Array;
  try {
    bytes = parseBase64(encoded);
  } catch (cause) {
    throw new TrisealError("LOG_PROOF_INVALID", "note: bad signature line", { cause });
  }
  if (bytes.length < 5) malformed("signature too short");
  return { name, keyId: bytes.slice(0, 4), signature: bytes.slice(4) };
}

/** The text of a signed note. */
export function encodeNote(note: Note): string {
  return `${note.text}\n${note.signatures.map(encodeSignatureLine).join("")}`;
}

/**
 * Parses a signed note; verifies nothing.
 * @throws TrisealError `LOG_PROOF_INVALID`: too large, a control character, no signature, or a line given twice.
 */
export function parseNote(text: string): Note {
  if (text.length > MAX_NOTE_LENGTH) malformed("too long");
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused here
  if (!text.isWellFormed() || /[\u0000-\u0009\u000b-\u001f]/.test(text)) malformed("control character");
  const split = text.lastIndexOf("\n\n");
  if (split < 0 || !text.endsWith("\n")) malformed("no signatures");
  const lines = text.slice(split + 2, -1).split("\n");
  if (lines.length > MAX_NOTE_SIGNATURES) malformed("too many signatures");
  if (new Set(lines).size !== lines.length) malformed("a signature line stands twice");
  return { text: text.slice(0, split + 1), signatures: lines.map(parseSignatureLine) };
}

/** Whether `signature` names the key `name` with the given id. */
export function isByKey(signature: NoteSignature, name: string, keyId: Uint8Array): boolean {
  return signature.name === name && equalBytes(signature.keyId, keyId);
}
