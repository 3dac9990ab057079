/** From a worker's checked answer to what the path returns, and what a failure must tell the receipt. */
import { digestOfBody, type Sha256Digest } from "../../../core/digest.ts";
import { isTrisealError, TrisealError } from "../../../core/errors.ts";
import { messageType } from "../../../core/oip-body.ts";
import type { BoundRequest, PathAnswer, RunStatement } from "../../path.ts";
import { teeError } from "../wire/codes.ts";
import type { SealedRequest } from "../wire/envelope.ts";
import { WORKER_EVIDENCE_TYPE } from "../wire/keyset.ts";
import { TEE_LEG_TYPE, type TeeLeg } from "../wire/leg.ts";
import type { AdmittedSession } from "./admission.ts";
import { assertDeclared, assertOpened, type CheckedAnswer } from "./check-answer.ts";

/** An envelope on its way, and how its answer is opened if the gateway sealed it. */
export interface Outgoing {
  readonly envelope: Uint8Array;
  /** Media type of a sealed answer. */
  readonly mediaType: string;
  readonly sealed: SealedRequest | null;
}

/**
 * The path's answer: opened and checked against the model where the gateway sealed the request, else as the caller opens it.
 * @throws TrisealError `WORKER_ANSWER_INVALID`, and as `assertOpened` and `assertDeclared`.
 */
export async function openChecked(
  request: BoundRequest,
  session: AdmittedSession,
  outgoing: Outgoing,
  checked: CheckedAnswer,
): Promise<PathAnswer> {
  let { sealed: body } = checked;
  let { mediaType } = outgoing;
  if (outgoing.sealed !== null) {
    body = await openAnswer(outgoing.sealed, checked.sealed);
    assertOpened(checked.leg, request.body, body);
    assertDeclared(request.model, body);
    mediaType = messageType(body);
  }
  return {
    body,
    mediaType,
    forwardedDigest: digestOfBody(outgoing.envelope),
    leg: {
      bytes: checked.legBytes,
      mediaType: TEE_LEG_TYPE,
      sessionId: session.id,
      evidenceDigest: session.evidenceDigest,
      evidenceMediaType: WORKER_EVIDENCE_TYPE,
      requestGuessable: checked.requestGuessable,
      states: statedRun(checked.leg),
    },
  };
}

function statedRun({ statement }: TeeLeg): RunStatement {
  const { inputCommitment, outputs = null, outputCommitment = null } = statement;
  return { inputCommitment, outputs, outputCommitment };
}

async function openAnswer(sealed: SealedRequest, body: Uint8Array): Promise<Uint8Array> {
  try {
    return await sealed.openResponse(body);
  } catch (cause) {
    throw teeError("WORKER_ANSWER_INVALID", "the worker's answer does not open", { cause });
  }
}

/** The error with what a receipt of the refusal needs: whether bytes left for the worker, and which. */
export function withForwarded(error: unknown, envelopeDigest: Sha256Digest): unknown {
  if (!isTrisealError(error)) {
    const details = { forwarded: true, forwardedDigest: envelopeDigest };
    return new TrisealError("INTERNAL", "internal error", { cause: error, details });
  }
  const forwarded = error.details["forwarded"] !== false;
  const details: Record<string, string | boolean> = { forwarded, ...(forwarded ? { forwardedDigest: envelopeDigest } : {}) };
  return teeError(error.code as "WORKER_LOST", error.message, { cause: error.cause, details });
}
