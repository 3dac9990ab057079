/** A parent for the orphan test: starts one worker and prints its process id. The configuration is its one argument. */
import type { WorkerCommand } from "../../src/paths/tee/server/supervisor.ts";
import { Supervisor } from "../../src/paths/tee/server/supervisor.ts";

const command = JSON.parse(process.argv[2] ?? "") as WorkerCommand;
new Supervisor(command, {
  onUp: ({ pid }) => process.stdout.write(`${pid}\n`),
  onDown: (reason) => process.stdout.write(`down: ${reason}\n`),
  onLog: () => {},
});
