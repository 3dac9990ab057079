/**
 * A witness (C2SP tlog-witness): cosigns a log's checkpoint only where it continues the one it cosigned before, so that
 * whoever asks for its cosignature knows that the log showed it one history, and when.
 */
import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { equalBytes, utf8 } from "../../core/bytes.ts";
import { type Signer, verifyEd25519 } from "../../core/ed25519.ts";
import { TrisealError } from "../../core/errors.ts";
import type { Clock } from "../../core/time.ts";
import { signCosignature } from "../cosignature.ts";
import { verifyConsistency } from "../merkle.ts";
import { ED25519_TYPE, encodeSignatureLine, isByKey, isKeyName, type NoteSignature, noteKeyId } from "../note.ts";
import type { DurableFiles } from "./files.ts";
import { MAX_WITNESS_BODY, parseWitnessRequest, TLOG_SIZE_TYPE, type WitnessRequest } from "./witness-request.ts";
import { prepareStateFolder, readWitnessed, type WitnessedLog, writeWitnessed } from "./witness-state.ts";

/** A log that a witness cosigns for. */
export interface WitnessLog {
  readonly origin: string;
  /** Ed25519 keys that may sign for the origin, 64 hexadecimal digits each. */
  readonly publicKeys: readonly string[];
}

/** Who the witness is, for whom it cosigns, and where it keeps what it saw. */
export interface WitnessOptions {
  /** The name in its cosignatures. Its key belongs to this witness alone: the signed message does not contain the name. */
  readonly name: string;
  readonly signer: Signer;
  readonly logs: readonly WitnessLog[];
  /** Folder of its state. One process at a time may use it; this is not checked here. */
  readonly stateDir: string;
  readonly files: DurableFiles;
  readonly clock: Clock;
}

interface Answer {
  readonly status: 200 | 400 | 403 | 404 | 409 | 422 | 503;
  readonly body: string;
  readonly type?: string;
}

/** One log, as the witness sees it. `last` resolves when the request before is done; it never rejects. */
interface WatchedLog {
  readonly log: WitnessLog;
  witnessed: WitnessedLog;
  last: Promise<unknown>;
}

const NOT_SIGNED: Answer = { status: 403, body: "no valid signature of this log\n" };

function assertOptions({ name, logs }: WitnessOptions): void {
  const origins = new Set(logs.map(({ origin }) => origin));
  const sound = logs.every(
    ({ origin, publicKeys }) => isKeyName(origin) && publicKeys.every((key) => /^[0-9a-f]{64}$/.test(key)),
  );
  if (!isKeyName(name) || !sound || origins.size !== logs.length) {
    throw new TrisealError("CONFIG_INVALID", "witness: expected a key name, and logs with distinct origins and Ed25519 keys");
  }
}

/**
 * The first line by one of the log's keys, or null where there is none or any of them does not verify: a signed note with a
 * wrong signature of a known key is refused as a whole.
 */
function logSignature({ note }: WitnessRequest, { origin, publicKeys }: WitnessLog): NoteSignature | null {
  const text = utf8(note.text);
  const own = publicKeys.flatMap((publicKey) => {
    const keyId = noteKeyId(origin, ED25519_TYPE, publicKey);
    return note.signatures.filter((line) => isByKey(line, origin, keyId)).map((line) => ({ publicKey, line }));
  });
  if (!own.every(({ publicKey, line }) => verifyEd25519(publicKey, text, line.signature))) return null;
  return own[0]?.line ?? null;
}

