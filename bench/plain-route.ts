/**
 * The baseline: what serving the same models costs without Triseal. Hono and onnxruntime-node, JSON in and out as the Open
 * Inference Protocol has it, no check, no seal, no record. As many processes as a worker has lanes, so that it uses the
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
  readonly data: readonly number[];
}

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
    const { id, inputs } = await c.req.json<{ id?: string; inputs: readonly PlainTensor[] }>();
    const feeds = Object.fromEntries(
      inputs.map(({ name: input, data, shape }) => [input, new Tensor("float32", Float32Array.from(data), shape)]),
    );
    const results = await session.run(feeds);
    const outputs = Object.entries(results).map(([output, tensor]) => {
      const data = Array.from(tensor.data as Float32Array);
      return { name: output, datatype: "FP32", shape: tensor.dims, data };
    });
    return c.json({ model_name: name, model_version: "1", ...(id === undefined ? {} : { id }), outputs });
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
