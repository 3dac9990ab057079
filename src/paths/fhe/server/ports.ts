/** What the path is given: the blobs, the log and the tables of its gateway. The log is the truth; the tables follow it. */
import type { Sha256Digest } from "../../../core/digest.ts";
import type { JsonObject } from "../../../core/json.ts";
import type { StateAccount, StateChange, StateValue } from "../../../core/kept-state.ts";

/** Blobs by digest, durable once `put` resolved. */
export interface BlobPort {
  put(bytes: Uint8Array): Promise<Sha256Digest>;
  get(digest: Sha256Digest): Promise<Uint8Array | null>;
}

/** A leaf with what stands behind it. */
export interface LoggedLeaf {
  readonly kind: string;
  readonly holder: { readonly tenant: string; readonly keyHash: string } | null;
  readonly legs: readonly { readonly digest: string; readonly mediaType: string }[];
  readonly blobs: readonly Uint8Array[];
}

/** The log, as far as the path needs it. */
export interface LogPort {
  /** Durable leaves now. */
  size(): number;
  /** Null where the record was deleted. */
  leafAt(index: number): Promise<LoggedLeaf | null>;
  /** Logs the document of an account, once. @throws TrisealError `LOG_UNAVAILABLE`. */
  logAccount(document: Uint8Array): Promise<void>;
}

/** The tables. Each method throws TrisealError `STORE_UNAVAILABLE`. */
export interface StatePort {
  mark(): Promise<number>;
  setMark(size: number): Promise<void>;
  account(tenant: string, name: string): Promise<StateAccount | null>;
  accounts(tenant: string, after: string, limit: number): Promise<readonly StateAccount[]>;
  /** The account whose document has this digest, or null. */
  accountWith(tenant: string, documentDigest: string): Promise<StateAccount | null>;
  accountCount(tenant: string): Promise<number>;
  value(tenant: string, id: string): Promise<StateValue | null>;
  /** Values of these bytes whose ids are after `after`, in the order of their ids. */
  valuesWith(tenant: string, digest: string, after: string, limit: number): Promise<readonly StateValue[]>;
  isUsed(digest: string): Promise<boolean>;
  /** @throws TrisealError `LOG_CORRUPT` for a write that follows no version that the account had. */
  apply(change: StateChange, mark: number): Promise<void>;
}

/** One structured line for the operator. */
export type OperatorNews = (line: { readonly level: "info" | "warn" | "error"; readonly event: string } & JsonObject) => void;
