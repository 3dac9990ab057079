/**
 * TPM2_MakeCredential in software (part 1, section 24): a secret that only the TPM with this endorsement key opens, and only where it
 * holds the key of this name. For endorsement keys in ECC P-256.
 */
import { createCipheriv, createECDH, createHash, createHmac } from "node:crypto";
import { concatBytes, uint32BE, utf8 } from "../../../src/core/bytes.ts";
import { attesterError } from "../attester-error.ts";
import type { TpmPublicKey } from "./tpm2-key.ts";
import { sized } from "./tpm2-wire.ts";

/** A credential as TPM2_ActivateCredential takes it. */
export interface Credential {
  /** Content of the TPM2B_ID_OBJECT. */
  readonly blob: Uint8Array;
  /** Content of the TPM2B_ENCRYPTED_SECRET. */
  readonly secret: Uint8Array;
}

const bytesOf = (buffer: Uint8Array): Uint8Array => new Uint8Array(buffer);

/** KDFe (part 1, section 11.4.10.3) with SHA-256, for 32 bytes: one round. */
function deriveFromPoint(shared: Uint8Array, label: string, ours: Uint8Array, theirs: Uint8Array): Uint8Array {
  return bytesOf(
    createHash("sha256")
      .update(uint32BE(1))
      .update(shared)
      .update(utf8(`${label}\0`))
      .update(ours)
      .update(theirs)
      .digest(),
  );
}

/** KDFa (part 1, section 11.4.10.2) with SHA-256, for at most 32 bytes: one round. */
function deriveFromSeed(seed: Uint8Array, label: string, context: Uint8Array, bits: 128 | 256): Uint8Array {
  const message = concatBytes(uint32BE(1), utf8(`${label}\0`), context, uint32BE(bits));
  return bytesOf(createHmac("sha256", seed).update(message).digest()).subarray(0, bits / 8);
}

/**
 * A credential that holds `content` (at most 32 bytes) for the key of that name, under an endorsement key.
 * @throws TrisealError `ATTESTER_MALFORMED` where the endorsement key is no point of the curve.
 */
export function makeCredential(endorsementKey: TpmPublicKey, name: Uint8Array, content: Uint8Array): Credential {
  const ephemeral = createECDH("prime256v1");
  const own = bytesOf(ephemeral.generateKeys());
  let shared: Uint8Array;
  try {
    shared = bytesOf(ephemeral.computeSecret(concatBytes(Uint8Array.of(4), endorsementKey.x, endorsementKey.y)));
  } catch (cause) {
    throw attesterError("ATTESTER_MALFORMED", "the endorsement key is no point of P-256", { cause });
  }
  const [x, y] = [own.subarray(1, 33), own.subarray(33)];
  const seed = deriveFromPoint(shared, "IDENTITY", x, endorsementKey.x);
  const cipher = createCipheriv("aes-128-cfb", deriveFromSeed(seed, "STORAGE", name, 128), new Uint8Array(16));
  const encrypted = concatBytes(cipher.update(sized(content)), cipher.final());
  const integrity = createHmac("sha256", deriveFromSeed(seed, "INTEGRITY", new Uint8Array(), 256))
    .update(encrypted)
    .update(name)
    .digest();
  return { blob: concatBytes(sized(bytesOf(integrity)), encrypted), secret: concatBytes(sized(x), sized(y)) };
}
