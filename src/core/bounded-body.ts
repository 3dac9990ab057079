/** Bodies of responses of somebody else: no more is read of one than it may have. */
import { concatBytes } from "./bytes.ts";

/** The body of a response; null where it is longer than `maxBytes`: the rest is not read. */
export async function readBoundedBody(response: Response, maxBytes: number): Promise<Uint8Array | null> {
  const parts: Uint8Array[] = [];
  let length = 0;
  const reader = response.body?.getReader();
  for (;;) {
    const next = await reader?.read();
    if (next === undefined || next.done) return concatBytes(...parts);
    length += next.value.length;
    if (length > maxBytes) {
      await reader?.cancel();
      return null;
    }
    parts.push(next.value);
  }
}
