/** Makes a failing case smaller while it fails in the same way. */

/** Most attempts at one case. */
const MAX_ATTEMPTS = 600;

/**
 * A smaller case for which `fails` still resolves true; `bytes` itself must fail. Cuts out ever smaller pieces, and
 * stops after a bounded number of attempts.
 */
export async function minimise(bytes: Uint8Array, fails: (smaller: Uint8Array) => Promise<boolean>): Promise<Uint8Array> {
  let smallest = bytes;
  let attempts = 0;
  for (let piece = Math.ceil(bytes.length / 2); piece >= 1 && attempts < MAX_ATTEMPTS; piece = Math.floor(piece / 2)) {
    for (let at = 0; at < smallest.length && attempts < MAX_ATTEMPTS; ) {
      const smaller = Uint8Array.from([...smallest.subarray(0, at), ...smallest.subarray(at + piece)]);
      attempts++;
      if (await fails(smaller)) smallest = smaller;
      else at += piece;
    }
  }
  return smallest;
}
