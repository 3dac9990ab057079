/** The native program that decrypts one compressed value (fhe SPEC 8): one process each, that ends. It alone opens the client key. */
import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { utf8 } from "../../src/core/bytes.ts";
import { object, text } from "../../src/core/decode.ts";
import { digestOf, type Sha256Digest } from "../../src/core/digest.ts";
import { TrisealError } from "../../src/core/errors.ts";
import { isJsonObject, parseJson } from "../../src/core/json.ts";
import { fheError } from "../../src/paths/fhe/wire/codes.ts";

const DEADLINE_MS = 60_000;
const MAX_OUTPUT = 65_536;

/** How names of folders begin that a ciphertext passes through. */
const PLACE = "value-";

const decodeAnswer = object({ type: text(8), value: text(32) });

/** Decrypts a compressed value of a type. @throws TrisealError `FHE_INPUT_MALFORMED`, `FHE_INPUT_FOREIGN_KEY`, `FHE_INPUT_TYPE`; `INTERNAL`. */
export type Decrypt = (type: string, compressed: Uint8Array) => Promise<string>;

/**
 * The program at `file`, which must be the one that the configuration names.
 * @param folder of the holder alone: ciphertexts pass through it.
 * @throws TrisealError `CONFIG_INVALID`.
 */
export async function openDecryptProgram(file: string, named: Sha256Digest, clientKey: string, folder: string): Promise<Decrypt> {
  const bytes = await readFile(file).catch((cause: unknown) => {
    throw new TrisealError("CONFIG_INVALID", "key holder config: the decrypting program cannot be read", { cause });
  });
  if (digestOf(bytes) !== named)
    throw new TrisealError("CONFIG_INVALID", "key holder config: the program is another than `measured.decryptsWith` names");
  // A process that died in the middle left its ciphertext.
  for (const left of await readdir(folder)) if (left.startsWith(PLACE)) await rm(join(folder, left), { recursive: true });
  return async (type, compressed) => {
    const place = await mkdtemp(join(folder, PLACE));
    try {
      await writeFile(join(place, "value"), compressed, { mode: 0o600 });
      return await run(file, ["decrypt", "--key", clientKey, "--type", type, join(place, "value"), "--json"]);
    } finally {
      await rm(place, { recursive: true, force: true });
    }
  };
}

function run(file: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(file, args, { timeout: DEADLINE_MS, maxBuffer: MAX_OUTPUT, env: {} }, (error, stdout, stderr) => {
      if (error !== null) reject(errorOf(stderr));
      else {
        try {
          resolve(decodeAnswer(parseJson(utf8(stdout)), "decrypted").value);
        } catch {
          reject(new TrisealError("INTERNAL", "the decrypting program answered something else"));
        }
      }
    });
  });
}

const INPUT_CODES = ["FHE_INPUT_MALFORMED", "FHE_INPUT_FOREIGN_KEY", "FHE_INPUT_TYPE"] as const;

/** The error of the program's last line, if it is about what was sent. */
function errorOf(stderr: string): TrisealError {
  const failed = new TrisealError("INTERNAL", "the decrypting program failed");
  try {
    const line = parseJson(utf8(stderr.trim().split("\n").at(-1) ?? ""));
    const error = isJsonObject(line) ? line["error"] : undefined;
    const stated = error !== undefined && isJsonObject(error) ? error["code"] : undefined;
    const code = INPUT_CODES.find((known) => known === stated);
    return code === undefined ? failed : fheError(code, "the output's bytes are no value of its type under this key");
  } catch {
    return failed;
  }
}
