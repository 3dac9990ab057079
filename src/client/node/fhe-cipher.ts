/** Encryption and decryption of the fhe path in Node. */
import tfhe from "node-tfhe";
import { type FheCipher, openCipher } from "../../paths/fhe/client/tfhe-cipher.ts";

/**
 * Opens a client key that `triseal fhe keygen` made, with `node-tfhe`.
 * @throws TrisealError `FORMAT_INVALID` for what is no client key.
 */
export function openNodeCipher(clientKey: Uint8Array): FheCipher {
  return openCipher(tfhe, clientKey);
}
