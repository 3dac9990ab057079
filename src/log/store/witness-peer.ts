/** One witness, as a log sees it: where it is, under which key it signs, and what it has cosigned so far. */
import { parseUtf8 } from "../../core/bytes.ts";
import { TrisealError } from "../../core/errors.ts";
import { verifyCosignature, type WitnessKey } from "../cosignature.ts";
import { MAX_NOTE_SIGNATURES, type NoteSignature, parseSignatureLine } from "../note.ts";
import { encodeWitnessRequest, MAX_WITNESS_BODY, parseTreeSize, TLOG_SIZE_TYPE } from "./witness-request.ts";

/** A witness with its address. `url` is the submission prefix: `/add-checkpoint` is appended to it. */
export interface WitnessAddress extends WitnessKey {
  readonly url: string;
}

/** The part of `fetch` that a client of witnesses uses. */
export type WitnessFetch = (address: string, init: RequestInit & { readonly body: string }) => Promise<Response>;

/** A checkpoint to be cosigned. */
export interface Submission {
  readonly noteText: string;
  /** The text of the note: what a cosignature covers. */
  readonly text: string;
  readonly size: number;
  /** Consistency proof from an earlier size of the log to `size`. */
  readonly prove: (from: number) => Promise<readonly Uint8Array[]> | readonly Uint8Array[];
}

interface Reply {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

function unusable(reason: string): never {
  throw new TrisealError("LOG_UNAVAILABLE", `witness ${reason}`);
}

/** The result of `work`, or a rejection as soon as `signal` aborts, whether or not `work` listens to it. */
function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(new TrisealError("LOG_UNAVAILABLE", "witness did not answer in time", { cause: signal.reason }));
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}

async function readBody(response: Response): Promise<string> {
  const chunks: number[] = [];
  const reader = response.body?.getReader();
  for (let part = await reader?.read(); part !== undefined && !part.done; part = await reader?.read()) {
    if (chunks.length + part.value.length > MAX_WITNESS_BODY) {
      await reader?.cancel();
      unusable("sent too large an answer");
    }
    for (const byte of part.value) chunks.push(byte);
  }
  return parseUtf8(Uint8Array.from(chunks));
}

/** Asks one witness, and remembers between requests which size it cosigned last. */
export class WitnessPeer {
  readonly witness: WitnessAddress;
  private readonly fetch: WitnessFetch;
  private cosignedSize = 0;

  constructor(witness: WitnessAddress, fetch: WitnessFetch) {
    this.witness = witness;
    this.fetch = fetch;
  }

  /**
   * The witness's cosignature of the submission, verified under its key; its time is not compared with any clock.
   * @throws TrisealError `LOG_UNAVAILABLE` where it gives none; other errors where it cannot be reached or `signal` aborts.
   */
  cosign(submission: Submission, signal: AbortSignal): Promise<NoteSignature> {
    return untilAborted(this.ask(submission, signal), signal);
  }

  private async ask(submission: Submission, signal: AbortSignal): Promise<NoteSignature> {
    const first = await this.post(submission, signal);
    if (first.status !== 409) return this.accept(first, submission);
    this.learn(first, submission);
    return this.accept(await this.post(submission, signal), submission);
  }

  private async post({ noteText, prove }: Submission, signal: AbortSignal): Promise<Reply> {
    const oldSize = this.cosignedSize;
    const body = encodeWitnessRequest(oldSize, await prove(oldSize), noteText);
    const address = `${this.witness.url.replace(/\/$/, "")}/add-checkpoint`;
    const headers = { "Content-Type": "text/plain; charset=utf-8" };
    const response = await this.fetch(address, { method: "POST", headers, body, redirect: "error", signal });
    return { status: response.status, type: response.headers.get("Content-Type") ?? "", body: await readBody(response) };
  }

  /** Takes over the size that a witness says it cosigned last; it is a hint, the proof from there is what counts. */
  private learn({ type, body }: Reply, { size }: Submission): void {
    if (type !== TLOG_SIZE_TYPE || !body.endsWith("\n")) unusable("answered 409 without its size");
    const known = parseTreeSize(body.slice(0, -1));
    if (known > size) unusable(`has cosigned ${known} leaves of this log, which has ${size}`);
    if (known === this.cosignedSize) unusable("has cosigned another checkpoint of this size");
    this.cosignedSize = known;
  }

  private accept({ status, body }: Reply, { text, size }: Submission): NoteSignature {
    if (status !== 200) unusable(`answered ${status}`);
    const lines = body.endsWith("\n") ? body.slice(0, -1).split("\n") : [];
    if (lines.length > MAX_NOTE_SIGNATURES) unusable("sent too many signatures");
    const own = lines.map(parseSignatureLine).find((line) => verifyCosignature(text, line, this.witness) !== null);
    if (own === undefined) unusable("sent no cosignature that verifies under its key");
    this.cosignedSize = size;
    return own;
  }
}
