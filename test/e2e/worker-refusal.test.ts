import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { utf8 } from "../../src/core/bytes.ts";
import { digestOf } from "../../src/core/digest.ts";
import type { JsonObject, JsonValue } from "../../src/core/json.ts";
import { encodeInferenceRequest, parseInferenceResponse } from "../../src/core/oip.ts";
import { jsonLength } from "../../src/core/oip-body.ts";
import { parseTensor, type Tensor } from "../../src/core/tensor.ts";
import { unixSeconds } from "../../src/core/time.ts";
import type { ModelPackage } from "../../src/model/model-package.ts";
import { decodeAnswerHead, parseFrame } from "../../src/paths/tee/wire/frame.ts";
import { parseTeeLeg } from "../../src/paths/tee/wire/leg.ts";
import {
  clock,
  createWorkplace,
  type DirectWorker,
  ECHO_TYPES,
  frameOf,
  never,
  oipBody,
  sealTo,
  slowBody,
  startWorker,
  type Workplace,
} from "./worker-harness.ts";

let place: Workplace;
let worker: DirectWorker;

beforeAll(async () => {
  place = await createWorkplace();
  worker = await startWorker(place.command({ queueLength: 1, maxBodyBytes: 200_000, maxTensorElements: 1000 }));
});

afterAll(async () => {
  await worker.close();
  await place.remove();
});

function model(name: string): ModelPackage {
  const found = place.packages.get(name);
  if (found === undefined) throw new Error(name);
  return found;
}

const code = (name: string) => expect.objectContaining({ code: name });

async function ask(name: string, body: Uint8Array, more: { head?: JsonObject; envelope?: object } = {}): Promise<Uint8Array> {
  const sealed = await sealTo(worker.evidence.keyset, name, body, more.envelope);
  const frame = await worker.client.infer(frameOf(model(name), sealed.body, more.head), 20_000, never);
  const { head, body: rest } = parseFrame(frame, decodeAnswerHead);
  return await sealed.openResponse(rest.subarray(head.legLength));
}

const rootBody = (data: unknown, more: JsonObject = {}) =>
  oipBody([{ name: "x", datatype: "FP32", shape: [Array.isArray(data) ? data.length : 1], data }], more);

const SAMPLES: Readonly<Record<string, readonly unknown[]>> = {
  BOOL: [true, false],
  UINT8: [0, 255],
  UINT16: [0, 65_535],
  UINT32: [0, 4_294_967_295],
  UINT64: [0, Number.MAX_SAFE_INTEGER],
  INT8: [-128, 127],
  INT16: [-32_768, 32_767],
  INT32: [-2_147_483_648, 2_147_483_647],
  INT64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  FP32: [-1.5, 3.25],
  FP64: [Number.MIN_VALUE, -0.1],
  BYTES: ["häß", ""],
};

const JSON_INPUTS = ECHO_TYPES.map((datatype) => {
  return { name: `in_${datatype.toLowerCase()}`, datatype, shape: [2], data: SAMPLES[datatype] };
});

/** The samples, with the 64-bit integers that JSON cannot carry. */
function echoTensors(): readonly Tensor[] {
  return ECHO_TYPES.map((datatype) => {
    const json = SAMPLES[datatype] as JsonValue;
    const name = `in_${datatype.toLowerCase()}`;
    const tensor = parseTensor({ name, datatype, shape: [2] }, { datatype, shape: [2], content: { json } });
    if (datatype === "INT64") return { ...tensor, data: BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n) };
    return datatype === "UINT64" ? { ...tensor, data: BigUint64Array.of(0n, 2n ** 64n - 1n) } : tensor;
  });
}

function echoBody(parameters: JsonObject): Uint8Array {
  return encodeInferenceRequest({ id: "echo", parameters, inputs: echoTensors().map((tensor) => ({ tensor, binary: true })) });
}

