/** The engine as the path uses it: the operations of SPEC.md section 8, in the path's own terms. */
import type { JsonObject } from "../../../core/json.ts";

/** What the engine says of itself. */
export interface EngineIdentity {
  readonly version: string;
  /** Digest of its program file, as it computed it. */
  readonly build: string;
  /** Names of the parameter sets that it takes. */
  readonly parameters: JsonObject | string;
  /** Key of its claims, 64 hexadecimal digits. */
  readonly publicKey: string;
  readonly threads: number;
}

/** The common reference string of input proofs. */
export interface CrsInfo {
  /** 64 hexadecimal digits. */
  readonly digest: string;
  readonly bytes: number;
}

/** A key that the engine has read. */
export interface CheckedKey {
  readonly kind: string;
  readonly tag: string;
  readonly parameters: string;
  /** In its memory. */
  readonly bytes: number;
}

/** Key set under which something is. 64 hexadecimal digits each. */
export interface EngineKeys {
  readonly keyId: string;
  readonly publicKey: string | null;
}

/** A run as the engine takes it. */
export interface EngineRun {
  /** 32 hexadecimal digits, of no other run. */
  readonly run: string;
  readonly keyId: string;
  /** Seed of re-randomisation, 64 hexadecimal digits. */
  readonly seed: string;
  readonly circuit: Uint8Array;
  /** Compressed values, in the order of the circuit's inputs. */
  readonly inputs: readonly Uint8Array[];
}

/** What a run gave. */
export interface EngineResult {
  readonly pbs: number;
  /** SHA-256 of inputs and outputs, 64 hexadecimal digits each. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** The compressed outputs. */
  readonly values: readonly Uint8Array[];
}

/** How long something may go on. */
export interface EngineOptions {
  /** Ends the operation between two steps; an engine that ignores it is ended. */
  readonly signal: AbortSignal;
  readonly progress?: (done: number, of: number) => void;
}

/**
 * The operations. Each throws TrisealError with a code of the path that the engine gave, `FHE_ENGINE_LOST` where it died of it or
 * with it, `FHE_ENGINE_MEMORY` where it was ended for its memory, or the reason of the signal.
 */
export interface Engine {
  /** What it said when it last started; null before. */
  readonly identity: EngineIdentity | null;
  /** Makes the reference string where there is none. */
  crs(options: EngineOptions): Promise<CrsInfo>;
  checkKey(keys: EngineKeys, options: EngineOptions): Promise<CheckedKey>;
  /** Checks a proven list against its metadata, and gives its values compressed. */
  openList(
    list: Uint8Array,
    of: EngineKeys & { readonly crs: string; readonly metadata: Uint8Array },
    options: EngineOptions,
  ): Promise<{ readonly types: readonly string[]; readonly values: readonly Uint8Array[] }>;
  /** A value as node-tfhe writes it, compressed. */
  import(value: Uint8Array, of: { readonly keyId: string; readonly type: string }, options: EngineOptions): Promise<Uint8Array>;
  /** A compressed value as node-tfhe reads it. */
  expand(value: Uint8Array, of: { readonly keyId: string; readonly type: string }, options: EngineOptions): Promise<Uint8Array>;
  run(run: EngineRun, options: EngineOptions): Promise<EngineResult>;
  /** The signed claim about a run that this engine did. */
  claim(run: string, claim: JsonObject, options: EngineOptions): Promise<Uint8Array>;
  close(): Promise<void>;
}
