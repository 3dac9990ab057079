/** Offline proofs of inclusion (C2SP tlog-proof, version 1), in canonical form: no extra line, signatures in a fixed order. */
import { encodeBase64, encodeHex, parseBase64 } from "../core/bytes.ts";
import { TrisealError } from "../core/errors.ts";
import { type Checkpoint, parseCheckpointText } from "./checkpoint.ts";
import { verifyInclusion } from "./merkle.ts";
import { encodeNote, encodeSignatureLine, type Note, type NoteSignature, parseNote } from "./note.ts";

const HEADER = "c2sp.org/tlog-proof@v1";
/** RFC 6962 proofs in trees of at most 2^63 leaves. */
const MAX_HASHES = 63;

/** A parsed proof. Nothing in it is verified. */
export interface TlogProof {
  readonly index: number;
  readonly hashes: readonly Uint8Array[];
  /** The signed checkpoint as a note, and its text. */
  readonly note: Note;
  readonly noteText: string;
  readonly checkpoint: Checkpoint;
}

function malformed(reason: string): never {
  throw new TrisealError("LOG_PROOF_INVALID", `proof: ${reason}`);
}

/** The log's own signature first, then the others by name, then by key id. */
function compareLines(origin: string): (left: NoteSignature, right: NoteSignature) => number {
  const key = (line: NoteSignature) =>
    `${line.name === origin ? "0" : "1"} ${line.name} ${encodeHex(line.keyId)} ${encodeSignatureLine(line)}`;
  return (left, right) => (key(left) < key(right) ? -1 : 1);
}

/** `note` with its signature lines in the order that a proof has them. */
export function canonicalNote(note: Note): Note {
  const { origin } = parseCheckpointText(note.text);
  return { text: note.text, signatures: note.signatures.toSorted(compareLines(origin)) };
}

/** The text of a proof for leaf `index` against the checkpoint that `note` holds. */
export function encodeTlogProof(index: number, hashes: readonly Uint8Array[], note: Note): string {
  const lines = hashes.map((hash) => `${encodeBase64(hash)}\n`).join("");
  return `${HEADER}\nindex ${index}\n${lines}\n${encodeNote(canonicalNote(note))}`;
}

/**
 * Parses a proof; verifies nothing.
 * @throws TrisealError `LOG_PROOF_INVALID`: also for an `extra` line, which nothing would authenticate, and for signature
 *   lines out of order, because a proof has one spelling.
 */
export function parseTlogProof(text: string): TlogProof {
  const split = text.indexOf("\n\n");
  if (split < 0) malformed("no checkpoint");
  const [header, indexLine = "", ...hashLines] = text.slice(0, split).split("\n");
  const index = /^index (0|[1-9][0-9]{0,15})$/.exec(indexLine)?.[1];
  if (header !== HEADER || !Number.isSafeInteger(Number(index)) || hashLines.length > MAX_HASHES) malformed("bad head");
  const hashes = hashLines.map((line) => {
    if (!/^[A-Za-z0-9+/]{43}=$/.test(line)) malformed("bad hash");
    try {
      return parseBase64(line);
    } catch (cause) {
      throw new TrisealError("LOG_PROOF_INVALID", "proof: bad hash", { cause });
    }
  });
  const noteText = text.slice(split + 2);
  const note = parseNote(noteText);
  if (encodeNote(canonicalNote(note)) !== noteText) malformed("signature lines are not in canonical order");
  return { index: Number(index), hashes, note, noteText, checkpoint: parseCheckpointText(note.text) };
}

/** Whether the proof places the leaf with `hash` in the tree of its checkpoint. Does not verify the checkpoint. */
export function verifyTlogProof(proof: TlogProof, hash: Uint8Array): boolean {
  return verifyInclusion(proof.index, proof.checkpoint.size, hash, proof.hashes, proof.checkpoint.root);
}
