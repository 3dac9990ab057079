/** Model lanes: one thread each, with every model loaded; a bounded number of requests runs or waits. */
import { once } from "node:events";
import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import { TrisealError } from "../../src/core/errors.ts";
import type { ModelPackage } from "../../src/model/model-package.ts";
import { teeError } from "../../src/paths/tee/wire/codes.ts";
import type { ExecutionProvider } from "./config.ts";
import { ELEMENT_TYPES, memoryOf, type RawTensor } from "./element-type.ts";
import type { LoadedModel, LoadedTensor, ThreadMessage, ThreadStart } from "./model-thread.ts";
import { openQuickModel, type QuickModel } from "./quick-model.ts";
import type { RunMessage } from "./session.ts";

interface Lane {
  readonly thread: Worker;
  busy: boolean;
}

interface Waiting {
  start(lane: Lane): void;
}

/** A place among the requests that may run or wait. */
export interface LanePlace {
  /**
   * The outputs of one run, in the order of `fetches`. Rejects with the reason of `signal` when that aborts; a run that
   * has begun then still holds its lane until the runtime returns. At most one run per place.
   * @throws TrisealError `WORKER_FAILED`.
   */
  run(message: RunMessage, signal: AbortSignal): Promise<readonly RawTensor[]>;
  /** Gives the place up, as soon as its run has ended. */
  leave(): void;
}

/** What the lanes do now. */
export interface LaneLoad {
  readonly running: number;
  readonly waiting: number;
}

/** The model threads of a worker, and the models that need none. */
export class ModelLanes {
  readonly provider: ExecutionProvider;
  /** Why providers of higher preference were passed over. */
  readonly passedOver: readonly string[];
  private readonly lanes: readonly Lane[];
  private readonly quick: ReadonlyMap<string, QuickModel>;
  private readonly queue: Waiting[] = [];
  private readonly places: number;
  private taken = 0;

  private constructor(
    lanes: readonly Lane[],
    quick: ReadonlyMap<string, QuickModel>,
    first: Extract<ThreadMessage, { kind: "ready" }>,
    queueLength: number,
  ) {
    this.lanes = lanes;
    this.quick = quick;
    this.provider = first.provider;
    this.passedOver = first.passedOver;
    this.places = lanes.length + queueLength;
  }

  /**
   * Starts `concurrency` threads and loads the models in each.
   * @param onLost called when a thread ends; the worker cannot go on then.
   * @throws TrisealError `MODEL_INVALID` where a model does not load or declares other tensors than its package.
   */
  static async open(
    start: ThreadStart,
    packages: readonly ModelPackage[],
    limits: { readonly concurrency: number; readonly queueLength: number },
    onLost: (reason: string) => void,
  ): Promise<ModelLanes> {
    const opened = await Promise.all(Array.from({ length: limits.concurrency }, () => openLane(start)));
    const [first] = opened;
    if (first === undefined) throw new TrisealError("CONFIG_INVALID", "a worker needs at least one lane");
    for (const model of packages) checkModel(model, first.ready.models);
    for (const { lane } of opened) {
      lane.thread.on("error", () => onLost("a model thread failed"));
      lane.thread.on("exit", () => onLost("a model thread ended"));
    }
    return new ModelLanes(
      opened.map(({ lane }) => lane),
      await openQuickModels(start, packages, first.ready.provider),
      first.ready,
      limits.queueLength,
    );
  }

  /** Runs in progress, and places taken beyond them. */
  get load(): LaneLoad {
    const running = this.lanes.filter((lane) => lane.busy).length;
    return { running, waiting: this.taken - running };
  }

  /** Takes a place. @throws TrisealError `WORKER_OVERLOADED` where all are taken. */
  enter(): LanePlace {
    if (this.taken >= this.places) throw teeError("WORKER_OVERLOADED", `the worker already holds ${this.places} requests`);
    this.taken++;
    let running = false;
    let left = false;
    const release = () => {
      if (left && !running) this.taken--;
    };
    return {
      run: (message, signal) => {
        running = true;
        return this.run(message, signal, () => {
          running = false;
          release();
        });
      },
      leave: () => {
        if (left) return;
        left = true;
        release();
      },
    };
  }

  private run(message: RunMessage, signal: AbortSignal, ended: () => void): Promise<readonly RawTensor[]> {
    const quick = this.quick.get(message.model);
    return quick?.fits(message.feeds) === true
      ? runQuick(quick, message, signal).finally(ended)
      : this.runInLane(message, signal, ended);
  }

