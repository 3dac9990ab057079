/** An attester without hardware, for development and demonstration. It says so in its name and in its evidence type. */
import { readFile } from "node:fs/promises";
import { parseHex, parseUtf8 } from "../../src/core/bytes.ts";
import type { Sha256Digest } from "../../src/core/digest.ts";
import { TrisealError } from "../../src/core/errors.ts";
import { encodeSimulatedEvidence, SIMULATED_TYPE } from "../../src/paths/tee/wire/simulated.ts";
import { createSigner, importSeed } from "../../src/signing/ed25519-signer.ts";
import type { Attester } from "./attester.ts";

/**
 * An attester that signs with a key which the operator made: whoever holds the seed file can make the same evidence.
 * @param seedFile 64 hexadecimal digits, the private Ed25519 seed of the simulated platform; a line end may follow.
 * @param measurement what the simulated platform claims to have measured.
 * @throws TrisealError `KEY_FILE_INVALID` where the file cannot be read or is no seed.
 */
export async function createSimulatedAttester(seedFile: string, measurement: Sha256Digest): Promise<Attester> {
  let seed: Uint8Array;
  try {
    seed = parseHex(parseUtf8(await readFile(seedFile)).trimEnd());
  } catch (cause) {
    throw new TrisealError("KEY_FILE_INVALID", "the seed file of the simulated platform cannot be read", { cause });
  }
  if (seed.length !== 32) throw new TrisealError("KEY_FILE_INVALID", "the seed of the simulated platform must have 32 bytes");
  const platform = createSigner("simulated-platform", importSeed(seed));
  return {
    type: SIMULATED_TYPE,
    devices: async () => [],
    close: async () => {},
    async evidence(reportData, _devices, signal) {
      signal.throwIfAborted();
      return encodeSimulatedEvidence(reportData, measurement, platform);
    },
  };
}
