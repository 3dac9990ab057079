/** Ed25519 keys of people, in files that they name: contributors to a setup, signers of balances and reference values, enrollers. */
import { randomBytes } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { encodeHex, parseHex } from "../core/bytes.ts";
import type { Signer } from "../core/ed25519.ts";
import { TrisealError } from "../core/errors.ts";
import { createSeedSigner } from "../signing/ed25519-signer.ts";

function malformed(reason: string): never {
  throw new TrisealError("FORMAT_INVALID", reason);
}

/** The key of a file: 32 bytes in hexadecimal, made and kept where the file is not there. @throws TrisealError `FORMAT_INVALID`. */
export async function readSeedFile(file: string | undefined): Promise<Signer> {
  if (file === undefined) return malformed("--key wants the file of your Ed25519 key; one that is not there is made");
  const existing = await readFile(file, "utf8").catch(() => null);
  const seed = existing?.trim() ?? encodeHex(new Uint8Array(randomBytes(32)));
  if (!/^[0-9a-f]{64}$/.test(seed)) malformed("the key's file holds no seed of 32 bytes in hexadecimal");
  if (existing === null) await writeFile(file, `${seed}\n`, { mode: 0o600, flag: "wx" });
  return createSeedSigner("seed", parseHex(seed));
}