/** Why the request is refused given the last cosigned checkpoint, in the order of the specification; null where it is not. */
function refuse({ oldSize, proof, checkpoint }: WitnessRequest, { checkpoint: last }: WitnessedLog): Answer | null {
  if (oldSize > checkpoint.size) return { status: 400, body: "old size is larger than the checkpoint\n" };
  const conflict: Answer = { status: 409, body: `${last.size}\n`, type: TLOG_SIZE_TYPE };
  if (oldSize !== last.size) return conflict;
  // Before the proof: for equal sizes the two roots are the whole comparison, and they answer 409, not 422.
  if (oldSize === checkpoint.size && !equalBytes(last.root, checkpoint.root)) return conflict;
  const consistent = verifyConsistency(oldSize, checkpoint.size, last.root, checkpoint.root, proof);
  return consistent ? null : { status: 422, body: "the consistency proof does not verify\n" };
}

/** Cosigns and remembers. The state is durable before the cosignature leaves: what was promised survives a crash. */
async function cosign(watched: WatchedLog, request: WitnessRequest, options: WitnessOptions): Promise<Answer> {
  const logLine = logSignature(request, watched.log);
  if (logLine === null) return NOT_SIGNED;
  const refusal = refuse(request, watched.witnessed);
  if (refusal !== null) return refusal;
  const { name, signer, files, stateDir, clock } = options;
  const time = clock();
  // A cosignature says which tree was the largest at its time: an earlier time for a larger tree would contradict the last.
  if (time < watched.witnessed.time) return { status: 503, body: "the clock of this witness went back\n" };
  const line = signCosignature(request.note.text, name, time, signer);
  await writeWitnessed(files, stateDir, watched.log.origin, { text: request.note.text, signatures: [logLine, line] });
  watched.witnessed = { checkpoint: request.checkpoint, time };
  return { status: 200, body: encodeSignatureLine(line) };
}

/** Lets one request at a time read and replace what is remembered of a log. */
function inTurn(watched: WatchedLog, work: () => Promise<Answer>): Promise<Answer> {
  const answer = watched.last.then(work);
  watched.last = answer.catch(() => undefined);
  return answer;
}

function parseOrNull(body: Uint8Array): WitnessRequest | null {
  try {
    return parseWitnessRequest(body);
  } catch {
    return null;
  }
}

/**
 * The witness as a Hono app with `POST /add-checkpoint`. Statuses: 200 with the cosignature line, 400 malformed, 403 not
 * signed by the log, 404 unknown origin, 409 with the last cosigned size, 413 above 64 kB, 422 inconsistent, 500 state
 * could not be written (then nothing was cosigned), 503 the clock went back.
 * @throws TrisealError `CONFIG_INVALID`; `LOG_CORRUPT` where the state of a log is damaged, which is never reset.
 */
export async function createWitness(options: WitnessOptions): Promise<Hono> {
  assertOptions(options);
  const { name, signer, logs, files, stateDir } = options;
  await prepareStateFolder(files, stateDir);
  const watchedLogs = new Map<string, WatchedLog>();
  for (const log of logs) {
    const witnessed = await readWitnessed(files, stateDir, log.origin, { name, publicKey: signer.publicKey });
    watchedLogs.set(log.origin, { log, witnessed, last: Promise.resolve() });
  }
  const answer = async (body: Uint8Array): Promise<Answer> => {
    const request = parseOrNull(body);
    if (request === null) return { status: 400, body: "malformed request\n" };
    const watched = watchedLogs.get(request.checkpoint.origin);
    if (watched === undefined) return { status: 404, body: "unknown origin\n" };
    return inTurn(watched, () => cosign(watched, request, options));
  };

  const app = new Hono();
  app.onError((_error, context) => context.text("the witness could not record the checkpoint\n", 500));
  const limit = bodyLimit({ maxSize: MAX_WITNESS_BODY, onError: (context) => context.text("body too large\n", 413) });
  app.post("/add-checkpoint", limit, async (context) => {
    const { status, body, type } = await answer(new Uint8Array(await context.req.arrayBuffer()));
    return context.body(body, status, { "Content-Type": type ?? "text/plain; charset=utf-8" });
  });
  app.all("/add-checkpoint", (context) => context.text("use POST\n", 405, { Allow: "POST" }));
  return app;
}