describe("a request to a worker", () => {
  it("carries every datatype in and out unchanged", async () => {
    const inputs = ECHO_TYPES.map((datatype) => {
      return { name: `in_${datatype.toLowerCase()}`, datatype, shape: [2], data: SAMPLES[datatype] };
    });
    const { outputs, modelVersion } = parseInferenceResponse(await ask("echo", oipBody(inputs)));
    expect(modelVersion).toBe("7");
    const plain = (item: unknown) => (typeof item === "string" ? item : Number(item));
    for (const output of outputs) {
      expect(Array.from<unknown, unknown>(output.data, plain)).toEqual((SAMPLES[output.datatype] as unknown[]).map(plain));
    }
    expect(outputs.map((output) => output.datatype)).toEqual(ECHO_TYPES);
  });

  it("carries every datatype as binary, bit for bit, beside tensors in JSON", async () => {
    const { outputs } = parseInferenceResponse(await ask("echo", echoBody({ binary_data_output: true })));
    const named = ({ name }: Tensor) => name.replace("out_", "in_");
    expect(outputs.map((output) => ({ ...output, name: named(output) }))).toEqual(echoTensors());
    const asked = { outputs: [{ name: "out_fp32", parameters: { binary_data: true } }, { name: "out_bytes" }] };
    const answer = await ask("echo", oipBody(JSON_INPUTS, asked));
    const json = new TextDecoder().decode(answer.subarray(0, jsonLength(answer)));
    expect(JSON.parse(json)).toMatchObject({
      outputs: [
        { name: "out_fp32", parameters: { binary_data_size: 8 } },
        { name: "out_bytes", data: SAMPLES["BYTES"] },
      ],
    });
    expect(answer.subarray(jsonLength(answer))).toEqual(new Uint8Array(Float32Array.of(-1.5, 3.25).buffer));
  });

  it("carries FP16 as raw bits, and refuses it in JSON and where it is not finite", async () => {
    const half = (bits: Uint16Array, parameters: JsonObject) =>
      encodeInferenceRequest({
        id: "half",
        parameters,
        inputs: [{ tensor: { name: "in_fp16", datatype: "FP16", shape: [bits.length], data: bits }, binary: true }],
      });
    const bits = Uint16Array.of(0x3c00, 0x8000, 0x7bff, 0x0001);
    const { outputs } = parseInferenceResponse(await ask("half", half(bits, { binary_data_output: true })));
    expect(outputs).toEqual([{ name: "out_fp16", datatype: "FP16", shape: [4], data: bits }]);
    await expect(ask("half", half(bits, {}))).rejects.toEqual(code("REQUEST_TENSOR_INVALID"));
    for (const special of [0x7c00, 0xfc00, 0x7e01]) {
      const body = half(Uint16Array.of(1, special), { binary_data_output: true });
      await expect(ask("half", body)).rejects.toEqual(code("REQUEST_NOT_FINITE"));
    }
  });

  it("refuses binary tensors that are not what they say, and quotes nothing of them", async () => {
    const body = echoBody({ binary_data_output: true });
    const wrong = (from: string, to: string) => Buffer.from(Buffer.from(body).toString("latin1").replace(from, to), "latin1");
    for (const [bad, name] of [
      [body.subarray(0, -1), "REQUEST_MALFORMED"],
      [Buffer.concat([body, Buffer.of(0)]), "REQUEST_MALFORMED"],
      [wrong('"binary_data_output":true', '"binary_data_output":"y"'), "REQUEST_MALFORMED"],
      [wrong('"binary_data_size":2}', '"binary_data_size":3}'), "REQUEST_MALFORMED"],
      [wrong("h\xc3\xa4\xc3\x9f", "h\xff\xff\xff\xff"), "REQUEST_TENSOR_INVALID"],
      [wrong("\x01\x00", "\x02\x00"), "REQUEST_TENSOR_INVALID"],
    ] as const) {
      await expect(ask("echo", new Uint8Array(bad))).rejects.toEqual(code(name));
    }
  });

  it("answers only the outputs that are asked for, in that order, and echoes the id", async () => {
    const inputs = ECHO_TYPES.map((datatype) => {
      return { name: `in_${datatype.toLowerCase()}`, datatype, shape: [2], data: SAMPLES[datatype] };
    });
    const answer = parseInferenceResponse(
      await ask("echo", oipBody(inputs, { id: "my-id", outputs: [{ name: "out_fp64" }, { name: "out_bool" }] })),
    );
    expect(answer.outputs.map((output) => output.name)).toEqual(["out_fp64", "out_bool"]);
    expect(answer.id).toBe("my-id");
  });

  it("says in the leg which bytes it opened, and in the head that a body without 128 random bits can be guessed", async () => {
    const body = rootBody([4], { id: "short" });
    const sealed = await sealTo(worker.evidence.keyset, "root", body);
    const frame = await worker.client.infer(frameOf(model("root"), sealed.body), 20_000, never);
    const { head, body: rest } = parseFrame(frame, decodeAnswerHead);
    const { statement } = parseTeeLeg(rest.subarray(0, head.legLength));
    expect(head.requestGuessable).toBe(true);
    expect(statement.binding.requestDigest).toBe(digestOf(body));
    expect(statement.wire.requestDigest).toBe(digestOf(sealed.body));
    expect([statement.inputCommitment, statement.outputs]).toEqual([null, null]);
  });

  it("is refused when it is stale, replayed, or not yet to be believed", async () => {
    const expired = { exp: unixSeconds(clock() - 10) };
    await expect(ask("root", rootBody([1]), { envelope: expired })).rejects.toEqual(code("SEALED_EXPIRED"));
    const farAhead = { exp: unixSeconds(clock() + 400) };
    await expect(ask("root", rootBody([1]), { envelope: farAhead })).rejects.toEqual(code("SEALED_EXPIRED"));
    const otherKeys = { keysetDigest: digestOf(utf8("another keyset")) };
    await expect(ask("root", rootBody([1]), { envelope: otherKeys })).rejects.toEqual(code("WORKER_KEY_STALE"));
    const sealed = await sealTo(worker.evidence.keyset, "root", rootBody([1]));
    await worker.client.infer(frameOf(model("root"), sealed.body), 20_000, never);
    const again = worker.client.infer(frameOf(model("root"), sealed.body), 20_000, never);
    await expect(again).rejects.toEqual(code("SEALED_REPLAYED"));
  });

  it("is answered once when two copies of one envelope arrive together", async () => {
    const sealed = await sealTo(worker.evidence.keyset, "root", rootBody([1]));
    const copies = [1, 2].map(() => worker.client.infer(frameOf(model("root"), sealed.body), 20_000, never));
    const settled = await Promise.allSettled(copies);
    expect(settled.filter((result) => result.status === "fulfilled")).toHaveLength(1);
    const [refused] = settled.filter((result) => result.status === "rejected");
    expect(refused?.reason).toEqual(code("SEALED_REPLAYED"));
  });

  it("is refused for a model that the worker has not, or has with another digest", async () => {
    const sealed = await sealTo(worker.evidence.keyset, "nothing", rootBody([1]));
    const unknown = worker.client.infer(frameOf(model("root"), sealed.body), 20_000, never);
    await expect(unknown).rejects.toEqual(code("MODEL_UNKNOWN"));
    const head = { modelDigest: model("pick").digest };
    await expect(ask("root", rootBody([1]), { head })).rejects.toEqual(code("MODEL_UNKNOWN"));
    await expect(ask("root", rootBody([1]), { head: { modelDigest: digestOf(utf8("")) } })).rejects.toEqual(
      code("MODEL_UNKNOWN"),
    );
  });

  it("is refused when any clear field of the envelope was changed on the way", async () => {
    const facts = { classification: "public" };
    const { body } = await sealTo(worker.evidence.keyset, "root", rootBody([1], { parameters: facts }), { facts });
    const envelope = JSON.parse(new TextDecoder().decode(body)) as Record<string, JsonValue>;
    const flip = (base64: unknown) => {
      const bytes = Buffer.from(String(base64), "base64");
      bytes[bytes.length - 1] = (bytes[bytes.length - 1] ?? 0) ^ 1;
      return bytes.toString("base64");
    };
    const changes: readonly [object, string][] = [
      [{ exp: Number(envelope["exp"]) + 1 }, "SEALED_UNOPENABLE"],
      [{ facts: {} }, "SEALED_UNOPENABLE"],
      [{ facts: { classification: "personal" } }, "SEALED_UNOPENABLE"],
      [{ enc: flip(envelope["enc"]) }, "SEALED_UNOPENABLE"],
      [{ enc: "AAAA" }, "SEALED_UNOPENABLE"],
      [{ ct: flip(envelope["ct"]) }, "SEALED_UNOPENABLE"],
      [{ ct: "" }, "SEALED_UNOPENABLE"],
      [{ keysetDigest: digestOf(utf8("x")) }, "WORKER_KEY_STALE"],
      [{ v: 2 }, "SEALED_MALFORMED"],
      [{ more: 1 }, "SEALED_MALFORMED"],
    ];
    for (const [change, expected] of changes) {
      const changed = frameOf(model("root"), utf8(JSON.stringify({ ...envelope, ...change })));
      await expect(worker.client.infer(changed, 20_000, never), JSON.stringify(change)).rejects.toEqual(code(expected));
    }
    const otherModel = frameOf(model("pick"), utf8(JSON.stringify({ ...envelope, model: "pick" })));
    await expect(worker.client.infer(otherModel, 20_000, never)).rejects.toEqual(code("SEALED_UNOPENABLE"));
    await expect(worker.client.infer(frameOf(model("root"), body), 20_000, never)).resolves.toBeDefined();
  });

  it("is refused when the facts inside are not those outside", async () => {
    const inside = (parameters: JsonObject, facts: object) => ask("root", rootBody([1], { parameters }), { envelope: { facts } });
    await expect(inside({ classification: "personal" }, { classification: "public" })).rejects.toEqual(
      code("SEALED_FACTS_MISMATCH"),
    );
    await expect(inside({ value_usd: 10 }, {})).rejects.toEqual(code("SEALED_FACTS_MISMATCH"));
    await expect(inside({}, { kind: "state" })).rejects.toEqual(code("SEALED_FACTS_MISMATCH"));
    await expect(inside({ value_usd: 10, temperature: 3 }, { value_usd: 10 })).resolves.toBeDefined();
  });

  it("is refused for a bad tensor inside, in words that quote nothing of it", async () => {
    const secret = "SECRET";
    const cases: readonly [Uint8Array, string][] = [
      [rootBody([secret]), "REQUEST_TENSOR_INVALID"],
      [oipBody([{ name: secret, datatype: "FP32", shape: [1], data: [1] }]), "REQUEST_TENSOR_INVALID"],
      [oipBody([{ name: "x", datatype: "FP64", shape: [1], data: [1] }]), "REQUEST_TENSOR_INVALID"],
      [oipBody([{ name: "x", datatype: "FP32", shape: [3], data: [1] }]), "REQUEST_TENSOR_INVALID"],
      [oipBody([{ name: "x", datatype: "FP32", shape: [1, 1], data: [1] }]), "REQUEST_TENSOR_INVALID"],
      [oipBody([{ name: "x", datatype: "FP32", shape: [1001], data: Array(1001).fill(0) }]), "REQUEST_TENSOR_INVALID"],
      [rootBody([1], { outputs: [{ name: secret }] }), "REQUEST_TENSOR_INVALID"],
      [rootBody([1e300]), "REQUEST_NOT_FINITE"],
      [utf8(`{"inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":[NaN]}]}`), "REQUEST_NOT_FINITE"],
      [rootBody([-1]), "REQUEST_NOT_FINITE"],
      [utf8(`{"inputs":[],"${secret}":1}`), "REQUEST_MALFORMED"],
      [utf8(secret), "REQUEST_MALFORMED"],
      [rootBody([1], { parameters: { value_usd: -1 } }), "REQUEST_MALFORMED"],
      [new Uint8Array(), "REQUEST_MALFORMED"],
    ];
    for (const [body, expected] of cases) {
      const message = new TextDecoder().decode(body).slice(0, 120);
      await expect(ask("root", body), message).rejects.toEqual(
        expect.objectContaining({ code: expected, message: expect.not.stringContaining(secret) }),
      );
    }
  });

  it("fails in the runtime without a word of the input in the answer or the log", async () => {
    const body = oipBody([{ name: "index", datatype: "INT64", shape: [1], data: [987_654_321] }]);
    await expect(ask("pick", body)).rejects.toEqual(
      expect.objectContaining({ code: "WORKER_FAILED", message: expect.not.stringContaining("987654321") }),
    );
    expect(worker.log.join("\n")).not.toContain("987654321");
    const again = oipBody([{ name: "index", datatype: "INT64", shape: [1], data: [2] }]);
    expect(parseInferenceResponse(await ask("pick", again)).outputs[0]?.data).toEqual(Float32Array.of(30));
  });

  it("is refused when it is no frame, too large, or for an address that does not exist", async () => {
    await expect(worker.client.infer(utf8("not a frame"), 20_000, never)).rejects.toEqual(code("FORMAT_INVALID"));
    await expect(worker.client.infer(new Uint8Array(200_001), 20_000, never)).rejects.toEqual(code("REQUEST_TOO_LARGE"));
    await expect(worker.client.evidence("00", 5000, never)).rejects.toEqual(code("FORMAT_INVALID"));
    const address = worker.process.address;
    const url = `http://127.0.0.1:${"port" in address ? address.port : 0}`;
    expect((await fetch(`${url}/keys`)).status).toBe(404);
    expect((await fetch(`${url}/infer`)).status).toBe(404);
    expect((await fetch(`${url}/evidence`, { method: "POST", body: "x".repeat(2000) })).status).toBe(413);
  });
});

