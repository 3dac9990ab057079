/** A peer's process that answers one line of JSON for each line that it is sent. */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { watchProgram } from "./program.ts";

/** A peer that takes longer for one answer is ended. */
const TIMEOUT_MS = 300_000;

/** What a peer answers. */
export type Answer = Readonly<Record<string, unknown>>;

/** A running peer. */
export class LineProcess {
  private readonly child: ChildProcessByStdio<Writable, Readable, Readable>;
  private readonly lines: AsyncIterator<string, undefined>;
  private readonly ended: Promise<NodeJS.Signals | null>;
  private lastError = "";

  constructor(command: string, args: readonly string[]) {
    this.child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"] });
    this.ended = new Promise((resolve) => this.child.once("exit", (_, signal) => resolve(signal)));
    watchProgram(this.child);
    this.child.stdin.on("error", () => undefined);
    this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
    createInterface({ input: this.child.stderr }).on("line", (line) => {
      if (!line.startsWith("note: ")) this.lastError = line.slice(0, 200);
    });
  }

  /** The next line. @throws Error with what the peer said where it failed. */
  async next(): Promise<Answer> {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      this.end();
    }, TIMEOUT_MS);
    const line: IteratorResult<string, undefined> = await this.lines.next().finally(() => clearTimeout(timer));
    if (isLate) throw new Error(`no answer within ${TIMEOUT_MS / 1000} s`);
    if (line.done === true) {
      const signal = await this.ended;
      throw new Error(`the process ended${signal === null ? "" : ` by ${signal}`}: ${this.lastError}`);
    }
    const answer = JSON.parse(line.value) as Answer;
    if (typeof answer["error"] === "string") throw new Error(answer["error"]);
    return answer;
  }

  /** Sends a line and waits for its answer. @throws Error like `next`. */
  async ask(request: object): Promise<Answer> {
    this.child.stdin.write(`${JSON.stringify(request)}\n`);
    return await this.next();
  }

  /** Ends the process. */
  end(): void {
    this.child.kill("SIGKILL");
  }
}
