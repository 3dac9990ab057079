/** Reads a request body under a limit, without ever holding more than the limit. */
import { concatBytes } from "../core/bytes.ts";
import { TrisealError } from "../core/errors.ts";
import type { HeldBytes } from "./body-memory.ts";

/**
 * The body of `request`, at most `maxBytes`; its bytes are taken from `held` as they come, so that a slow body holds
 * what it sent and not what it announced.
 * @throws TrisealError `REQUEST_TOO_LARGE`, `REQUEST_MEDIA_TYPE` for a compressed body, `CLIENT_ABORTED`, `OVERLOADED`,
 *   `TOO_MANY_REQUESTS`.
 */
export async function readBody(request: Request, maxBytes: number, held: HeldBytes): Promise<Uint8Array> {
  const encoding = request.headers.get("content-encoding");
  if (encoding !== null && encoding !== "identity")
    throw new TrisealError("REQUEST_MEDIA_TYPE", "compressed bodies are not accepted");
  const announced = Number(request.headers.get("content-length") ?? 0);
  if (announced > maxBytes) throw tooLarge(maxBytes);
  held.assertRoom(announced);
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
      held.take(value.length);
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
