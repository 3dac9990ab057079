/** Secrets that this machine makes for itself, each in a file of its own that is made once. */
import { randomBytes } from "node:crypto";
import { encodeHex, utf8 } from "../core/bytes.ts";
import { nodeFiles, replaceFile } from "../log/store/files.ts";

/** The secret of a file in hexadecimal digits; one of `byteLength` random bytes is made where there is none. */
export async function makeSecretFile(path: string, byteLength: number): Promise<string> {
  const existing = await nodeFiles.read(path);
  if (existing !== null) return new TextDecoder().decode(existing).trim();
  const text = encodeHex(new Uint8Array(randomBytes(byteLength)));
  await replaceFile(nodeFiles, path, utf8(`${text}\n`));
  return text;
}
