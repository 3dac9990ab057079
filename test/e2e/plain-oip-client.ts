/**
 * A client of the Open Inference Protocol v2, written by hand, that knows nothing of Triseal: no SDK, no sealing, no
 * receipts. Whatever works here works with any existing client of that protocol.
 */

interface Tensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

/** The scores of one row of numbers: health, metadata, then inference with the names that the metadata gives. */
export async function classify(url: string, apiKey: string, model: string, row: readonly number[]): Promise<readonly number[]> {
  const ready = await fetch(`${url}/v2/health/ready`);
  if (!ready.ok) throw new Error(`not ready: ${ready.status}`);
  const metadata = (await (await fetch(`${url}/v2/models/${model}`)).json()) as { inputs: Tensor[] };
  const { name, datatype } = metadata.inputs[0] as Tensor;
  const response = await fetch(`${url}/v2/models/${model}/infer`, {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${apiKey}` },
    body: JSON.stringify({ id: "42", inputs: [{ name, datatype, shape: [1, row.length], data: row }] }),
  });
  const answer = (await response.json()) as { error?: string; outputs: Tensor[] };
  if (!response.ok) throw new Error(answer.error);
  return (answer.outputs[0] as Tensor).data;
}

/** One inference with the binary tensor data extension, both ways, as clients of it send it: no media type, JSON, then bytes. */
export async function inferBinary(
  url: string,
  apiKey: string,
  model: string,
  { name, datatype, shape }: Pick<Tensor, "name" | "datatype" | "shape">,
  data: Float32Array,
): Promise<{ readonly outputs: readonly Tensor[]; readonly binary: Float32Array }> {
  const { extensions } = (await (await fetch(`${url}/v2`)).json()) as { extensions: string[] };
  if (!extensions.includes("binary_tensor_data")) throw new Error("no binary tensors here");
  const input = { name, datatype, shape, parameters: { binary_data_size: data.byteLength } };
  const json = Buffer.from(JSON.stringify({ inputs: [input], parameters: { binary_data_output: true } }));
  const response = await fetch(`${url}/v2/models/${model}/infer`, {
    method: "POST",
    headers: { Authorization: `Bearer ${apiKey}`, "Inference-Header-Content-Length": String(json.length) },
    body: Buffer.concat([json, Buffer.from(data.buffer, data.byteOffset, data.byteLength)]),
  });
  const body = Buffer.from(await response.arrayBuffer());
  if (!response.ok) throw new Error((JSON.parse(body.toString()) as { error: string }).error);
  const jsonLength = Number(response.headers.get("Inference-Header-Content-Length"));
  const { outputs } = JSON.parse(body.subarray(0, jsonLength).toString()) as { outputs: Tensor[] };
  return { outputs, binary: new Float32Array(Uint8Array.from(body.subarray(jsonLength)).buffer) };
}
