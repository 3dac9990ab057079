/** Structured log lines on standard error: one JSON object per line, never anything of a request's content. */

/** Writes one line. `fields` are short facts: codes, sizes, times. */
export type WriteLog = (
  level: "info" | "warn" | "error",
  event: string,
  fields?: Readonly<Record<string, string | number | boolean | null>>,
) => void;

/** A log that writes through `write`, with the time from `nowMs` in milliseconds since the epoch. */
export function createLog(write: (line: string) => void, nowMs: () => number): WriteLog {
  return (level, event, fields = {}) => {
    write(`${JSON.stringify({ time: new Date(nowMs()).toISOString(), level, event, ...fields })}\n`);
  };
}
