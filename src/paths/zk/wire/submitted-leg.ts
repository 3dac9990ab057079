/** The leg of what a caller made itself and submitted: the document stands in the bundle, and the leg says what the gateway did with it. */
import { type Decoded, digest, matching, object, oneOf } from "../../../core/decode.ts";
import { TrisealError } from "../../../core/errors.ts";
import { encodeJcs } from "../../../core/jcs.ts";
import { parseDocument } from "./documents.ts";

const decodeLeg = object({
  v: oneOf(1),
  /** The kind of context that the proof is bound to. */
  context: matching(/triseal\.zk\.[a-z]+\.v1/, "a kind of context"),
  /** SHA-256 of the submitted document, a blob of the bundle. */
  requestDigest: digest,
  responseDigest: digest,
  /** SHA-256 of the `.r1cs` file, of the verification key and of the setup document; the last two are blobs of the bundle. */
  circuitDigest: digest,
  keyDigest: digest,
  setupDigest: digest,
});

/** What the gateway says beside the document: which bytes were exchanged, and under which key they hold. */
export type SubmittedLeg = Omit<Decoded<typeof decodeLeg>, "v" | "context">;

const MAX_LEG_BYTES = 4096;

/** The bytes of a leg, in JCS form. @param context the kind of context that the document's proof is bound to. */
export function encodeSubmittedLeg(context: string, leg: SubmittedLeg): Uint8Array {
  return encodeJcs({ v: 1, context, ...leg });
}

/** @throws TrisealError `FORMAT_INVALID`, also for a leg of another kind of context. */
export function parseSubmittedLeg(context: string, bytes: Uint8Array): SubmittedLeg {
  const { v: _, context: stated, ...leg } = decodeLeg(parseDocument(bytes, MAX_LEG_BYTES, "a leg"), "leg");
  if (stated !== context) throw new TrisealError("FORMAT_INVALID", `leg.context: expected ${context}`);
  return leg;
}
