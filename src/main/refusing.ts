/** How commands end that read, check or refuse something: one line or JSON object, and an exit code by error code. */
import { readFile } from "node:fs/promises";
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

/** The bytes of a file that the command line names. @throws TrisealError `FORMAT_INVALID` where it cannot be read. */
export async function readNamed(file: string): Promise<Uint8Array> {
  const bytes = await readFile(file).catch((cause: unknown) => {
    throw new TrisealError("FORMAT_INVALID", `\`${file.slice(-64)}\` cannot be read`, { cause });
  });
  return new Uint8Array(bytes);
}
