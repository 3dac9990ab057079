import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { digitsBody, get, heldBack, heldBackSet, infer, type Service, startService } from "./gateway-harness.ts";
import { classify } from "./plain-oip-client.ts";

let service: Service;

beforeAll(async () => {
  service = await startService();
});

afterAll(async () => {
  expect(await service.close()).toBe(0);
});

describe("a hand-written OIP client that knows nothing of Triseal", () => {
  it("gets the label that people gave, on held-back digits", async () => {
    for (const row of [0, 2, 3, 5, 42]) {
      const { input, label } = await heldBack("digits-mlp", row);
      const scores = await classify(service.url, service.apiKey, "digits-mlp", input);
      expect(String(scores.indexOf(Math.max(...scores)))).toBe(label);
    }
  });

  it("gets the label that people gave, on held-back breast masses and both models", async () => {
    for (const row of [0, 3, 7, 11]) {
      const { input, label } = await heldBack("breast-cancer-mlp", row);
      const [benign = 0, malignant = 0] = await classify(service.url, service.apiKey, "breast-cancer-mlp", input);
      expect(malignant > benign ? "malignant" : "benign").toBe(label);
      const [probability = 0] = await classify(service.url, service.apiKey, "breast-cancer-logistic", input);
      expect(probability >= 0.5 ? "malignant" : "benign").toBe(label);
    }
  });

  it("reads the refusal in the `error` member that its protocol has", async () => {
    const wrongLength = classify(service.url, service.apiKey, "digits-mlp", [1, 2, 3]);
    await expect(wrongLength).rejects.toThrow(/^REQUEST_TENSOR_INVALID: /);
    await expect(classify(service.url, "not-a-key-of-anyone", "digits-mlp", [1])).rejects.toThrow(/^AUTH_INVALID: /);
    await expect(classify(service.url, service.apiKey, "digits-mlp", [Number.NaN])).rejects.toThrow(/^REQUEST_TENSOR_INVALID: /);
  });
});

describe("the OIP routes", () => {
  it("describe server and health without a key", async () => {
    const server = await get(service, "/v2", null);
    expect(server.status).toBe(200);
    expect(server.json).toMatchObject({ name: "triseal", version: expect.any(String), extensions: expect.any(Array) });
    const live = await get(service, "/v2/health/live", null);
    expect([live.status, live.json]).toEqual([200, { live: true }]);
    const ready = await get(service, "/v2/health/ready", null);
    expect([ready.status, ready.json]).toEqual([200, { ready: true }]);
    expect((await get(service, "/v2/models", null)).json).toEqual({ models: expect.arrayContaining(["digits-mlp"]) });
  });

  it("describe a model, its one version and its readiness", async () => {
    const pixels = { name: "pixels", datatype: "FP32", shape: [-1, 64] };
    const probabilities = { name: "probabilities", datatype: "FP32", shape: [-1, 10] };
    for (const path of ["/v2/models/digits-mlp", "/v2/models/digits-mlp/versions/1"]) {
      const metadata = await get(service, path);
      expect(metadata.status).toBe(200);
      expect(metadata.json).toMatchObject({ name: "digits-mlp", versions: ["1"], inputs: [pixels], outputs: [probabilities] });
      expect(metadata.json["platform"]).toEqual(expect.any(String));
      const ready = await get(service, `${path}/ready`);
      expect([ready.status, ready.json]).toEqual([200, { name: "digits-mlp", ready: true }]);
    }
  });

  it("answer on the versioned address too, echo the id, and give only the outputs that were asked for", async () => {
    const body = digitsBody(undefined, { id: "mine", outputs: [{ name: "probabilities" }] });
    const plain = await infer(service, body);
    const versioned = await infer(service, body, { model: "digits-mlp/versions/1" });
    expect(plain.status).toBe(200);
    expect(versioned.status).toBe(200);
    expect(plain.json).toMatchObject({ model_name: "digits-mlp", model_version: "1", id: "mine" });
    expect(plain.json["outputs"]).toEqual(versioned.json["outputs"]);
    expect(plain.json["outputs"]).toMatchObject([{ name: "probabilities", datatype: "FP32", shape: [1, 10] }]);
  });

  it("answer the whole held-back set in one batch with the accuracy that the package states", async () => {
    for (const model of ["digits-mlp", "breast-cancer-mlp"]) {
      const { rows, accuracy, inputs, labels } = await heldBackSet(model);
      const tensor = {
        ...inputs[0],
        shape: [rows.length, rows[0]?.input.length ?? 0],
        data: rows.flatMap((row) => [...row.input]),
      };
      const batch = await infer(service, { inputs: [tensor] }, { model });
      const [output] = batch.json["outputs"] as { shape: number[]; data: number[] }[];
      expect(output?.shape).toEqual([rows.length, labels.length]);
      const right = rows.filter(({ label }, row) => {
        const scores = output?.data.slice(row * labels.length, (row + 1) * labels.length) ?? [];
        return labels[scores.indexOf(Math.max(...scores))] === label;
      });
      expect(right.length / rows.length).toBeCloseTo(accuracy, 3);
    }
  });

  it("take nested data as well as flat data", async () => {
    const nested = { inputs: [{ name: "pixels", datatype: "FP32", shape: [1, 64], data: [Array<number>(64).fill(1)] }] };
    expect((await infer(service, nested)).json["outputs"]).toEqual((await infer(service, digitsBody())).json["outputs"]);
  });

  it("refuse a model or version that does not exist, on every route", async () => {
    const paths = ["/v2/models/nothing", "/v2/models/nothing/ready", "/v2/models/digits-mlp/versions/2"];
    for (const path of [...paths, "/v2/models/digits-mlp/versions/2/ready", "/v2/models/%2e%2e%2fetc"]) {
      const answer = await get(service, path);
      expect([path, answer.status, answer.json["code"]]).toEqual([path, 404, "MODEL_UNKNOWN"]);
    }
    for (const model of ["nothing", "digits-mlp/versions/2"]) {
      const answer = await infer(service, digitsBody(), { model });
      expect([model, answer.status, answer.json["code"]]).toEqual([model, 404, "MODEL_UNKNOWN"]);
      expect(answer.receiptId).toMatch(/^rcpt-[0-9a-f]{32}$/);
    }
  });

  it("refuse addresses that do not exist, with a request id", async () => {
    for (const path of ["/v2/nothing", "/v1/nothing", "/nothing", "/v2/models/digits-mlp/infer/more"]) {
      const answer = await get(service, path);
      expect([path, answer.status, answer.json["code"]]).toEqual([path, 404, "NOT_FOUND"]);
      expect(answer.headers.get("x-request-id")).toBe(answer.json["request_id"]);
    }
  });
});
