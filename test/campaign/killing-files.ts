/** Files that end their own process by SIGKILL at a chosen call: nothing after that call is ever done by it. */
import type { AppendFile, DurableFiles } from "../../src/log/store/files.ts";

/** Where a gateway is killed. */
export const KILL_POINTS = [
  /** Before the batch is written to the file `leaves`. */
  "before-append",
  /** When half of its bytes are written. */
  "half-append",
  /** Between append and fdatasync. */
  "before-sync",
  /** After fdatasync returned: the answer is durable, and nobody has it. */
  "before-response",
  /** When half of an answer's body has left. */
  "half-response",
  /** At any operation on the disk, those of the start included. */
  "any-operation",
] as const;

/** Where a gateway is killed. */
export type KillPoint = (typeof KILL_POINTS)[number];

/** Where, and at which passage of it. `any-operation` counts from the start of the process, all others from `arm` on. */
export interface KillOrder {
  readonly point: KillPoint;
  /** 1 is the first. */
  readonly passage: number;
}

/** Counts passages of the ordered point, and dies at the ordered one. */
export class Executioner {
  private readonly order: KillOrder;
  private armed: boolean;
  private passages = 0;

  constructor(order: KillOrder) {
    this.order = order;
    this.armed = order.point === "any-operation";
  }

  /** From now on passages count: the gateway is ready. */
  arm(): void {
    this.armed = true;
  }

  /** Whether this passage of `point` is the last thing that this process does. */
  isDue(point: KillPoint): boolean {
    return this.armed && this.order.point === point && ++this.passages === this.order.passage;
  }

  /** Ends this process here if its time has come. */
  pass(point: KillPoint): void {
    if (this.isDue(point)) die();
  }
}

/** Ends this process at once: the signal is delivered before the system call returns. */
export function die(): never {
  process.kill(process.pid, "SIGKILL");
  throw new Error("unreachable: the process was killed");
}

/** `files`, with the executioner at each operation, and closer at those of the file `leaves`. */
export function killingFiles(files: DurableFiles, executioner: Executioner): DurableFiles {
  const step =
    <Arguments extends readonly unknown[], Result>(work: (...values: Arguments) => Promise<Result>) =>
    async (...values: Arguments): Promise<Result> => {
      executioner.pass("any-operation");
      return await work(...values);
    };
  return {
    read: files.read,
    mode: files.mode,
    list: files.list,
    makeDirectory: step(files.makeDirectory),
    write: step(files.write),
    rename: step(files.rename),
    remove: step(files.remove),
    syncDirectory: step(files.syncDirectory),
    perform: async (steps) => {
      for (const each of steps) {
        // The file `leaves` has points of its own.
        if (each.do === "append") await each.file.append(each.bytes, true);
        else await step(files.perform)([each]);
      }
    },
    openAppend: async (path) => {
      const file = await step(files.openAppend)(path);
      return path.endsWith("/leaves") ? killingLeaves(file, executioner) : file;
    },
  };
}

function killingLeaves(file: AppendFile, executioner: Executioner): AppendFile {
  return {
    async append(bytes) {
      executioner.pass("any-operation");
      executioner.pass("before-append");
      if (executioner.isDue("half-append")) {
        await file.append(bytes.subarray(0, bytes.length >> 1), false);
        die();
      }
      // In two steps here, so that a death between them can be ordered. What a kill leaves is the same.
      await file.append(bytes, false);
      executioner.pass("before-sync");
      await file.sync();
      executioner.pass("before-response");
    },
    async sync() {
      executioner.pass("any-operation");
      await file.sync();
    },
    async truncate(length) {
      executioner.pass("any-operation");
      await file.truncate(length);
    },
    close: file.close,
  };
}
