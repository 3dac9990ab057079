/** One connection to an engine: requests with their answers, in any order, until it ends. */
import type { Socket } from "node:net";
import type { TrisealError } from "../../../core/errors.ts";
import { isJsonObject, type JsonObject } from "../../../core/json.ts";
import { codes, fheError } from "../wire/codes.ts";
import { type EngineFrame, encodeFrame, FrameReader } from "./engine-frame.ts";

const MAX_ID = 2 ** 32;

interface Waiting {
  readonly resolve: (frame: EngineFrame) => void;
  readonly reject: (error: TrisealError) => void;
  readonly progress: ((done: number, of: number) => void) | undefined;
}

/** A request that was sent. */
export interface SentRequest {
  readonly id: number;
  readonly answer: Promise<EngineFrame>;
}

/** A connection. It ends for good where the engine breaks the protocol, or the socket closes. */
export class EngineConnection {
  private readonly socket: Socket;
  private readonly reader = new FrameReader();
  private readonly waiting = new Map<number, Waiting>();
  private lost: TrisealError | null = null;
  private lastId = 0;
  /** Resolves when it has ended. */
  readonly ended: Promise<void>;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (chunk: Uint8Array) => this.received(chunk));
    socket.on("error", () => this.end(lostError("the connection to the engine broke")));
    this.ended = new Promise((resolve) => {
      socket.once("close", () => {
        this.end(lostError("the engine closed its connection"));
        resolve();
      });
    });
  }

  /** Requests without an answer. */
  get open(): number {
    return this.waiting.size;
  }

  get alive(): boolean {
    return this.lost === null;
  }

  /**
   * Sends a request. Its answer rejects with the engine's code, or with that of `end`.
   * @throws TrisealError `REQUEST_TOO_LARGE`.
   */
  send(op: string, members: JsonObject, parts: readonly Uint8Array[], progress?: Waiting["progress"]): SentRequest {
    const id = this.nextId();
    const frame = encodeFrame({ message: { v: 1, id, op, ...members }, parts });
    const answer = new Promise<EngineFrame>((resolve, reject) => {
      if (this.lost !== null) return reject(this.lost);
      this.waiting.set(id, { resolve, reject, progress });
      for (const piece of frame) this.socket.write(piece);
    });
    return { id, answer };
  }

  /** Ends the connection; everything that waits fails with `error`. */
  end(error: TrisealError): void {
    if (this.lost !== null) return;
    this.lost = error;
    this.socket.destroy();
    const left = [...this.waiting.values()];
    this.waiting.clear();
    for (const { reject } of left) reject(error);
  }

  private nextId(): number {
    do this.lastId = (this.lastId + 1) % MAX_ID;
    while (this.waiting.has(this.lastId));
    return this.lastId;
  }

  private received(chunk: Uint8Array): void {
    try {
      for (const frame of this.reader.push(chunk)) this.take(frame);
    } catch {
      this.end(lostError("the engine broke its protocol"));
    }
  }

  private take(frame: EngineFrame): void {
    const { id, v, ok, error, progress } = frame.message;
    const waiting = typeof id === "number" ? this.waiting.get(id) : undefined;
    if (v !== 1 || typeof id !== "number") throw lostError("the engine broke its protocol");
    // An answer that nobody waits for any more: its request was given up.
    if (waiting === undefined) return;
    if (isJsonObject(progress)) {
      const { done, of } = progress;
      if (typeof done === "number" && typeof of === "number") waiting.progress?.(done, of);
      return;
    }
    this.waiting.delete(id);
    if (ok === true) waiting.resolve(frame);
    else if (isJsonObject(error)) waiting.reject(engineError(error));
    else waiting.reject(lostError("the engine broke its protocol"));
  }
}

/** The error of runs whose engine is gone. */
export function lostError(reason: string): TrisealError {
  return fheError("FHE_ENGINE_LOST", reason);
}

/** An error of the engine in our terms. A code that it must not use is its own fault. */
function engineError({ code, message }: JsonObject): TrisealError {
  const text = typeof message === "string" ? message.slice(0, 200) : "no reason given";
  const known = (Object.keys(codes) as (keyof typeof codes)[]).find((name) => name === code);
  return known === undefined ? lostError(`the engine gave an unknown code: ${text}`) : fheError(known, text);
}
