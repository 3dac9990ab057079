/** Starts one of Triseal's own programs as a process of its own and waits for its ready line. */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { TrisealError } from "../../core/errors.ts";
import { isJsonObject, type JsonObject, parseJson } from "../../core/json.ts";
import { programArguments } from "../package-root.ts";

/** Development keys are made before a gateway is ready: ten seconds of computing with npm alone, which a busy machine stretches. */
const READY_TIMEOUT_MS = 300_000;
const STOP_TIMEOUT_MS = 10_000;

/** A running program. */
export interface ChildProgram {
  /** What it printed when it was ready. */
  readonly ready: JsonObject;
  readonly pid: number;
  /** SIGTERM, then SIGKILL; resolves when the process is gone. */
  stop(): Promise<void>;
}

/** The line of a failed program that says what went wrong. */
function complaint(output: string): string {
  const lines = output.trim().split("\n");
  return lines.find((line) => /^(triseal|error):/.test(line)) ?? lines.at(-1) ?? "";
}

function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new TrisealError("DEADLINE_EXCEEDED", "the program was not ready in time")),
      READY_TIMEOUT_MS,
    );
    let output = "";
    child.stderr?.on("data", (chunk: Buffer) => {
      output = `${output}${chunk.toString()}`.slice(-4000);
    });
    const fail = (reason: string) => {
      clearTimeout(timer);
      reject(new TrisealError("INTERNAL", reason));
    };
    child.once("error", (error) => fail(error.message));
    child.once("exit", (code) => fail(`the program ended with ${code}: ${complaint(output)}`));
    if (child.stdout === null) return;
    createInterface({ input: child.stdout }).once("line", (line) => {
      clearTimeout(timer);
      child.stderr?.removeAllListeners("data");
      resolve(line);
    });
  });
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
  await gone;
  clearTimeout(timer);
}

/** Runs `triseal` with `args`, which must contain `--json`, until it is ready. */
export async function startProgram(args: readonly string[]): Promise<ChildProgram> {
  const child = spawn(process.execPath, [...programArguments("src/main/triseal"), ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  try {
    const ready = parseJson(await firstLine(child));
    if (!isJsonObject(ready) || child.pid === undefined) throw new TrisealError("INTERNAL", "the program printed no ready line");
    child.stderr.resume();
    return { ready, pid: child.pid, stop: () => stopChild(child) };
  } catch (error) {
    await stopChild(child);
    throw error;
  }
}
