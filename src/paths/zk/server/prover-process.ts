/** One prover program, as a child process that answers one request at a time. */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { TrisealError } from "../../../core/errors.ts";
import { isJsonObject, type JsonObject, parseJson } from "../../../core/json.ts";
import { residentBytes } from "../../../process/resident-bytes.ts";
import { codes, zkError } from "../wire/codes.ts";
import { decodeProofDocument, decodeSignalsDocument, type Proof } from "../wire/documents.ts";

/** A program that serves the prover protocol (`../prover/src/serve.rs`, `../snarkjs/main.ts`). */
export interface ProverProgram {
  readonly kind: "rust" | "snarkjs";
  readonly command: string;
  readonly args: readonly string[];
}

/** A proof and what it proves. */
export interface ProvenStatement {
  readonly proof: Proof;
  readonly publicSignals: readonly bigint[];
  /** Time inside the prover, its own verification included. */
  readonly proveMs: number;
}

const MAX_ANSWER = 2 ** 20;
const MEMORY_POLL_MS = 100;
const STARTUP_MS = 60_000;

type Child = ChildProcessByStdio<Writable, Readable, Readable>;

interface Waiting {
  readonly resolve: (answer: JsonObject) => void;
  readonly reject: (error: Error) => void;
}

/** A running prover. It is ended for good by `end`, by its own death, or where it breaks the protocol. */
export class ProverProcess {
  private readonly child: Child;
  private readonly memoryBytes: number;
  private readonly watch: NodeJS.Timeout;
  private waiting: Waiting | null = null;
  private lost: TrisealError | null = null;
  private lastError = "";
  private sequence = 0;
  /** Resolves when the process is gone. */
  readonly ended: Promise<void>;

  private constructor(program: ProverProgram, memoryBytes: number) {
    this.memoryBytes = memoryBytes;
    this.child = spawn(program.command, program.args, { stdio: ["pipe", "pipe", "pipe"], env: {} });
    this.child.stdin.on("error", () => undefined);
    createInterface({ input: this.child.stdout, crlfDelay: Number.POSITIVE_INFINITY }).on("line", (line) => this.answered(line));
    createInterface({ input: this.child.stderr }).on("line", (line) => {
      this.lastError = line.slice(0, 500);
    });
    this.ended = new Promise((resolve) => {
      this.child.once("error", () => this.lose(zkError("ZK_PROVER_LOST", "the prover could not be started")));
      this.child.once("close", () => {
        this.lose(this.reasonOfDeath());
        resolve();
      });
    });
    this.watch = setInterval(() => void this.checkMemory(), MEMORY_POLL_MS);
    this.watch.unref();
  }

  /**
   * Starts a program and waits until its key is loaded.
   * @throws TrisealError with the program's own code (`ZK_KEY_INVALID`, `FORMAT_INVALID`), or `ZK_PROVER_LOST`.
   */
  static async start(program: ProverProgram, memoryBytes: number): Promise<ProverProcess> {
    const prover = new ProverProcess(program, memoryBytes);
    const timer = setTimeout(() => prover.end(), STARTUP_MS);
    try {
      const ready = await prover.next();
      if (ready["ready"] !== true) throw zkError("ZK_PROVER_LOST", "the prover did not say that it is ready");
      return prover;
    } catch (error) {
      prover.end();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Whether it can take a request. */
  get alive(): boolean {
    return this.lost === null;
  }

  /**
   * Proves a `.wtns` file. One call at a time.
   * @throws TrisealError `ZK_WITNESS_INVALID`, `ZK_PROVER_MEMORY`, or `ZK_PROVER_LOST` where the process died.
   */
  async prove(witness: Uint8Array): Promise<ProvenStatement> {
    const id = String(this.sequence++);
    const answer = this.next();
    this.child.stdin.write(`${JSON.stringify({ id, bytes: witness.length })}\n`);
    this.child.stdin.write(witness);
    const { id: answered, error, proof, publicSignals, ms } = await answer;
    if (answered !== id) throw this.broken();
    if (isJsonObject(error)) throw programError(error);
    if (typeof ms !== "number") throw this.broken();
    return { proof: decodeProofDocument(proof), publicSignals: decodeSignalsDocument(publicSignals), proveMs: ms };
  }

  /** Ends the process at once, whatever it is doing. */
  end(): void {
    this.child.kill("SIGKILL");
  }

  private next(): Promise<JsonObject> {
    return new Promise((resolve, reject) => {
      if (this.lost !== null) reject(this.lost);
      else this.waiting = { resolve, reject };
    });
  }

  private answered(line: string): void {
    const { waiting } = this;
    this.waiting = null;
    try {
      const answer = line.length <= MAX_ANSWER ? parseJson(line) : null;
      if (waiting === null || answer === null || !isJsonObject(answer)) throw this.broken();
      waiting.resolve(answer);
    } catch {
      waiting?.reject(this.broken());
    }
  }

  private broken(): TrisealError {
    const error = zkError("ZK_PROVER_LOST", "the prover broke its protocol");
    this.lose(error);
    this.end();
    return error;
  }

  private lose(error: TrisealError): void {
    clearInterval(this.watch);
    this.lost ??= error;
    this.waiting?.reject(this.lost);
    this.waiting = null;
  }

  /** A program that refuses its key says why on its last line. */
  private reasonOfDeath(): TrisealError {
    try {
      const line = parseJson(this.lastError);
      if (isJsonObject(line) && isJsonObject(line["error"])) return programError(line["error"]);
    } catch {
      // no such line: it was killed, or crashed
    }
    return zkError("ZK_PROVER_LOST", "the prover died");
  }

  private async checkMemory(): Promise<void> {
    const used = this.child.pid === undefined ? null : await residentBytes(this.child.pid);
    if (used === null || used <= this.memoryBytes || this.lost !== null) return;
    this.lose(zkError("ZK_PROVER_MEMORY", `the prover used more than ${Math.round(this.memoryBytes / 2 ** 20)} MiB`));
    this.end();
  }
}

/** An error of the program in our terms. A code that it must not use is its own fault. */
function programError({ code, message }: JsonObject): TrisealError {
  const text = typeof message === "string" ? message.slice(0, 200) : "no reason given";
  if (code === "FORMAT_INVALID") return new TrisealError("FORMAT_INVALID", text);
  const known = (Object.keys(codes) as (keyof typeof codes)[]).find((name) => name === code);
  return zkError(known ?? "ZK_PROVER_LOST", text);
}
