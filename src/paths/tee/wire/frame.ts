/**
 * The frame between gateway and worker: a small JSON head, then a body of exact bytes, so that no body is ever
 * re-encoded. `uint32 headLength ‖ head (JSON) ‖ body`.
 */
import { concatBytes, uint32BE } from "../../../core/bytes.ts";
import { boolean, type Decoded, type Decoder, digest, hexText, integer, object, oneOf } from "../../../core/decode.ts";
import { TrisealError } from "../../../core/errors.ts";
import { encodeJcs } from "../../../core/jcs.ts";
import { type JsonObject, parseJson } from "../../../core/json.ts";

/** Media type of a frame. */
export const FRAME_TYPE = "application/vnd.triseal.frame";

const MAX_HEAD_BYTES = 64 * 1024;

/** Decodes the head of an inference frame: what the gateway fixed, and how long the worker may take. */
export const decodeInferHead = object({
  v: oneOf(1),
  decisionDigest: digest,
  nonce: hexText(16),
  modelDigest: digest,
  deadlineMs: integer(1, 3_600_000),
});

/** Head of a request frame. */
export type InferHead = Decoded<typeof decodeInferHead>;

/** Decodes the head of an answer frame. The body is the sealed response; the leg's length says where it starts. */
export const decodeAnswerHead = object({ v: oneOf(1), legLength: integer(1, 16 * 1024 * 1024), requestGuessable: boolean });

/** The bytes of one frame, in parts. */
export function frameParts(head: JsonObject, ...body: readonly Uint8Array[]): readonly Uint8Array[] {
  const headBytes = encodeJcs(head);
  return [concatBytes(uint32BE(headBytes.length), headBytes), ...body];
}

/** The bytes of one frame. */
export function encodeFrame(head: JsonObject, ...body: readonly Uint8Array[]): Uint8Array {
  return concatBytes(...frameParts(head, ...body));
}

/**
 * Head and body of one frame.
 * @throws TrisealError `FORMAT_INVALID`.
 */
export function parseFrame<T>(bytes: Uint8Array, decodeHead: Decoder<T>): { readonly head: T; readonly body: Uint8Array } {
  const headLength = bytes.length < 4 ? -1 : new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
  if (headLength < 0 || headLength > MAX_HEAD_BYTES || headLength + 4 > bytes.length) {
    throw new TrisealError("FORMAT_INVALID", "not a frame");
  }
  const head = decodeHead(parseJson(bytes.subarray(4, 4 + headLength)), "frame head");
  return { head, body: bytes.subarray(4 + headLength) };
}
