/** Reads a request body under a limit, without ever holding more than the limit. */
import type { Readable } from "node:stream";
import { concatBytes } from "../core/bytes.ts";
import { TrisealError } from "../core/errors.ts";
import type { HeldBytes } from "./body-memory.ts";

/**
 * The body of `request`, at most `maxBytes`; its bytes are taken from `held` as they come, so that a slow body holds
 * what it sent and not what it announced.
 * @param incoming the connection's side of the same request, where there is one: its bytes come without a web stream around them.
 * @throws TrisealError `REQUEST_TOO_LARGE`, `REQUEST_MEDIA_TYPE` for a compressed body, `CLIENT_ABORTED`, `OVERLOADED`,
 *   `TOO_MANY_REQUESTS`.
 */
export async function readBody(request: Request, maxBytes: number, held: HeldBytes, incoming?: Readable): Promise<Uint8Array> {
  const encoding = request.headers.get("content-encoding");
  if (encoding !== null && encoding !== "identity")
    throw new TrisealError("REQUEST_MEDIA_TYPE", "compressed bodies are not accepted");
  const announced = Number(request.headers.get("content-length") ?? 0);
  if (announced > maxBytes) throw tooLarge(maxBytes);
  held.assertRoom(announced);
  const parts: Uint8Array[] = [];
  let length = 0;
  const take = (part: Uint8Array) => {
    length += part.length;
    if (length > maxBytes) throw tooLarge(maxBytes);
    held.take(part.length);
    parts.push(part);
  };
  try {
    if (incoming !== undefined) await fromConnection(incoming, take);
    else if (request.body !== null) await fromStream(request.body, take);
  } catch (cause) {
    if (cause instanceof TrisealError) throw cause;
    throw new TrisealError("CLIENT_ABORTED", "the body did not arrive", { cause });
  }
  return concatBytes(...parts);
}

async function fromStream(body: ReadableStream<Uint8Array>, take: (part: Uint8Array) => void): Promise<void> {
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      take(value);
    }
  } catch (error) {
    await reader.cancel().catch(() => undefined);
    throw error;
  }
}

/** Resolves at the end of the body. Once it rejected, nothing more is taken: the server does away with the rest. */
function fromConnection(incoming: Readable, take: (part: Uint8Array) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const onData = (part: Uint8Array) => {
      try {
        take(part);
      } catch (error) {
        incoming.off("data", onData).pause();
        reject(error instanceof Error ? error : new Error("the body was not taken", { cause: error }));
      }
    };
    const onClose = () => reject(new Error("the connection closed"));
    const onEnd = () => {
      // Every body's stream closes in the end, and an error costs its stack trace, also where nobody gets it.
      incoming.off("close", onClose);
      resolve();
    };
    incoming.on("data", onData).once("end", onEnd).once("error", reject).once("close", onClose);
    if (incoming.destroyed) onClose();
  });
}

function tooLarge(maxBytes: number): TrisealError {
  return new TrisealError("REQUEST_TOO_LARGE", `the body is larger than ${maxBytes} bytes`);
}
