/** The calls of a soak: each is made until it has its answer, and judged; nothing is forgiven but a service that is just being killed. */
import { TrisealClient } from "../../../src/client/index.ts";
import { coreCodes, type ErrorTable, isTrisealError } from "../../../src/core/errors.ts";
import { parseInferenceResponse } from "../../../src/core/oip.ts";
import { codes as fheCodes } from "../../../src/paths/fhe/wire/codes.ts";
import { codes as teeCodes } from "../../../src/paths/tee/wire/codes.ts";
import { codes as zkCodes } from "../../../src/paths/zk/wire/codes.ts";
import { clock } from "../../e2e/gateway-harness.ts";
import type { Dice } from "../dice.ts";
import { type Question, wrongAnswer } from "./answers.ts";
import { type BadInput, badInputs } from "./bad-input.ts";
import type { SoakService } from "./service.ts";

/** A call that was answered, as its caller will claim it was. */
export interface Acknowledged {
  readonly key: string;
  readonly receiptId: string;
  /** Of a call by the SDK, which verified it. */
  readonly bundle: Uint8Array | null;
}

/** Kinds of calls, with how often each is made. */
export const CALL_WEIGHTS = { clear: 34, sealed: 26, "sealed integer": 8, proof: 4, bad: 28 } as const;

/** One of them. */
export type CallKind = keyof typeof CALL_WEIGHTS;

/** Longest time that a call may take in all, whatever is killed meanwhile. */
const CALL_MS = 120_000;
/** Longest time of one request: a service that says nothing for longer hangs. */
const REQUEST_MS = 45_000;
const PAUSE_MS = 100;

const table: ErrorTable = { ...coreCodes, ...teeCodes, ...zkCodes, ...fheCodes };

/** Codes of a service that is well and busy, or whose parts are just being killed. */
const PASSING = new Set(Object.entries(table).flatMap(([code, { retryable }]) => (retryable ? [code] : [])));

