/** A `triseal proxy` process in front of a service, and plain requests to it. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Answer, digitsBody, readAnswer, type Service } from "./gateway-harness.ts";
import { type Program, startProgram, textOf } from "./gateway-process.ts";

/** What a proxy is started with. */
export interface ProxyPlace {
  readonly folder: string;
  readonly keyFile: string;
  readonly bundles: string;
  remove(): Promise<void>;
}

/** A folder with the service's API key in a file. */
export async function proxyPlace(service: Service): Promise<ProxyPlace> {
  const folder = await mkdtemp(join(tmpdir(), "triseal-proxy-"));
  const keyFile = join(folder, "key");
  await writeFile(keyFile, `${service.apiKey}\n`, { mode: 0o600 });
  const remove = () => rm(folder, { recursive: true, force: true });
  return { folder, keyFile, bundles: join(folder, "bundles"), remove };
}

/** The arguments of a proxy on a free port. */
export function proxyArgs(url: string, trust: string, keyFile: string, ...more: readonly string[]): readonly string[] {
  return ["proxy", "--url", url, "--trust", trust, "--key-file", keyFile, "--listen", "127.0.0.1:0", "--json", ...more];
}

/** A proxy that runs. */
export interface RunningProxy {
  readonly program: Program;
  readonly url: string;
  get(path: string): Promise<Answer>;
  /** POST of an inference request, as JSON unless it is bytes. */
  infer(body?: unknown, more?: { readonly model?: string; readonly headers?: Record<string, string> }): Promise<Answer>;
}

/** Starts a proxy. `stop` its program in the test. */
export async function startProxy(args: readonly string[]): Promise<RunningProxy> {
  const program = await startProgram(args);
  const url = textOf(program.ready, "url");
  return {
    program,
    url,
    get: async (path) => readAnswer(await fetch(`${url}${path}`)),
    infer: async (body = digitsBody(), { model = "digits-mlp", headers = {} } = {}) =>
      readAnswer(
        await fetch(`${url}/v2/models/${model}/infer`, {
          method: "POST",
          headers: { "content-type": "application/json", ...headers },
          body: body instanceof Uint8Array ? Uint8Array.from(body) : JSON.stringify(body),
        }),
      ),
  };
}
