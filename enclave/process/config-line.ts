/** How a process of the enclave gets its configuration: one line on standard input, which then stays open as long as the process is wanted. */
import { TrisealError } from "../../src/core/errors.ts";

/** The bytes of the first line, without its end. @throws TrisealError `CONFIG_INVALID` where it has more than `maxBytes`. */
export async function readConfigLine(maxBytes: number): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let length = 0;
  const line = await new Promise<Buffer>((resolve, reject) => {
    process.stdin.on("data", (chunk: Buffer) => {
      const lineEnd = chunk.indexOf("\n");
      chunks.push(lineEnd < 0 ? chunk : chunk.subarray(0, lineEnd));
      length += chunk.length;
      if (length > maxBytes) reject(new TrisealError("CONFIG_INVALID", "the configuration line is too long"));
      else if (lineEnd >= 0) resolve(Buffer.concat(chunks));
    });
  });
  // Read on without keeping anything: the end of the input is still to be seen.
  process.stdin.removeAllListeners("data").resume();
  return line;
}