interface Answered {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

/** What went wrong with an answer of 400 and above, its code apart; null where nothing did. */
function uncoded({ status, headers, body }: Answered): { readonly code: string | null; readonly fault: string | null } {
  const text = new TextDecoder().decode(body);
  const code = /"code":"([A-Z][A-Z0-9_]+)"/.exec(text)?.[1] ?? null;
  const row = code !== null && Object.hasOwn(table, code) ? table[code] : undefined;
  if (row === undefined || code === null) return { code, fault: `${status} without a known code` };
  if (row.status !== status) return { code, fault: `${status} for ${code}` };
  if (headers.get("content-type") !== "application/problem+json") return { code, fault: `${code} of another media type` };
  if (/\n\s+at |node:internal|\/dist\//.test(text)) return { code, fault: `${code} with a place in the code` };
  return { code, fault: null };
}

/** What a receipt lacks while the witness that its trust file asks for is dead. */
const UNWITNESSED = "LOG_QUORUM_MISSING";

/** Makes calls and keeps what came of them. */
export class SoakCalls {
  readonly acknowledged: Acknowledged[] = [];
  readonly problems: string[] = [];
  readonly counts: Record<string, number> = {};
  readonly codes: Record<string, number> = {};
  /** Milliseconds from arrival to answer, of calls that were answered. */
  readonly latencies: number[] = [];
  private readonly service: SoakService;
  private readonly questions: { readonly float: readonly Question[]; readonly integer: readonly Question[] };
  private readonly client: TrisealClient;
  private readonly name: string;
  private made = 0;

  constructor(service: SoakService, questions: SoakCalls["questions"], name: string) {
    this.service = service;
    this.questions = questions;
    this.name = name;
    const { url: baseUrl, apiKey, trust } = service;
    const retry = { maxAttempts: 100_000, baseDelayMs: PAUSE_MS, maxDelayMs: 500, deadlineMs: CALL_MS };
    this.client = new TrisealClient({ baseUrl, apiKey, trust, clock, retry });
  }

  /** Makes one call of that kind; resolves once it is done, and never rejects. */
  async call(kind: CallKind, dice: Dice): Promise<void> {
    const started = performance.now();
    const key = `${this.name}-${this.made++}`;
    this.count(kind);
    try {
      if (kind === "bad") await this.refuse(dice.pick(badInputs));
      else await this.answered(kind, key, dice);
      if (kind !== "bad") this.latencies.push(performance.now() - started);
    } catch (error) {
      const what = isTrisealError(error)
        ? `${error.code} ${error.message}`
        : error instanceof Error
          ? error.message
          : String(error);
      this.problems.push(`${kind} ${key}: ${what}`);
    }
  }

  private count(name: string): void {
    this.counts[name] = (this.counts[name] ?? 0) + 1;
  }

  private async answered(kind: Exclude<CallKind, "bad">, key: string, dice: Dice): Promise<void> {
    const question = dice.pick(kind === "clear" || kind === "sealed" ? this.questions.float : this.questions.integer);
    if (kind === "clear" || kind === "proof") return this.plain(question, key, kind === "proof");
    const { model, inputs } = question;
    try {
      const { response, receiptId, bundle } = await this.client.infer({ model, inputs, idempotencyKey: key });
      this.judge(question, response, key);
      this.acknowledged.push({ key, receiptId, bundle });
    } catch (error) {
      this.unwitnessed(error, key);
    }
  }

  /** While the one witness is dead the SDK hands no answer over. The audit finds its receipt, and verifies it once that is witnessed. */
  private unwitnessed(error: unknown, key: string): void {
    const { receiptId, verdict } = isTrisealError(error) ? error.details : {};
    if (verdict !== UNWITNESSED || typeof receiptId !== "string") throw error;
    this.codes[UNWITNESSED] = (this.codes[UNWITNESSED] ?? 0) + 1;
    this.acknowledged.push({ key, receiptId, bundle: null });
  }

  private judge(question: Question, response: Parameters<typeof wrongAnswer>[1], key: string): void {
    const wrong = wrongAnswer(question, response);
    if (wrong !== null) this.problems.push(`wrong answer to ${key}: ${wrong}`);
  }

  /** As a caller without our SDK: the same bytes under the same key until there is an answer. */
  private async plain({ model, inputs, answer }: Question, key: string, proof: boolean): Promise<void> {
    const parameters = proof ? { assurance: "proof" } : {};
    const id = key.padEnd(32, "0");
    const body = JSON.stringify({ id, ...(proof ? { parameters } : {}), inputs });
    const end = performance.now() + CALL_MS;
    for (;;) {
      const headers = { "idempotency-key": key, "content-type": "application/json" };
      const got = await this.request({ method: "POST", path: `/v2/models/${model}/infer`, body, headers });
      if (got !== null && got.status === 200) {
        this.judge({ model, inputs, answer }, parseInferenceResponse(got.body), key);
        this.acknowledged.push({ key, receiptId: got.headers.get("x-receipt-id") ?? "", bundle: null });
        return;
      }
      if (got !== null) {
        const { code, fault } = uncoded(got);
        if (fault !== null) throw new Error(fault);
        this.codes[code ?? ""] = (this.codes[code ?? ""] ?? 0) + 1;
        if (!PASSING.has(code ?? "")) throw new Error(`refused with ${code}`);
      }
      if (performance.now() > end) throw new Error("no answer in time");
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }

  /** Bad input is refused with one of its codes, once there is somebody to refuse it. */
  private async refuse(bad: BadInput): Promise<void> {
    const end = performance.now() + CALL_MS;
    for (;;) {
      const { path, body, headers = {} } = bad;
      const asked = { method: bad.method ?? "POST", path, headers: { "content-type": "application/json", ...headers } };
      const got = await this.request(body === undefined ? asked : { ...asked, body });
      if (got !== null) {
        if (got.status < 400) throw new Error(`${bad.name}: taken with ${got.status}`);
        const { code, fault } = uncoded(got);
        if (fault !== null) throw new Error(`${bad.name}: ${fault}`);
        this.codes[code ?? ""] = (this.codes[code ?? ""] ?? 0) + 1;
        if (bad.codes.includes(code ?? "")) return;
        if (!PASSING.has(code ?? "")) throw new Error(`${bad.name}: ${code}`);
      }
      if (performance.now() > end) throw new Error(`${bad.name}: not refused in time`);
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }

  /** One request; null where nobody was there, or the connection broke. @throws where the service says nothing for too long. */
  private async request({
    method,
    path,
    body,
    headers,
  }: {
    readonly method: string;
    readonly path: string;
    readonly body?: string | Uint8Array;
    readonly headers: Readonly<Record<string, string>>;
  }): Promise<Answered | null> {
    const signal = AbortSignal.timeout(REQUEST_MS);
    const all: Record<string, string> = { authorization: `Bearer ${this.service.apiKey}`, ...headers };
    if (all["authorization"] === "") delete all["authorization"];
    const sent = body === undefined ? {} : { body: typeof body === "string" ? body : Uint8Array.from(body) };
    try {
      const response = await fetch(`${this.service.url}${path}`, { method, headers: all, signal, ...sent });
      return { status: response.status, headers: response.headers, body: new Uint8Array(await response.arrayBuffer()) };
    } catch {
      if (signal.aborted) throw new Error(`hang: nothing within ${REQUEST_MS} ms`);
      return null;
    }
  }
}
