/** Cosignatures of witnesses (C2SP tlog-cosignature, version 1): that a checkpoint was consistent, and when that was. */
import { concatBytes, utf8 } from "../core/bytes.ts";
import { type Signer, verifyEd25519 } from "../core/ed25519.ts";
import { type UnixSeconds, unixSeconds } from "../core/time.ts";
import { COSIGNATURE_TYPE, ED25519_TYPE, isByKey, type Note, type NoteSignature, noteKeyId } from "./note.ts";

/** A witness as a relying party names it. `publicKey` is 64 hexadecimal digits. */
export interface WitnessKey {
  readonly name: string;
  readonly publicKey: string;
}

/** A verified cosignature. */
export interface Cosignature {
  readonly witness: WitnessKey;
  readonly time: UnixSeconds;
}

function cosignedMessage(text: string, time: UnixSeconds): Uint8Array {
  return utf8(`cosignature/v1\ntime ${time}\n${text}`);
}

/** A witness's signature line over the text of a checkpoint. */
export function signCosignature(text: string, name: string, time: UnixSeconds, signer: Signer): NoteSignature {
  const timestamp = new Uint8Array(8);
  new DataView(timestamp.buffer).setBigUint64(0, BigInt(time));
  const signature = concatBytes(timestamp, signer.sign(cosignedMessage(text, time)));
  return { name, keyId: noteKeyId(name, COSIGNATURE_TYPE, signer.publicKey), signature };
}

/** The cosignature in one line of a note by this witness, or null where the line is another's or does not verify. */
export function verifyCosignature(text: string, line: NoteSignature, witness: WitnessKey): Cosignature | null {
  if (!isByKey(line, witness.name, noteKeyId(witness.name, COSIGNATURE_TYPE, witness.publicKey))) return null;
  if (line.signature.length !== 72) return null;
  const seconds = Number(new DataView(line.signature.buffer, line.signature.byteOffset).getBigUint64(0));
  if (!Number.isSafeInteger(seconds)) return null;
  const time = unixSeconds(seconds);
  return verifyEd25519(witness.publicKey, cosignedMessage(text, time), line.signature.subarray(8)) ? { witness, time } : null;
}

/** Who signed a checkpoint, apart from the log itself. */
export interface CosignedBy {
  /** One per witness key, the earliest where a witness stands in several lines. */
  readonly cosignatures: readonly Cosignature[];
  /** Lines that are neither the log's nor a valid cosignature of a known witness. */
  readonly foreign: readonly NoteSignature[];
}

/**
 * Sorts the signature lines of a checkpoint note. A witness key counts once, under however many names it stands.
 * @param logKeys public keys of the log whose origin the note names; their lines are passed over, not verified here.
 */
export function readCosignatures(
  note: Note,
  origin: string,
  logKeys: readonly string[],
  witnesses: readonly WitnessKey[],
): CosignedBy {
  const logKeyIds = logKeys.map((publicKey) => noteKeyId(origin, ED25519_TYPE, publicKey));
  const byKey = new Map<string, Cosignature>();
  const foreign: NoteSignature[] = [];
  for (const line of note.signatures) {
    if (logKeyIds.some((keyId) => isByKey(line, origin, keyId))) continue;
    const cosignature = witnesses.map((witness) => verifyCosignature(note.text, line, witness)).find((found) => found !== null);
    if (cosignature === undefined || cosignature === null) {
      foreign.push(line);
      continue;
    }
    const earlier = byKey.get(cosignature.witness.publicKey);
    if (earlier === undefined || cosignature.time < earlier.time) byKey.set(cosignature.witness.publicKey, cosignature);
  }
  return { cosignatures: [...byKey.values()], foreign };
}
