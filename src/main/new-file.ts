/** Files that a command leaves, and never in the place of another. */
import { writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { TrisealError } from "../core/errors.ts";

/** Writes a file that is not there yet. @throws TrisealError `CONFIG_INVALID` where it is, or cannot be written. */
export async function writeNew(file: string, content: string | Uint8Array, mode = 0o644): Promise<void> {
  await writeFile(file, content, { flag: "wx", mode }).catch((cause: unknown) => {
    throw new TrisealError("CONFIG_INVALID", `\`${basename(file)}\` is there already, or cannot be written`, { cause });
  });
}
