/** MLServer, an Open Inference Protocol server from PyPI, serving an ONNX model through a custom runtime, and callers of it. */
import { spawn } from "node:child_process";
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { LineProcess } from "../line-process.ts";
import { childrenOf, watchProgram } from "../program.ts";
import { pythonEnvironment } from "../python-environment.ts";
import { repository } from "../suite.ts";
import type { Caller } from "../tee/caller.ts";
import { LANES } from "../tee/service.ts";
import type { InputTensor, Workload } from "../tee/workload.ts";

const VERSION = "1.7.1";
/** onnxruntime as in the project; uvloop as MLServer 1.7.1 can run with: its workers do not start with 0.22 and later. */
const PACKAGES = [`mlserver==${VERSION}`, "onnxruntime==1.30.0", "uvloop==0.21.0"];
const SOURCES = join(repository, "bench", "peers", "mlserver");
const START_MS = 60_000;
const CALL_MS = 60_000;

/** A running MLServer with one model. */
export interface MlServer {
  readonly url: string;
  readonly pids: readonly number[];
  readonly versions: readonly string[];
  /** A gRPC caller of the workload's inputs, in a process of its own. */
  grpcCaller(): Promise<LineProcess>;
  stop(): Promise<void>;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address !== null ? address.port : 0;
}

async function isReady(url: string): Promise<boolean> {
  try {
    return (await fetch(url)).ok;
  } catch {
    return false;
  }
}

const base64 = (data: InputTensor["data"]) => Buffer.from(Float32Array.from(data).buffer).toString("base64");

/** Starts MLServer on a model's file, with as many workers as a worker of ours has lanes. @throws Error where it does not install or start. */
export async function startMlServer({ name, inputs }: Workload, onnx: string, folder: string): Promise<MlServer> {
  const python = pythonEnvironment(`mlserver-${VERSION}`, PACKAGES, "python3.11");
  const place = join(folder, name);
  mkdirSync(place, { recursive: true });
  copyFileSync(join(SOURCES, "runtime.py"), join(place, "runtime.py"));
  const [http, grpc] = [await freePort(), await freePort()];
  const ports = { host: "127.0.0.1", http_port: http, grpc_port: grpc, metrics_endpoint: null };
  writeFileSync(join(place, "settings.json"), JSON.stringify({ ...ports, parallel_workers: LANES, debug: false }));
  const model = { name, implementation: "runtime.OnnxRuntime", parameters: { uri: onnx } };
  writeFileSync(join(place, "model-settings.json"), JSON.stringify(model));
  const callerFile = join(place, "inputs");
  writeFileSync(callerFile, JSON.stringify(inputs.map((row) => row.map((tensor) => ({ ...tensor, data: base64(tensor.data) })))));
  const child = spawn(join(dirname(python), "mlserver"), ["start", "."], { cwd: place, stdio: "ignore" });
  watchProgram(child);
  const url = `http://127.0.0.1:${http}`;
  const end = performance.now() + START_MS;
  while (!(await isReady(`${url}/v2/models/${name}/ready`))) {
    if (performance.now() > end || child.exitCode !== null) {
      child.kill("SIGKILL");
      throw new Error(`MLServer was not ready within ${START_MS / 1000} s`);
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  const pid = child.pid ?? 0;
  return {
    url,
    pids: [pid, ...childrenOf(pid)],
    versions: PACKAGES,
    async grpcCaller() {
      const caller = new LineProcess(python, [join(SOURCES, "grpc_client.py"), `127.0.0.1:${grpc}`, name, callerFile]);
      await caller.next();
      return caller;
    },
    async stop() {
      const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), 15_000);
      await gone;
      clearTimeout(timer);
    },
  };
}

interface PlainOutput {
  readonly data: readonly unknown[];
}

/** A caller over REST. MLServer has no binary tensors there: numbers are spelled, or travel as base64 by a convention of the runtime's. */
export function restCaller(url: string, encoding: "json" | "base64"): Caller {
  const spelled = (tensor: InputTensor) =>
    encoding === "json"
      ? { ...tensor, data: Array.from(tensor.data) }
      : {
          name: tensor.name,
          datatype: "BYTES",
          shape: [1, 1],
          parameters: { content_type: "base64", shape: tensor.shape },
          data: [base64(tensor.data)],
        };
  return async (model, inputs) => {
    const begun = performance.now();
    const response = await fetch(`${url}/v2/models/${model}/infer`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ inputs: inputs.map(spelled) }),
      signal: AbortSignal.timeout(CALL_MS),
    });
    if (response.status !== 200) throw new Error(`MLServer: ${response.status} ${(await response.text()).slice(0, 200)}`);
    const { outputs } = (await response.json()) as { readonly outputs: readonly PlainOutput[] };
    const [first] = outputs[0]?.data ?? [];
    const elements = encoding === "json" ? (outputs[0]?.data.length ?? 0) : Buffer.from(String(first), "base64").length / 4;
    if (elements < 1 || !Number.isInteger(elements)) throw new Error("MLServer: an answer without elements");
    return { answered: performance.now() - begun, verified: null, stages: {}, bundle: null };
  };
}
