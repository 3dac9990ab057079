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
  private lastError = "";

  constructor(command: string, args: readonly string[]) {
    this.child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"] });
    watchProgram(this.child);
    this.child.stdin.on("error", () => undefined);
    this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
    createInterface({ input: this.child.stderr }).on("line", (line) => {
      this.lastError = line.slice(0, 200);
    });
  }

  /** The next line. @throws Error with what the peer said where it failed. */
  async next(): Promise<Answer> {
    const timer = setTimeout(() => {
      this.lastError = `no answer within ${TIMEOUT_MS / 1000} s`;
      this.end();
    }, TIMEOUT_MS);
    const line: IteratorResult<string, undefined> = await this.lines.next().finally(() => clearTimeout(timer));
    if (line.done === true) throw new Error(`the process ended: ${this.lastError}`);
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
