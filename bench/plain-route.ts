/**
 * The baseline: what serving the same models costs without Triseal. Hono and onnxruntime-node, JSON or binary tensors in
 * and out as the Open Inference Protocol has it, no check, no seal, no record. As many processes as a worker has lanes, so that it uses the
 * same cores: onnxruntime-node runs a model on the thread that calls it. Arguments: folder of models, processes.
 */
import cluster from "node:cluster";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { createAdaptorServer } from "@hono/node-server";
import { Hono } from "hono";
import { InferenceSession, Tensor } from "onnxruntime-node";

interface PlainTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly datatype: string;
  readonly data?: readonly number[];
  readonly parameters?: { readonly binary_data_size?: number };
}

interface PlainRequest {
  readonly id?: string;
  readonly inputs: readonly PlainTensor[];
}

const JSON_LENGTH = "inference-header-content-length";

const [folder = "", processes = "1"] = process.argv.slice(2);

async function openModels(): Promise<ReadonlyMap<string, InferenceSession>> {
  const names = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const open = async (name: string) =>
    [name, await InferenceSession.create(join(folder, name, "model.onnx"), { intraOpNumThreads: 1 })] as const;
  return new Map(await Promise.all(names.map(({ name }) => open(name))));
}

async function serve(): Promise<void> {
  const sessions = await openModels();
  const app = new Hono();
  app.post("/v2/models/:model/infer", async (c) => {
    const name = c.req.param("model");
    const session = sessions.get(name);
    if (session === undefined) return c.json({ error: "no such model" }, 404);
    const stated = c.req.header(JSON_LENGTH);
    const body = stated === undefined ? null : Buffer.from(await c.req.arrayBuffer());
    const { id, inputs } =
      body === null ? await c.req.json<PlainRequest>() : (JSON.parse(body.toString("utf8", 0, Number(stated))) as PlainRequest);
    let offset = Number(stated);
    const elements = ({ data, parameters }: PlainTensor): Float32Array => {
      if (body === null || data !== undefined) return Float32Array.from(data ?? []);
      const start = offset;
      offset += parameters?.binary_data_size ?? 0;
      return new Float32Array(Uint8Array.from(body.subarray(start, offset)).buffer);
    };
    const feeds = Object.fromEntries(inputs.map((input) => [input.name, new Tensor("float32", elements(input), input.shape)]));
    const results = Object.entries(await session.run(feeds));
    const head = { model_name: name, model_version: "1", ...(id === undefined ? {} : { id }) };
    if (body === null) {
      const outputs = results.map(([output, { data, dims }]) => {
        return { name: output, datatype: "FP32", shape: dims, data: Array.from(data as Float32Array) };
      });
      return c.json({ ...head, outputs });
    }
    const floats = results.map(([output, { data, dims }]) => ({ output, dims, data: data as Float32Array }));
    const outputs = floats.map(({ output, dims, data }) => {
      return { name: output, datatype: "FP32", shape: dims, parameters: { binary_data_size: data.byteLength } };
    });
    const json = Buffer.from(JSON.stringify({ ...head, outputs }));
    const parts = floats.map(({ data }) => Buffer.from(data.buffer, data.byteOffset, data.byteLength));
    return c.body(Uint8Array.from(Buffer.concat([json, ...parts])), 200, {
      "content-type": "application/octet-stream",
      [JSON_LENGTH]: String(json.length),
    });
  });
  const server = createAdaptorServer({ fetch: app.fetch });
  server.listen(0, "127.0.0.1");
}

if (cluster.isPrimary) {
  const workers = Array.from({ length: Number(processes) }, () => cluster.fork());
  let listening = 0;
  cluster.on("listening", (_worker, { port }) => {
    if (++listening === workers.length)
      process.stdout.write(`${JSON.stringify({ ready: true, url: `http://127.0.0.1:${port}` })}\n`);
  });
  process.on("SIGTERM", () => {
    for (const worker of workers) worker.process.kill("SIGKILL");
    process.exit(0);
  });
} else {
  await serve();
}
