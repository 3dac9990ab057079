/** What the headers of a clear request must say about its body: its type, and how much of it is JSON. */
import { TrisealError } from "../core/errors.ts";
import type { InferenceRequest } from "../core/oip.ts";
import { BINARY_TYPE, JSON_TYPE, jsonLength } from "../core/oip-body.ts";

/**
 * Checks the media type of a clear request. Clients of the binary tensor data extension state no type at all, or that of
 * plain bytes: then `Inference-Header-Content-Length` says what the body is.
 * @throws TrisealError `REQUEST_MEDIA_TYPE`.
 */
export function assertMessageType(type: string, length: string | null): void {
  if (type === JSON_TYPE || type === "" || (type === BINARY_TYPE && length !== null)) return;
  throw new TrisealError("REQUEST_MEDIA_TYPE", "the body is neither JSON, nor binary tensors after JSON, nor a sealed envelope");
}

/**
 * Checks `Inference-Header-Content-Length` against the body, which alone decides where its JSON ends. A body with binary
 * tensors needs the header, because the protocol says so; one that states the header must have nothing after its tensors.
 * @throws TrisealError `REQUEST_MALFORMED`.
 */
export function assertJsonLength(length: string | null, body: Uint8Array, request: InferenceRequest): void {
  const binary = request.inputs.some(({ content }) => "binary" in content);
  const malformed = (reason: string) => new TrisealError("REQUEST_MALFORMED", `\`Inference-Header-Content-Length\`: ${reason}`);
  if (length === null) {
    if (binary) throw malformed("needed before binary tensors");
    return;
  }
  if (!/^[1-9][0-9]{0,9}$/.test(length)) throw malformed("not a positive integer");
  const actual = jsonLength(body);
  if (Number(length) !== actual) throw malformed("not the length of the JSON at the start of the body");
  if (!binary && actual !== body.length) throw malformed("bytes after the JSON that no tensor claims");
}
