/**
 * A gateway that kills itself where it is told: the built composition root, with other files. Arguments: configuration
 * file, data folder, port, the order as JSON, and the engine's command as JSON or nothing. Prints `ready` when it answers.
 */
import { ServerResponse } from "node:http";
import { die, Executioner, type KillOrder, killingFiles } from "./killing-files.ts";

type Main = typeof import("../../src/main/start-gateway.ts");
type Config = typeof import("../../src/main/config.ts");
type Files = typeof import("../../src/log/store/threaded-files.ts");

/** The built modules, as an operator runs them: workers are measured as built files, too. */
async function built<Module>(path: string): Promise<Module> {
  return (await import(new URL(`../../dist/src/${path}.js`, import.meta.url).href)) as Module;
}

/** Lets half of an answer's body leave where that is ordered. */
function cutResponses(executioner: Executioner): void {
  const whole = ServerResponse.prototype.end;
  ServerResponse.prototype.end = function cut(this: ServerResponse, ...values: unknown[]) {
    const [body] = values;
    const isAnswer = this.req.method === "POST" && this.statusCode === 200 && body instanceof Uint8Array;
    if (!isAnswer || !executioner.isDue("half-response")) return Reflect.apply(whole, this, values) as ServerResponse;
    this.write(body.subarray(0, body.length >> 1), () => die());
    return this;
  };
}

const [configFile = "", dataDir = "", port = "", order = "", engine = "null"] = process.argv.slice(2);
const fheEngine = JSON.parse(engine) as { readonly command: string; readonly args: readonly string[] } | null;
const executioner = new Executioner(JSON.parse(order) as KillOrder);
cutResponses(executioner);
const { startGateway } = await built<Main>("main/start-gateway");
const { readConfig } = await built<Config>("main/config");
const { openThreadedFiles } = await built<Files>("log/store/threaded-files");
const config = await readConfig(configFile);
await startGateway({
  config: { ...config, dataDir, listen: { ...config.listen, port: Number(port) } },
  dev: true,
  databaseUrl: null,
  clock: () => Math.floor(Date.now() / 1000) as never,
  log: (line) => process.stderr.write(`${JSON.stringify(line)}\n`),
  files: killingFiles(openThreadedFiles(), executioner),
  ...(fheEngine === null ? {} : { fheEngine }),
});
executioner.arm();
process.stdout.write("ready\n");
