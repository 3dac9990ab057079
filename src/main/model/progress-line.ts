/** Progress of long work: one line that is rewritten on a terminal, a line per tenth elsewhere, on standard error. */

/** Shows how far `what` is. Says nothing about work that is done within a moment. */
export function progressLine(what: string, silent: boolean): (done: number, total: number) => void {
  const started = performance.now();
  let shown = -1;
  return (done, total) => {
    const tenth = Math.floor((done / total) * 10);
    if (silent || tenth === shown || performance.now() - started < 1000) return;
    shown = tenth;
    const text = `${what}: ${done} of ${total}`;
    if (process.stderr.isTTY) process.stderr.write(`\r${text}${done === total ? "\n" : ""}`);
    else process.stderr.write(`${text}\n`);
  };
}