describe("a busy worker", () => {
  it("refuses what it cannot hold, drops what is given up, and says how busy it is", async () => {
    const slow = async (rounds: number, signal: AbortSignal, head: JsonObject = {}) => {
      const sealed = await sealTo(worker.evidence.keyset, "slow", slowBody(rounds));
      return await worker.client.infer(frameOf(model("slow"), sealed.body, head), 20_000, signal);
    };
    const load = async () => {
      const { running, waiting } = await worker.health();
      return { running, waiting };
    };
    const first = slow(600, never);
    await expect.poll(load, { interval: 5 }).toEqual({ running: 1, waiting: 0 });
    const giveUp = new AbortController();
    const second = slow(1, giveUp.signal);
    await expect.poll(load, { interval: 5 }).toEqual({ running: 1, waiting: 1 });
    await expect(slow(1, never)).rejects.toEqual(code("WORKER_OVERLOADED"));
    giveUp.abort();
    await expect(second).rejects.toEqual(code("CLIENT_ABORTED"));
    await expect.poll(load, { interval: 5 }).toEqual({ running: 1, waiting: 0 });
    await expect(first).resolves.toBeDefined();
    await expect(slow(1, never)).resolves.toBeDefined();
  });

  it("keeps a deadline while the model still runs, and answers for its health meanwhile", async () => {
    const sealed = await sealTo(worker.evidence.keyset, "slow", slowBody(600));
    const frame = frameOf(model("slow"), sealed.body, { deadlineMs: 50 });
    await expect(worker.client.infer(frame, 20_000, never)).rejects.toEqual(code("DEADLINE_EXCEEDED"));
    expect((await worker.health()).running).toBe(1);
    await expect(ask("root", rootBody([4]))).resolves.toBeDefined();
    expect((await worker.health()).running).toBe(0);
  });

  it("is given up by the gateway at the deadline when it does not answer at all", async () => {
    process.kill(worker.process.pid, "SIGSTOP");
    try {
      const sealed = await sealTo(worker.evidence.keyset, "root", rootBody([1]));
      const refused = worker.client.infer(frameOf(model("root"), sealed.body), 10, never);
      await expect(refused).rejects.toEqual(code("DEADLINE_EXCEEDED"));
    } finally {
      process.kill(worker.process.pid, "SIGCONT");
    }
  });

  it("refuses when its replay guard is full, until remembered envelopes expire", async () => {
    const small = await startWorker(place.command({ replayCapacity: 2 }));
    try {
      const once = async () => {
        const sealed = await sealTo(small.evidence.keyset, "root", rootBody([1]));
        return await small.client.infer(frameOf(model("root"), sealed.body), 20_000, never);
      };
      await once();
      await once();
      await expect(once()).rejects.toEqual(code("WORKER_OVERLOADED"));
    } finally {
      await small.close();
    }
  });
});

