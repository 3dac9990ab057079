/** A response of exact bytes. */
export function bytesResponse(body: Uint8Array, mediaType: string, status = 200, headers: Record<string, string> = {}): Response {
  return new Response(Uint8Array.from(body), { status, headers: { "content-type": mediaType, ...headers } });
}
