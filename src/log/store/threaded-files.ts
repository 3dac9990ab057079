/** The machine's file system for a gateway that runs: steps are done in a thread of their own, all else as by `nodeFiles`. */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import type { ThreadReply, ThreadRequest, ThreadStep } from "./file-thread.ts";
import { type AppendFile, type DurableFiles, type FileStep, nodeFiles, openAppendFile } from "./files.ts";

/** A thread's files, until they are closed. */
export interface ThreadedFiles extends DurableFiles {
  /** Waits for what is under way and ends the thread. */
  close(): Promise<void>;
}

interface Call {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** Bytes from which on memory is handed over and not copied. */
const HAND_OVER_BYTES = 64 * 1024;

function handedOver(steps: readonly ThreadStep[]): ArrayBuffer[] {
  return steps.flatMap((step) => {
    if (!("bytes" in step) || step.bytes.length < HAND_OVER_BYTES) return [];
    const { buffer, byteLength } = step.bytes;
    return buffer instanceof ArrayBuffer && buffer.byteLength === byteLength ? [buffer] : [];
  });
}

/** The thread, and the steps that it was given and has not answered. */
class FileThread {
  private readonly worker = new Worker(new URL("./file-thread.js", import.meta.url));
  private readonly calls = new Map<number, Call>();
  private next = 0;
  private ended: Error | null = null;

  constructor() {
    const end = (error: Error) => {
      this.ended ??= error;
      for (const { reject } of this.calls.values()) reject(this.ended);
      this.calls.clear();
    };
    this.worker.on("error", end);
    this.worker.on("exit", () => end(new Error("the thread of files ended")));
    this.worker.on("message", ({ id, failure }: ThreadReply) => this.settle(id, failure));
    // It keeps no process alive by itself, and one that waits for it until it answers.
    this.worker.unref();
  }

  perform(steps: readonly ThreadStep[]): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.ended !== null) {
        reject(this.ended);
        return;
      }
      const id = this.next++;
      if (this.calls.size === 0) this.worker.ref();
      this.calls.set(id, { resolve, reject });
      this.worker.postMessage({ id, steps } satisfies ThreadRequest, handedOver(steps));
    });
  }

  async close(): Promise<void> {
    while (this.calls.size > 0 && this.ended === null) await once(this.worker, "message");
    await this.worker.terminate();
  }

  private settle(id: number, failure: ThreadReply["failure"]): void {
    const call = this.calls.get(id);
    this.calls.delete(id);
    if (this.calls.size === 0) this.worker.unref();
    if (failure === null) call?.resolve();
    else call?.reject(Object.assign(new Error(failure.message), { code: failure.code }));
  }
}

/** `nodeFiles` whose `perform` is done by a thread. For built programs: the thread is a built file. */
export function openThreadedFiles(): ThreadedFiles {
  const thread = new FileThread();
  /** Descriptors of files that are open: one that was closed may be another file's by now. */
  const descriptors = new WeakMap<AppendFile, number>();
  const sent = (step: FileStep): ThreadStep => {
    if (step.do !== "append") return step;
    const fd = descriptors.get(step.file);
    if (fd === undefined) throw new Error("the file is closed");
    return { do: "append", fd, bytes: step.bytes };
  };
  let last: Promise<void> = Promise.resolve();
  return {
    ...nodeFiles,
    async openAppend(path) {
      const { fd, ...file } = await openAppendFile(path);
      const shown: AppendFile = {
        ...file,
        async close() {
          descriptors.delete(shown);
          await last;
          await file.close();
        },
      };
      descriptors.set(shown, fd);
      return shown;
    },
    async perform(steps) {
      const done = thread.perform(steps.map(sent));
      last = done.catch(() => undefined);
      await done;
    },
    close: () => thread.close(),
  };
}
