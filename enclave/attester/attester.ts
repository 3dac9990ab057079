/** The attester's interface: the part of a TEE that vouches for what runs in it (RATS, RFC 9334: Attester). */

/** A source of evidence about this machine and process. */
export interface Attester {
  /** Kind of its evidence, as an evidence package names it. */
  readonly type: string;
  /**
   * Fresh evidence whose report data is the given 64 bytes.
   * @throws where the platform gives none, or when `signal` aborts.
   */
  evidence(reportData: Uint8Array, signal: AbortSignal): Promise<Uint8Array>;
}
