/** What a gateway is made of. The composition root builds these; the gateway reads no file, no environment and no clock of its own. */
import type { Signer } from "../core/ed25519.ts";
import type { ErrorTable } from "../core/errors.ts";
import type { JsonObject } from "../core/json.ts";
import type { Stages } from "../core/stage.ts";
import type { TensorSpec } from "../core/tensor.ts";
import type { Clock } from "../core/time.ts";
import type { InferencePath, ServedModel } from "../paths/path.ts";
import type { Policy } from "../policy/index.ts";
import type { JobOptions } from "./job.ts";
import type { Ledger } from "./ledger.ts";
import type { ServiceIdentity } from "./service-identity.ts";

/** A model as callers see it. */
export interface CatalogModel extends ServedModel {
  readonly inputs: readonly TensorSpec[];
  /** Platform string of OIP metadata. */
  readonly platform: string;
  /** The canonical bytes of a public integer model; null for a float model and a confidential one. */
  readonly integerModel?: Uint8Array | null;
}

/** A policy in force, with the signed statement that says so. */
export interface ActivePolicy {
  readonly policy: Policy;
  readonly policyBytes: Uint8Array;
  readonly statementBytes: Uint8Array;
  readonly notBefore: number;
  readonly notAfter: number;
  /** Sequence number of the statement: a reload never takes a lower one. */
  readonly sequence: number;
}

/** A party that may call, as the configuration names it. */
export interface Tenant {
  readonly id: string;
  readonly tier: string | null;
  readonly jurisdiction: string | null;
}

/** Bounds on what callers send and how long they may wait. */
export interface GatewayLimits {
  readonly maxBodyBytes: number;
  readonly maxTensorElements: number;
  /** Requests that are answered at one time, and those of one tenant among them. */
  readonly maxInFlight: number;
  readonly maxInFlightPerTenant: number;
  /** Bytes of request bodies and unsent answers in memory, and those of one tenant among them. */
  readonly maxHeldBytes: number;
  readonly maxHeldBytesPerTenant: number;
  /** How long a challenge may be answered, 300 at most, and how many of one tenant may be open. */
  readonly challengeSeconds: number;
  readonly maxChallengesPerTenant: number;
}

/** One structured line for the operator: never a body, never a key. */
export type OperatorLog = (line: { readonly level: "info" | "warn" | "error"; readonly event: string } & JsonObject) => void;

/** Everything that `createGateway` needs. */
export interface GatewayOptions {
  /** The identity for requests from now on; each request keeps the one that it began with. */
  readonly identity: () => ServiceIdentity;
  /** The signer of a receipt key by its id, also of one that was rotated out; null for one that is revoked or not known. */
  readonly receiptSigner: (keyId: string) => Promise<Signer | null>;
  readonly ledger: Ledger;
  /** The policy in force, or why there is none. */
  readonly policy: () => ActivePolicy | { readonly unavailable: string };
  /** What is wrong with the policy files, or null: the gateway is not ready then, and goes on deciding with the last good policy. */
  readonly policyProblem: () => string | null;
  readonly paths: readonly InferencePath[];
  /** Where requests wait that are answered later; null answers every request at once. */
  readonly jobs: JobOptions | null;
  readonly models: readonly CatalogModel[];
  /** Tenants by the SHA-256 of their API key, 64 hexadecimal digits. */
  readonly tenants: ReadonlyMap<string, Tenant>;
  /** Codes of core and of all paths. */
  readonly codes: ErrorTable;
  readonly limits: GatewayLimits;
  readonly clock: Clock;
  readonly log: OperatorLog;
  /** Makes an observer for the stages of one inference request; for measurements. */
  readonly observe?: (requestId: string) => { readonly stages: Stages; done(receiptId: string): void };
  /** What `triseal trust init --from` drafts a trust file from: hints, authenticated by nothing. */
  readonly wellKnown: () => JsonObject | Promise<JsonObject>;
}
