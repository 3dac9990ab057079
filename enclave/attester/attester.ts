/** The attester's interface: the part of a TEE that vouches for what runs in it (RATS, RFC 9334: Attester). */
import type { DeviceEvidence } from "../../src/paths/tee/wire/platform-evidence.ts";

/** A source of evidence about this machine and process. */
export interface Attester {
  /** Kind of its evidence, as an evidence package names it. */
  readonly type: string;
  /**
   * Fresh evidence of the devices beside the CPU; none where the machine is to show none.
   * @param nonce the challenge, 32 bytes.
   * @throws where a device gives none, or when `signal` aborts.
   */
  devices(nonce: Uint8Array, signal: AbortSignal): Promise<readonly DeviceEvidence[]>;
  /**
   * Fresh evidence whose report data is the given 64 bytes, with the evidence of devices that they bind.
   * @throws where the platform gives none, or when `signal` aborts.
   */
  evidence(reportData: Uint8Array, devices: readonly DeviceEvidence[], signal: AbortSignal): Promise<Uint8Array>;
  /** Gives back what it holds of the platform. */
  close(): Promise<void>;
}

/** Byte strings by the names that a kind of evidence gives to its roles: one, or several in order. */
export type CollectedRoles = ReadonlyMap<string, Uint8Array | readonly Uint8Array[]>;

/** What a platform gave, as its appraiser takes it. */
export interface CollectedEvidence {
  readonly evidence: CollectedRoles;
  /** What the platform keeps beside its evidence. It may lack what an appraiser requires. */
  readonly endorsements: CollectedRoles;
}

/** A part of a machine that signs reports: a CPU or a TPM. */
export interface ReportSource {
  /** Kind of its evidence. */
  readonly type: string;
  /**
   * Fresh evidence that binds 64 bytes of report data.
   * @throws TrisealError with a code of an attester, or the reason of `signal`.
   */
  collect(reportData: Uint8Array, signal: AbortSignal): Promise<CollectedEvidence>;
  /** Gives back what it holds of the platform. */
  close(): Promise<void>;
}

/** Bytes of report data. */
export const REPORT_DATA_BYTES = 64;
