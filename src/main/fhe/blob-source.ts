/** Keys and ciphertexts by digest, from a folder or from a gateway. */
import { mkdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { digestFromHex, digestHex, type Sha256Digest } from "../../core/digest.ts";
import { isTrisealError, TrisealError } from "../../core/errors.ts";
import type { FheService } from "../../paths/fhe/client/fhe-service.ts";
import type { Claim } from "../../paths/fhe/wire/claim.ts";
import { MAX_SERVER_KEY_BYTES } from "../../paths/fhe/wire/key-document.ts";
import { digestOfFile } from "../file-digest.ts";

/** Largest compressed ciphertext, in bytes. */
export const MAX_VALUE_BYTES = 1024 * 1024;

/** A file that a claim names. */
interface Named {
  readonly digest: Sha256Digest;
  readonly maxBytes: number;
}

/** All that a run is executed again with, the server key first; then what came out of it. */
export function namedBy({ keyId, inputs, outputs }: Claim): readonly Named[] {
  const values = [...inputs.flatMap((input) => ("clear" in input ? [] : [input.digest])), ...outputs.map(({ digest }) => digest)];
  return [
    { digest: digestFromHex(keyId), maxBytes: MAX_SERVER_KEY_BYTES },
    ...[...new Set(values)].map((digest) => ({ digest, maxBytes: MAX_VALUE_BYTES })),
  ];
}

/**
 * Fetches what is named into `folder`, each file under the hexadecimal digits of its digest. What is there already is kept, so that
 * several who may read different parts of a run fill one folder.
 * @returns the digests that the service does not give to this API key, or has nowhere: both answer alike.
 */
export async function fetchInto(
  folder: string,
  named: readonly Named[],
  service: Pick<FheService, "blob">,
): Promise<readonly Sha256Digest[]> {
  await mkdir(folder, { recursive: true });
  const missing: Sha256Digest[] = [];
  for (const { digest, maxBytes } of named) {
    const file = join(folder, digestHex(digest));
    if ((await isFile(file)) && (await digestOfFile(file)) === digest) continue;
    try {
      await writeFile(file, await service.blob(digest, maxBytes), { mode: 0o600 });
    } catch (error) {
      if (!isTrisealError(error, "FHE_FORBIDDEN_HANDLE")) throw error;
      missing.push(digest);
    }
  }
  return missing;
}

async function isFile(file: string): Promise<boolean> {
  return (await stat(file).catch(() => null))?.isFile() === true;
}

/** The file of that digest. @throws TrisealError `NOT_FOUND`; `VERIFICATION_FAILED` for other bytes. */
export async function blobFile(folder: string, digest: Sha256Digest): Promise<string> {
  const file = join(folder, digestHex(digest));
  if (!(await isFile(file))) throw new TrisealError("NOT_FOUND", `${digest} is not among the blobs`);
  if ((await digestOfFile(file)) !== digest)
    throw new TrisealError("VERIFICATION_FAILED", `the file of ${digest} has other bytes`);
  return file;
}