describe("a worker on a unix socket", () => {
  it("answers there, and finishes what it holds when it is asked to end", async () => {
    const onSocket = await startWorker(place.command({ socket: join(place.folder, "worker.sock") }));
    expect(onSocket.process.address).toEqual({ socketPath: join(place.folder, "worker.sock") });
    const sealed = await sealTo(onSocket.evidence.keyset, "slow", slowBody(300));
    const answer = onSocket.client.infer(frameOf(model("slow"), sealed.body), 20_000, never);
    setTimeout(() => process.kill(onSocket.process.pid, "SIGTERM"), 50);
    await expect(answer).resolves.toBeDefined();
    await onSocket.close();
  });
});

describe("a worker that cannot start", () => {
  it("says why, with a code", async () => {
    const refused = (overrides: JsonObject) => startWorker(place.command(overrides));
    await expect(refused({ unknown: 1 })).rejects.toThrow("CONFIG_INVALID");
    await expect(refused({ packageFolders: ["x"] })).rejects.toThrow("CONFIG_INVALID");
    await expect(refused({ modelsFolder: join(place.folder, "none") })).rejects.toThrow("MODEL_INVALID");
    await expect(refused({ attester: { type: "simulated", seedFile: join(place.folder, "none") } })).rejects.toThrow(
      "KEY_FILE_INVALID",
    );
  });

  it("refuses a model whose digest or tensors are not those of its package", async () => {
    const other = await createWorkplace();
    try {
      const file = join(other.folder, "models", "root", "model.json");
      const document = JSON.parse(await readFile(file, "utf8")) as JsonObject;
      await writeFile(file, JSON.stringify({ ...document, digest: digestOf(utf8("another")) }));
      await expect(startWorker(other.command())).rejects.toThrow(/MODEL_INVALID.*digest/);
      await writeFile(file, JSON.stringify({ ...document, outputs: [{ name: "nope", datatype: "FP32", shape: [-1] }] }));
      await expect(startWorker(other.command())).rejects.toThrow(/MODEL_INVALID.*nope/);
      await writeFile(file, JSON.stringify({ ...document, inputs: [{ name: "x", datatype: "FP64", shape: [-1] }] }));
      await expect(startWorker(other.command())).rejects.toThrow(/MODEL_INVALID.*FP64/);
    } finally {
      await other.remove();
    }
  });

  it("names the execution provider that serves, and passes one over only where another may follow", async () => {
    const both = await startWorker(place.command({ executionProviders: ["cuda", "cpu"] }));
    const { provider, passedOver } = await both.health();
    await both.close();
    expect(provider).toBe(passedOver.length === 0 ? "cuda" : "cpu");
    const alone = startWorker(place.command({ executionProviders: ["cuda"] }));
    if (provider === "cpu") await expect(alone).rejects.toThrow(/MODEL_INVALID.*cuda/);
    else await (await alone).close();
  });
});