  private runInLane(message: RunMessage, signal: AbortSignal, ended: () => void): Promise<readonly RawTensor[]> {
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        start: (lane) => {
          begun = true;
          this.runOn(lane, message).then(resolve, reject).finally(ended);
        },
      };
      let begun = false;
      const abort = () => {
        reject(signal.reason instanceof Error ? signal.reason : new TrisealError("CLIENT_ABORTED", "the request was aborted"));
        if (begun) return;
        const index = this.queue.indexOf(waiting);
        if (index >= 0) this.queue.splice(index, 1);
        ended();
      };
      if (signal.aborted) {
        abort();
        return;
      }
      signal.addEventListener("abort", abort, { once: true });
      this.queue.push(waiting);
      this.next();
    });
  }

  private next(): void {
    const lane = this.lanes.find((item) => !item.busy);
    if (lane === undefined) return;
    this.queue.shift()?.start(lane);
  }

  private async runOn(lane: Lane, message: RunMessage): Promise<readonly RawTensor[]> {
    lane.busy = true;
    try {
      const answered = once(lane.thread, "message") as Promise<[ThreadMessage]>;
      lane.thread.postMessage(message, memoryOf(message.feeds));
      const [answer] = await answered;
      if (answer.kind === "done") return answer.outputs;
      throw teeError("WORKER_FAILED", "the model run failed");
    } finally {
      lane.busy = false;
      this.next();
    }
  }
}

async function runQuick(quick: QuickModel, message: RunMessage, signal: AbortSignal): Promise<readonly RawTensor[]> {
  signal.throwIfAborted();
  try {
    return await quick.run(message);
  } catch {
    throw teeError("WORKER_FAILED", "the model run failed");
  }
}

function unusable(cause: unknown): never {
  throw new TrisealError("MODEL_INVALID", cause instanceof Error ? cause.message : "a model does not load", { cause });
}

async function openQuickModels(
  { models }: ThreadStart,
  packages: readonly ModelPackage[],
  provider: ExecutionProvider,
): Promise<ReadonlyMap<string, QuickModel>> {
  const quick = new Map<string, QuickModel>();
  for (const bytes of models) {
    const model = packages.find(({ name }) => name === bytes.name);
    const opened = model === undefined ? null : await openQuickModel(model, bytes, provider).catch(unusable);
    if (opened !== null) quick.set(bytes.name, opened);
  }
  return quick;
}

async function openLane(start: ThreadStart): Promise<{ lane: Lane; ready: Extract<ThreadMessage, { kind: "ready" }> }> {
  // A URL in a string is not rewritten by the compiler: the thread has the extension of this module.
  const thread = new Worker(new URL(`./model-thread${extname(import.meta.url)}`, import.meta.url), { workerData: start });
  const [message] = (await once(thread, "message")) as [ThreadMessage];
  if (message.kind === "ready") return { lane: { thread, busy: false }, ready: message };
  await thread.terminate();
  throw new TrisealError("MODEL_INVALID", message.kind === "unusable" ? message.reason : "a model thread does not start");
}

function sameTensors(model: ModelPackage, kind: "inputs" | "outputs", loaded: readonly LoadedTensor[], type?: string): void {
  for (const spec of model[kind]) {
    const found = loaded.find((tensor) => tensor.name === spec.name);
    if (found?.type !== (type ?? ELEMENT_TYPES[spec.datatype])) {
      throw new TrisealError(
        "MODEL_INVALID",
        `model \`${model.name}\`: model.onnx has no ${spec.datatype} tensor \`${spec.name}\` in its ${kind}`,
      );
    }
  }
}

function checkModel(model: ModelPackage, loaded: readonly LoadedModel[]): void {
  const found = loaded.find((item) => item.name === model.name);
  if (found === undefined) throw new TrisealError("MODEL_INVALID", `model \`${model.name}\` did not load`);
  // An integer form takes real numbers, which the worker encodes: its graph takes int32.
  sameTensors(model, "inputs", found.inputs, model.meaning === undefined ? undefined : "int32");
  sameTensors(model, "outputs", found.outputs);
  if (found.inputs.length !== model.inputs.length) {
    throw new TrisealError("MODEL_INVALID", `model \`${model.name}\`: model.onnx takes other inputs than model.json states`);
  }
}
