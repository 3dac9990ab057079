/** Checkpoints (C2SP tlog-checkpoint): a signed note of origin, size and root. No extension lines. */
import { encodeBase64, parseBase64, utf8 } from "../core/bytes.ts";
import { type Signer, verifyEd25519 } from "../core/ed25519.ts";
import { TrisealError } from "../core/errors.ts";
import { ED25519_TYPE, encodeNote, isByKey, isKeyName, type Note, noteKeyId, parseNote } from "./note.ts";

/** State of a log: `size` leaves under `root` (32 bytes). */
export interface Checkpoint {
  readonly origin: string;
  readonly size: number;
  readonly root: Uint8Array;
}

/** The three lines of a checkpoint. */
export function encodeCheckpointText({ origin, size, root }: Checkpoint): string {
  return `${origin}\n${size}\n${encodeBase64(root)}\n`;
}

/**
 * Reads the text of a checkpoint; verifies nothing.
 * @throws TrisealError `LOG_PROOF_INVALID`.
 */
export function parseCheckpointText(text: string): Checkpoint {
  const [, origin = "", size = "", root = ""] = /^([^\n]+)\n(0|[1-9][0-9]{0,15})\n([A-Za-z0-9+/]{43}=)\n$/.exec(text) ?? [];
  if (!isKeyName(origin) || !Number.isSafeInteger(Number(size))) {
    throw new TrisealError("LOG_PROOF_INVALID", "checkpoint: expected origin, size and root, each on a line");
  }
  try {
    return { origin, size: Number(size), root: parseBase64(root) };
  } catch (cause) {
    throw new TrisealError("LOG_PROOF_INVALID", "checkpoint: root is not canonical base64", { cause });
  }
}

/** The signed note of `checkpoint`; the key's name is the origin. */
export function signCheckpoint(checkpoint: Checkpoint, signer: Signer): string {
  const text = encodeCheckpointText(checkpoint);
  const keyId = noteKeyId(checkpoint.origin, ED25519_TYPE, signer.publicKey);
  return encodeNote({ text, signatures: [{ name: checkpoint.origin, keyId, signature: signer.sign(utf8(text)) }] });
}

/** A checkpoint that one of the log's keys signed. */
export interface VerifiedCheckpoint {
  readonly checkpoint: Checkpoint;
  readonly note: Note;
  /** The key that signed, 64 hexadecimal digits. */
  readonly publicKey: string;
}

/**
 * The checkpoint of a signed note, verified under one of the log's public keys.
 * @param publicKeys Ed25519 keys that may sign for `origin`, 64 hexadecimal digits each.
 * @throws TrisealError `LOG_PROOF_INVALID`: malformed, another origin, no signature of these keys, or a wrong one.
 */
export function verifyCheckpoint(noteText: string, origin: string, publicKeys: readonly string[]): VerifiedCheckpoint {
  const note = parseNote(noteText);
  const checkpoint = parseCheckpointText(note.text);
  if (checkpoint.origin !== origin) throw new TrisealError("LOG_PROOF_INVALID", "checkpoint of another log");
  for (const publicKey of publicKeys) {
    const keyId = noteKeyId(origin, ED25519_TYPE, publicKey);
    const line = note.signatures.find((signature) => isByKey(signature, origin, keyId));
    if (line !== undefined && verifyEd25519(publicKey, utf8(note.text), line.signature)) return { checkpoint, note, publicKey };
  }
  throw new TrisealError("LOG_PROOF_INVALID", "checkpoint without a valid signature of the log");
}
