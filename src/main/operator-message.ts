/** What `triseal` and a running gateway say to each other over the operator's socket: HTTP with JSON bodies. */
import { array, boolean, type Decoded, hexText, integer, object, oneOf, seconds, text } from "../core/decode.ts";
import { KEY_PURPOSES } from "../keys/key-store.ts";

/** Longest message in bytes, either way. */
export const MAX_OPERATOR_BYTES = 64 * 1024;

const v = oneOf(1);

/** Bodies of the operator's requests, by path. */
export const operatorRequests = {
  "/keys/init": object({ v, dev: boolean }),
  "/keys/stage": object({ v, purpose: oneOf(...KEY_PURPOSES) }),
  "/keys/rotate": object({ v, purpose: oneOf(...KEY_PURPOSES) }),
  "/keys/revoke": object({ v, keyId: text(64), because: text(500) }),
  "/trust/reload": object({ v }),
  "/workers/restart": object({ v }),
} as const;

/** A path of the operator's socket. */
export type OperatorPath = keyof typeof operatorRequests;

/** The body of a request. */
export type OperatorRequest<P extends OperatorPath> = Decoded<(typeof operatorRequests)[P]>;

/** Decodes the body of a done request. */
export const decodeOperatorAnswer = object({
  v,
  events: array(
    object(
      {
        v,
        type: oneOf("key.created", "key.staged", "key.activated", "key.retired", "key.revoked"),
        purpose: oneOf(...KEY_PURPOSES),
        keyId: text(64),
        publicKey: hexText(32),
        at: seconds,
      },
      { because: text(500) },
    ),
    16,
  ),
  /** Process ids of the workers that serve now. */
  workers: array(integer(1), 256),
});

/** What was done. */
export type OperatorAnswer = Decoded<typeof decodeOperatorAnswer>;

/** Decodes the body of a refused request. */
export const decodeOperatorRefusal = object({ v, code: text(64), message: text(1024) });
