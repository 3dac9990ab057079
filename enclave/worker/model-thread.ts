/**
 * One model thread. onnxruntime-node runs a model on the thread that asks for it, so each run has a thread of its own;
 * the worker's main thread stays free for deadlines, refusals and health. Errors of a run are not passed on in words:
 * the runtime's messages can quote elements of the input.
 */
import { parentPort, workerData } from "node:worker_threads";
import { env, type InferenceSession } from "onnxruntime-node";
import type { ExecutionProvider } from "./config.ts";
import { memoryOf, type RawTensor } from "./element-type.ts";
import { WrongAnswer } from "./integer-run.ts";
import { type ModelBytes, openSession, type RunMessage, runSession } from "./session.ts";

/** What a thread is given to start with. */
export interface ThreadStart {
  readonly models: readonly ModelBytes[];
  readonly executionProviders: readonly ExecutionProvider[];
  readonly intraOpThreads: number;
}

/** A tensor that a loaded model declares. */
export interface LoadedTensor {
  readonly name: string;
  readonly type: string;
}

/** What a loaded model declares. */
export interface LoadedModel {
  readonly name: string;
  readonly inputs: readonly LoadedTensor[];
  readonly outputs: readonly LoadedTensor[];
}

/** What a thread says: once `ready` or `unusable`, then one `done` or `failed` per run. */
export type ThreadMessage =
  | {
      readonly kind: "ready";
      readonly provider: ExecutionProvider;
      readonly passedOver: readonly string[];
      readonly models: readonly LoadedModel[];
    }
  | { readonly kind: "unusable"; readonly reason: string }
  | { readonly kind: "done"; readonly outputs: readonly RawTensor[] }
  | { readonly kind: "failed" };

type Sessions = ReadonlyMap<string, InferenceSession>;

async function openSessions(start: ThreadStart, provider: ExecutionProvider): Promise<Sessions> {
  const sessions = new Map<string, InferenceSession>();
  for (const model of start.models) sessions.set(model.name, await openSession(model, provider, start.intraOpThreads));
  return sessions;
}

interface Opened {
  readonly provider: ExecutionProvider;
  readonly passedOver: readonly string[];
  readonly sessions: Sessions;
}

async function openFirstUsable(start: ThreadStart): Promise<Opened> {
  const passedOver: string[] = [];
  for (const provider of start.executionProviders) {
    try {
      return { provider, passedOver, sessions: await openSessions(start, provider) };
    } catch (error) {
      if (error instanceof WrongAnswer) throw error;
      // Loading happens before any request: the message is about the model file or the machine's libraries.
      const reason = error instanceof Error ? error.message : "unknown";
      passedOver.push(`\`${provider}\`: ${reason.replace(/\s+/g, " ").slice(0, 200)}`);
    }
  }
  throw new Error(`no execution provider can run the models: ${passedOver.join("; ")}`);
}

async function run(sessions: Sessions, message: RunMessage): Promise<readonly RawTensor[]> {
  const session = sessions.get(message.model);
  if (session === undefined) throw new Error("no such model");
  return runSession(session, message);
}

function declared(metadata: readonly InferenceSession.ValueMetadata[]): readonly LoadedTensor[] {
  return metadata.map((item) => ({ name: item.name, type: item.isTensor ? item.type : "no tensor" }));
}

async function main(): Promise<void> {
  const port = parentPort;
  if (port === null) throw new Error("the model thread has no parent");
  const say = (message: ThreadMessage) => port.postMessage(message);
  const handOver = (outputs: readonly RawTensor[]) =>
    port.postMessage({ kind: "done", outputs } satisfies ThreadMessage, memoryOf(outputs));
  // At any lower level the runtime writes failed runs to standard error, with elements of the input.
  env.logLevel = "fatal";
  let opened: Opened;
  try {
    opened = await openFirstUsable(workerData as ThreadStart);
  } catch (error) {
    say({ kind: "unusable", reason: error instanceof Error ? error.message : "unknown" });
    return;
  }
  port.on("message", (message: RunMessage) => {
    run(opened.sessions, message).then(handOver, () => say({ kind: "failed" }));
  });
  const models = [...opened.sessions].map(([name, session]) => ({
    name,
    inputs: declared(session.inputMetadata),
    outputs: declared(session.outputMetadata),
  }));
  say({ kind: "ready", provider: opened.provider, passedOver: opened.passedOver, models });
}

await main();
