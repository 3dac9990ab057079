/** The gateway's log: JSON lines that are gathered for a moment, since each write wakes whoever reads them. */
import type { OperatorLog } from "../gateway/options.ts";

/** How long a line of level `info` may wait for more, in milliseconds. */
const GATHER_MS = 50;
/** Characters that are written at once when so many wait. */
const MAX_WAITING = 64 * 1024;

/** A log that writes through `write`, with what waits written by `flush`. */
export interface LineWriter {
  readonly log: OperatorLog;
  readonly flush: () => void;
}

/**
 * A log of JSON lines, each with the time. Lines of level `info` are written together after 50 ms; a warning or an error is
 * written at once, and with it what came before. A process that is killed loses what waits: whoever has a receipt has it in
 * the log of leaves.
 * @param nowMs milliseconds since the epoch.
 */
export function createLineWriter(write: (text: string) => void, nowMs: () => number): LineWriter {
  let waiting = "";
  let timer: NodeJS.Timeout | null = null;
  const flush = () => {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    const text = waiting;
    waiting = "";
    if (text !== "") write(text);
  };
  return {
    flush,
    log: (line) => {
      waiting += `${JSON.stringify({ time: new Date(nowMs()).toISOString(), ...line })}\n`;
      if (line.level !== "info" || waiting.length >= MAX_WAITING) flush();
      else timer ??= setTimeout(flush, GATHER_MS);
    },
  };
}
