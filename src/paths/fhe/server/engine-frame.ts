/** Frames of the engine's protocol (SPEC.md section 8): a JSON message, and bytes in pieces that it tells the lengths of. */
import { utf8 } from "../../../core/bytes.ts";
import { TrisealError } from "../../../core/errors.ts";
import { isJsonObject, type JsonObject, parseJson } from "../../../core/json.ts";

/** Longest JSON of a message. */
export const MAX_MESSAGE_BYTES = 64 * 1024;
/** Longest body of a message. */
export const MAX_BODY_BYTES = 64 * 1024 * 1024;

const HEADER_BYTES = 8;

/** A message with its pieces. */
export interface EngineFrame {
  readonly message: JsonObject;
  readonly parts: readonly Uint8Array[];
}

/**
 * The bytes of a frame, piece by piece. `parts` of the message are written here.
 * @throws TrisealError `REQUEST_TOO_LARGE` beyond what the protocol carries.
 */
export function encodeFrame({ message, parts }: EngineFrame): readonly Uint8Array[] {
  const text = utf8(JSON.stringify({ ...message, parts: parts.map((part) => part.length) }));
  const bodyBytes = parts.reduce((sum, part) => sum + part.length, 0);
  if (text.length > MAX_MESSAGE_BYTES || bodyBytes > MAX_BODY_BYTES)
    throw new TrisealError("REQUEST_TOO_LARGE", "the run is larger than the engine takes");
  const header = new Uint8Array(HEADER_BYTES);
  const view = new DataView(header.buffer);
  view.setUint32(0, text.length);
  view.setUint32(4, bodyBytes);
  return [header, text, ...parts];
}

/** Puts frames together from what arrives. Holds no more than one frame's limits and one chunk. */
export class FrameReader {
  private chunks: Uint8Array[] = [];
  private held = 0;

  /** Frames that are complete with this chunk. @throws TrisealError `FORMAT_INVALID`: what follows cannot be told apart any more. */
  push(chunk: Uint8Array): readonly EngineFrame[] {
    // A socket's chunk is a `Buffer`: what leaves here is bytes and nothing more.
    this.chunks.push(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length));
    this.held += chunk.length;
    const frames: EngineFrame[] = [];
    for (let frame = this.next(); frame !== null; frame = this.next()) frames.push(frame);
    return frames;
  }

  private next(): EngineFrame | null {
    if (this.held < HEADER_BYTES) return null;
    const header = this.peek(HEADER_BYTES);
    const view = new DataView(header.buffer, header.byteOffset);
    const [textBytes, bodyBytes] = [view.getUint32(0), view.getUint32(4)];
    if (textBytes > MAX_MESSAGE_BYTES || bodyBytes > MAX_BODY_BYTES)
      throw new TrisealError("FORMAT_INVALID", "a frame is longer than the protocol allows");
    const length = HEADER_BYTES + textBytes + bodyBytes;
    if (this.held < length) return null;
    return parseFrame(this.take(length), textBytes);
  }

  /** The first bytes of what is held, left where they are. */
  private peek(count: number): Uint8Array {
    if ((this.chunks[0]?.length ?? 0) < count) this.chunks = [join(this.chunks)];
    return (this.chunks[0] ?? new Uint8Array()).subarray(0, count);
  }

  private take(count: number): Uint8Array {
    const all = this.chunks.length === 1 ? (this.chunks[0] ?? new Uint8Array()) : join(this.chunks);
    this.chunks = count === all.length ? [] : [all.subarray(count)];
    this.held -= count;
    return all.subarray(0, count);
  }
}

function join(chunks: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}

function parseFrame(bytes: Uint8Array, textBytes: number): EngineFrame {
  const body = bytes.subarray(HEADER_BYTES + textBytes);
  const message = parseJson(bytes.subarray(HEADER_BYTES, HEADER_BYTES + textBytes));
  const lengths = isJsonObject(message) && message["parts"] !== undefined ? message["parts"] : [];
  if (!isJsonObject(message) || !Array.isArray(lengths)) throw malformed();
  const parts: Uint8Array[] = [];
  let at = 0;
  for (const length of lengths) {
    if (typeof length !== "number" || !Number.isSafeInteger(length) || length < 0) throw malformed();
    parts.push(body.subarray(at, at + length));
    at += length;
  }
  if (at !== body.length) throw malformed();
  return { message, parts };
}

function malformed(): TrisealError {
  return new TrisealError("FORMAT_INVALID", "a frame's message does not describe its body");
}
