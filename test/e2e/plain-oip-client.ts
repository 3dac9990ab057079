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
