/** Reads a request body under a limit, without ever holding more than the limit. */
import { concatBytes } from "../core/bytes.ts";
import { TrisealError } from "../core/errors.ts";

/**
 * The body of `request`, at most `maxBytes`.
 * @throws TrisealError `REQUEST_TOO_LARGE`, `REQUEST_MEDIA_TYPE` for a compressed body, `CLIENT_ABORTED`.
 */
export async function readBody(request: Request, maxBytes: number): Promise<Uint8Array> {
  const encoding = request.headers.get("content-encoding");
  if (encoding !== null && encoding !== "identity")
    throw new TrisealError("REQUEST_MEDIA_TYPE", "compressed bodies are not accepted");
  if (Number(request.headers.get("content-length") ?? 0) > maxBytes) throw tooLarge(maxBytes);
  if (request.body === null) return new Uint8Array();
  const parts: Uint8Array[] = [];
  let length = 0;
  const reader = request.body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      length += value.length;
      if (length > maxBytes) throw tooLarge(maxBytes);
      parts.push(value);
    }
  } catch (cause) {
    await reader.cancel().catch(() => undefined);
    if (cause instanceof TrisealError) throw cause;
    throw new TrisealError("CLIENT_ABORTED", "the body did not arrive", { cause });
  }
  return concatBytes(...parts);
}

function tooLarge(maxBytes: number): TrisealError {
  return new TrisealError("REQUEST_TOO_LARGE", `the body is larger than ${maxBytes} bytes`);
}
