/** Digests of files that may be larger than memory. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { digestFromHex, type Sha256Digest } from "../core/digest.ts";

/** SHA-256 of a file, read in pieces. */
export async function digestOfFile(file: string): Promise<Sha256Digest> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  return digestFromHex(hash.digest("hex"));
}
