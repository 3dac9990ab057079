/** The caller's side of the tee path: seals to the worker of an appraised session and opens its answer. */
import type { Sha256Digest } from "../../../core/digest.ts";
import { TrisealError } from "../../../core/errors.ts";
import { holdsUntil, unixSeconds } from "../../../core/time.ts";
import { decodeSession } from "../../../receipt/session.ts";
import type { PathClient } from "../../path.ts";
import { codes } from "../wire/codes.ts";
import { sealRequest } from "../wire/envelope.ts";
import { parseWorkerEvidence, WORKER_EVIDENCE_TYPE, type WorkerKeyset, workerKeysetDigest } from "../wire/keyset.ts";
import { type SealSuites, strongestSealKey } from "../wire/seal-suite.ts";

/** Seconds that a sealed request stays valid, unless the caller sets another time of at most 300. */
const SEAL_LIFETIME_S = 120;

/** What a tee client is made of. */
export interface TeeClientOptions {
  /** Appraises a session document under the caller's trust; `prepare` relies on it and appraises nothing itself. */
  readonly appraiseSession: PathClient["appraiseSession"];
  readonly sealLifetimeS?: number;
  /** The implementation of HPKE; the portable one by default. All make the same bytes. */
  readonly suites?: SealSuites;
}

/**
 * The keyset in a session's evidence. Appraises nothing.
 * @throws TrisealError `FORMAT_INVALID`: no session, evidence that does not hash to its digest, or another kind of evidence.
 */
export function sessionKeyset(document: Parameters<PathClient["appraiseSession"]>[0]): WorkerKeyset {
  const { evidenceBytes, evidenceMediaType } = decodeSession(document);
  if (evidenceMediaType !== WORKER_EVIDENCE_TYPE) {
    throw new TrisealError("FORMAT_INVALID", `session.evidence: expected ${WORKER_EVIDENCE_TYPE}`);
  }
  return parseWorkerEvidence(evidenceBytes).keyset;
}

type SessionDocument = Parameters<PathClient["appraiseSession"]>[0];

interface SessionKeys {
  readonly keyset: WorkerKeyset;
  readonly keysetDigest: Sha256Digest;
}

/** Keysets by the document that they stand in: a session is used for many requests, and its evidence is long. */
const sessionKeys = new WeakMap<SessionDocument, SessionKeys>();

function keysOf(document: SessionDocument): SessionKeys {
  const known = sessionKeys.get(document);
  if (known !== undefined) return known;
  const keyset = sessionKeyset(document);
  const keys = { keyset, keysetDigest: workerKeysetDigest(keyset) };
  sessionKeys.set(document, keys);
  return keys;
}

/**
 * A client of the tee path. `prepare` seals the body to the strongest key of the session's keyset, and to no weaker one
 * where that fails; the session must have been appraised before. The answer opens only with what `prepare` returned.
 * `prepare` throws `FORMAT_INVALID` for a malformed session, `VERIFICATION_FAILED` where its keyset has no usable seal
 * key or has expired, `SEALED_UNOPENABLE` where that key is malformed.
 */
export function createTeeClient(options: TeeClientOptions): PathClient {
  const lifetimeS = options.sealLifetimeS ?? SEAL_LIFETIME_S;
  return {
    id: "tee",
    codes,
    appraiseSession: options.appraiseSession,
    async prepare(request, session, now) {
      const { keyset, keysetDigest } = keysOf(session.document);
      const sealKey = strongestSealKey(keyset);
      if (sealKey === null) throw new TrisealError("VERIFICATION_FAILED", "the session's keyset has no known seal key");
      if (!holdsUntil(keyset.notAfter, now)) throw new TrisealError("VERIFICATION_FAILED", "the session's keyset has expired");
      const head = {
        model: request.model,
        keysetDigest,
        facts: request.facts,
        exp: unixSeconds(now + lifetimeS),
      };
      const sealed = await sealRequest(head, sealKey, request.body, options.suites, "binary");
      return { body: sealed.body, mediaType: sealed.mediaType, open: (body) => sealed.openResponse(body) };
    },
  };
}
