/** How commands end that read, check or refuse something: one line or JSON object, and an exit code by error code. */
import { createReadStream } from "node:fs";
import { concatBytes } from "../core/bytes.ts";
import { isTrisealError, TrisealError } from "../core/errors.ts";
import { FAILURE_EXIT } from "./exit-code.ts";

/** Runs `work`; a refusal is one line on standard error, or one JSON object, and its exit code. */
export type Refusing = (json: true | undefined, work: () => Promise<void>) => Promise<void>;

/** @param exits exit codes by error code; what stands nowhere is a failure of another kind. */
export function refusingWith(exits: Readonly<Record<string, number>>): Refusing {
  return async (json, work) => {
    try {
      await work();
    } catch (error) {
      if (!isTrisealError(error)) throw error;
      const { code, message } = error;
      if (json) console.log(JSON.stringify({ ok: false, code, message }));
      else console.error(`triseal: ${code}: ${message}`);
      process.exitCode = exits[code] ?? FAILURE_EXIT;
    }
  };
}

/** Longest file that is read where its form has no limit of its own. */
const MAX_NAMED_BYTES = 256 * 1024 * 1024;

/**
 * The bytes of a file that the command line names; it may be a pipe.
 * @throws TrisealError `FORMAT_INVALID` where it cannot be read, or has more than `maxBytes`.
 */
export async function readNamed(file: string, maxBytes = MAX_NAMED_BYTES): Promise<Uint8Array> {
  const name = `\`${file.slice(-64)}\``;
  const parts: Uint8Array[] = [];
  try {
    // The last byte is the first that is too many.
    for await (const part of createReadStream(file, { end: maxBytes })) parts.push(part as Uint8Array);
  } catch (cause) {
    throw new TrisealError("FORMAT_INVALID", `${name} cannot be read`, { cause });
  }
  const bytes = concatBytes(...parts);
  if (bytes.length > maxBytes) throw new TrisealError("FORMAT_INVALID", `${name} has more than ${maxBytes} bytes`);
  return bytes;
}

/** Longest file of authorities: all that a system trusts are a quarter of it. */
const MAX_AUTHORITIES_BYTES = 1024 * 1024;

/** The certificates in PEM that `--ca` names. @throws TrisealError `CONFIG_INVALID`. */
export async function readAuthorities(file: string): Promise<string> {
  const bytes = await readNamed(file, MAX_AUTHORITIES_BYTES).catch((cause: unknown) => {
    throw new TrisealError("CONFIG_INVALID", "--ca names no file of authorities that can be read", { cause });
  });
  return new TextDecoder().decode(bytes);
}
