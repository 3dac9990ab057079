/** One inference on its way: what the caller asked, what was sent, and when that has to be sealed anew. */
import { encodeHex } from "../core/bytes.ts";
import { isTrisealError, TrisealError } from "../core/errors.ts";
import type { JsonObject } from "../core/json.ts";
import { commitParameters } from "../core/oip.ts";
import type { Stages } from "../core/stage.ts";
import type { PreparedRequest } from "../paths/path.ts";
import { type CallTensor, encodeCall } from "./request-body.ts";
import type { ServiceAnswer } from "./service-connection.ts";

/** One inference. */
export interface InferenceCall {
  readonly model: string;
  /** OIP input tensors: `name`, `shape`, `datatype`, `data`, which is a typed array or JSON elements. */
  readonly inputs: readonly CallTensor[];
  /**
   * OIP parameters: the caller's facts (`classification`, `value_usd`, `kind`, `assurance`, `seal`) and the model's own. For an
   * integer model also `triseal_salt` (16 to 31 bytes in hexadecimal; random by default) and `triseal_outputs` (`stated` or
   * `committed`: whether the receipt shows the outputs; by default only where the gateway saw them anyway).
   */
  readonly parameters?: JsonObject;
  /** Names of the wanted outputs; all by default. */
  readonly outputs?: readonly string[];
  /** Whether to seal to an appraised worker, so that the gateway sees nothing. True by default. */
  readonly seal?: boolean;
  /**
   * Whether tensors travel as binary, both ways. By default typed arrays of 4 KiB and more do, and the answer with them.
   * The answer's tensors are typed arrays in any case.
   */
  readonly binary?: boolean;
  /**
   * `Idempotency-Key` of this call, 1 to 128 visible ASCII characters; 128 random bits by default. A second call under
   * one key is refused (`IDEMPOTENCY_KEY_REUSED`), because every call has other bytes: it is for a caller that must not
   * be answered twice, even across its own restart.
   */
  readonly idempotencyKey?: string;
  /**
   * Whether an answer is handed over while legs that policy lets follow are not there yet. By default it is held back until
   * each is there and verified, or its deadline passed.
   */
  readonly allowPending?: boolean;
  readonly signal?: AbortSignal;
  /** Told of the stages `prepare`, `seal`, `http`, `open`, `bundle` and `verify` of this call; for measurements. */
  readonly stages?: Stages;
}

/** What is sent, with the headers that its form asks for. */
export type WireRequest = PreparedRequest & { readonly headers?: Readonly<Record<string, string>> };

/** One call on its way. What was sent is kept with its opener, so that a retry sends the same bytes again. */
export interface Exchange {
  readonly call: InferenceCall;
  readonly opened: Uint8Array;
  readonly id: string;
  readonly idempotencyKey: string;
  /** The salt under which an integer model commits to this input. A float model ignores it. */
  readonly salt: Uint8Array;
  wire: WireRequest | null;
  answer: ServiceAnswer | null;
  /** Whether the key that was sealed to was called stale before in this attempt. */
  stale: boolean;
  /** How often it was sealed anew because a worker had opened the last envelope, or that had expired. */
  reseals: number;
  /** Whether the service was appraised anew because another TLS key answered. */
  repinned: boolean;
}

/** Refusals that only another envelope can help; the gateway gives them only where nothing is stored under the key. */
export const SEAL_ANEW: ReadonlySet<string> = new Set(["WORKER_KEY_STALE", "SEALED_REPLAYED", "SEALED_EXPIRED"]);

/** Bytes of a random salt: 128 bits. */
const SALT_BYTES = 16;

/** Most envelopes of one call after the first, a stale key's replacement apart. */
const MAX_RESEALS = 3;

/**
 * An exchange of which nothing was sent yet. Every body carries a salt: which models are integer models only their workers know.
 * @throws TrisealError `IDEMPOTENCY_KEY_INVALID`, `REQUEST_MALFORMED` for a salt of the caller's own that is none, and as
 *   `encodeCall`.
 */
export function startExchange(call: InferenceCall): Exchange {
  const id = randomHex();
  const { idempotencyKey = randomHex() } = call;
  if (!/^[\x21-\x7e]{1,128}$/.test(idempotencyKey))
    throw new TrisealError("IDEMPOTENCY_KEY_INVALID", "the idempotency key is not 1 to 128 visible ASCII characters");
  const sending = { wire: null, answer: null, stale: false, reseals: 0, repinned: false };
  const salt = commitParameters(call.parameters).salt ?? crypto.getRandomValues(new Uint8Array(SALT_BYTES));
  const parameters = { ...call.parameters, triseal_salt: encodeHex(salt) };
  return { call, id, opened: encodeCall({ ...call, parameters, id }), idempotencyKey, salt, ...sending };
}

/** 128 random bits in hexadecimal. */
export function randomHex(): string {
  return encodeHex(crypto.getRandomValues(new Uint8Array(16)));
}

/** The address of a model's inference. */
export function inferPath(model: string): string {
  return `/v2/models/${encodeURIComponent(model)}/infer`;
}

/** Whether a new envelope can help now. A stale key, once in an attempt: the new sessions are appraised exactly as at first contact. */
export function mustSealAnew(exchange: Exchange, error: unknown): boolean {
  if (exchange.call.seal === false || !isTrisealError(error) || !SEAL_ANEW.has(error.code)) return false;
  if (error.code !== "WORKER_KEY_STALE") return ++exchange.reseals <= MAX_RESEALS;
  if (exchange.stale) return false;
  exchange.stale = true;
  return true;
}
