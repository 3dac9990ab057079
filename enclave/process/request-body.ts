/** Bodies of requests to a process of the enclave. */
import type { IncomingMessage } from "node:http";
import { TrisealError } from "../../src/core/errors.ts";

/** The body of a request. @throws TrisealError `REQUEST_TOO_LARGE` where it has more than `maxBytes`; `CLIENT_ABORTED`. */
export function readBody(request: IncomingMessage, maxBytes: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const refuse = () => reject(new TrisealError("REQUEST_TOO_LARGE", `the body has more than ${maxBytes} bytes`));
    if (Number(request.headers["content-length"] ?? 0) > maxBytes) {
      refuse();
      return;
    }
    const chunks: Buffer[] = [];
    let length = 0;
    // Listeners, not iteration: an iterator over a stream costs more than everything else in reading a small body.
    request.on("data", (chunk: Buffer) => {
      length += chunk.length;
      if (length <= maxBytes) chunks.push(chunk);
      else {
        request.pause();
        refuse();
      }
    });
    const onClose = () => reject(new TrisealError("CLIENT_ABORTED", "the connection closed"));
    request.once("end", () => {
      // What ended closes, too: no error, and no stack trace, for that.
      request.off("close", onClose);
      resolve(Buffer.concat(chunks, length));
    });
    request.once("error", reject).once("close", onClose);
  });
}
