import type { ByteStream } from "../paths/path.ts";

/** A response whose bytes are read while they are sent. */
export function streamResponse(
  { byteLength, open }: ByteStream,
  mediaType: string,
  status: number,
  headers: Record<string, string>,
) {
  const length = { "content-type": mediaType, "content-length": String(byteLength) };
  return new Response(open(), { status, headers: { ...headers, ...length } });
}

/** A response of exact bytes. They are not copied where the type allows: an answer can be megabytes. */
export function bytesResponse(body: Uint8Array, mediaType: string, status = 200, headers: Record<string, string> = {}): Response {
  const { buffer, byteOffset, length } = body;
  const bytes = buffer instanceof ArrayBuffer ? new Uint8Array(buffer, byteOffset, length) : Uint8Array.from(body);
  return new Response(bytes, { status, headers: { "content-type": mediaType, ...headers } });
}
