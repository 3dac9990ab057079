/**
 * `weights-secret.json`: the salt of a package's private weights. Whoever has it and a model can tell whether a commitment is to that
 * model: it stays with the owner, the provers, and an auditor who is to vouch for the commitment.
 */
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { encodeHex, parseHex, utf8 } from "../../core/bytes.ts";
import { digest, hexText, object, oneOf } from "../../core/decode.ts";
import { TrisealError } from "../../core/errors.ts";
import { parseJson } from "../../core/json.ts";
import { SALT_BYTES } from "../../model/commitment/input-commitment.ts";
import type { CheckedModel } from "../../model/integer/integer-model.ts";

/** The file's name in a package. */
export const SECRET_FILE = "weights-secret.json";

const KIND = "triseal.zk.weights-secret.v1";
const MAX_BYTES = 4096;

const decodeSecret = object({ v: oneOf(1), kind: oneOf(KIND), modelDigest: digest, salt: hexText(SALT_BYTES.most) });

/** A new salt: 248 random bits. */
export function newWeightSalt(): Uint8Array {
  return new Uint8Array(randomBytes(SALT_BYTES.most));
}

/** The bytes of the file. */
export function encodeWeightsSecret({ digest: modelDigest }: CheckedModel, salt: Uint8Array): Uint8Array {
  return utf8(`${JSON.stringify({ v: 1, kind: KIND, modelDigest, salt: encodeHex(salt) })}\n`);
}

/**
 * The salt of `checked` in the package in `folder`; null where the file is not there or is of another model.
 * @throws TrisealError `FORMAT_INVALID` for a file of another form. The message quotes nothing of it.
 */
export async function readWeightSalt(folder: string, checked: CheckedModel): Promise<Uint8Array | null> {
  const bytes = await readFile(join(folder, SECRET_FILE)).catch(() => null);
  if (bytes === null) return null;
  if (bytes.length > MAX_BYTES) throw new TrisealError("FORMAT_INVALID", `\`${SECRET_FILE}\` is too large`);
  const { modelDigest, salt } = decodeSecret(parseJson(new Uint8Array(bytes)), SECRET_FILE);
  return modelDigest === checked.digest ? parseHex(salt) : null;
}
