/** The body of `add-checkpoint` (C2SP tlog-witness): the size the witness knows, the way from there, the new checkpoint. */
import { encodeBase64, parseBase64, parseUtf8 } from "../../core/bytes.ts";
import { TrisealError } from "../../core/errors.ts";
import { type Checkpoint, parseCheckpointText } from "../checkpoint.ts";
import { type Note, parseNote } from "../note.ts";

/** Largest body of a request, and of an answer, in bytes. */
export const MAX_WITNESS_BODY = 64 * 1024;
/** Most hashes of a consistency proof. */
const MAX_HASHES = 63;

/** Media type of the answer that tells which size the witness cosigned last. */
export const TLOG_SIZE_TYPE = "text/x.tlog.size";

/** A parsed request. Nothing in it is verified. */
export interface WitnessRequest {
  /** Size of the checkpoint that the witness cosigned last, as the log believes. */
  readonly oldSize: number;
  readonly proof: readonly Uint8Array[];
  readonly note: Note;
  readonly checkpoint: Checkpoint;
}

function malformed(reason: string, cause?: unknown): never {
  throw new TrisealError("LOG_PROOF_INVALID", `witness request: ${reason}`, cause === undefined ? {} : { cause });
}

function parseHash(line: string): Uint8Array {
  if (!/^[A-Za-z0-9+/]{43}=$/.test(line)) malformed("bad hash");
  try {
    return parseBase64(line);
  } catch (cause) {
    return malformed("bad hash", cause);
  }
}

/**
 * A size in decimal without leading zeroes.
 * @throws TrisealError `LOG_PROOF_INVALID`.
 */
export function parseTreeSize(text: string): number {
  const size = /^(?:0|[1-9][0-9]{0,15})$/.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(size) ? size : malformed("bad size");
}

/** The body of a request to cosign the checkpoint that the signed note `noteText` holds. */
export function encodeWitnessRequest(oldSize: number, proof: readonly Uint8Array[], noteText: string): string {
  const hashes = proof.map((hash) => `${encodeBase64(hash)}\n`).join("");
  return `old ${oldSize}\n${hashes}\n${noteText}`;
}

/**
 * Parses a request; verifies nothing, and does not compare the sizes. A checkpoint with extension lines is refused: a
 * cosignature would cover them, and no reader of ours knows what they say.
 * @throws TrisealError `LOG_PROOF_INVALID`, or `FORMAT_INVALID` where the bytes are not UTF-8.
 */
export function parseWitnessRequest(body: Uint8Array): WitnessRequest {
  if (body.length > MAX_WITNESS_BODY) malformed("too large");
  const text = parseUtf8(body);
  const split = text.indexOf("\n\n");
  if (split < 0) malformed("no checkpoint");
  const [sizeLine = "", ...hashLines] = text.slice(0, split).split("\n");
  if (!sizeLine.startsWith("old ")) malformed("no old size");
  if (hashLines.length > MAX_HASHES) malformed("proof too long");
  const note = parseNote(text.slice(split + 2));
  const checkpoint = parseCheckpointText(note.text);
  return { oldSize: parseTreeSize(sizeLine.slice(4)), proof: hashLines.map(parseHash), note, checkpoint };
}
