import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseHex } from "../../src/core/bytes.ts";
import type { JsonObject } from "../../src/core/json.ts";
import { parseInferenceResponse } from "../../src/core/oip.ts";
import { inputCommitment, outputCommitment } from "../../src/model/commitment/leg-commitment.ts";
import { encodeInput } from "../../src/model/integer/encode-input.ts";
import { runInteger } from "../../src/model/integer/run.ts";
import { labelOf, standardizeRow } from "../../src/model/model-package.ts";
import { readPackage } from "../../src/model/read/read-package.ts";
import { parseWorkerEvidence } from "../../src/paths/tee/wire/keyset.ts";
import { parseTeeLeg } from "../../src/paths/tee/wire/leg.ts";
import { decodeSession } from "../../src/receipt/session.ts";
import {
  boundRequest,
  createWorkplace,
  heldBackRows,
  never,
  oipBody,
  type RunningPath,
  sealTo,
  startPath,
  startWorker,
  type Workplace,
} from "./worker-harness.ts";

let place: Workplace;
let running: RunningPath;

beforeAll(async () => {
  place = await createWorkplace();
  running = startPath(place);
  await running.path.admitted(AbortSignal.timeout(60_000));
});

afterAll(async () => {
  await running.path.close();
  await place.remove();
});

async function integerForm(name: string) {
  const [, form] = await readPackage(join(place.folder, "models", name));
  if (form?.integer === null || form === undefined) throw new Error(name);
  return { model: form.model, checked: form.integer.checked };
}

type Form = Awaited<ReturnType<typeof integerForm>>;

function bodyOf({ inputs: [input] }: Form["model"], rows: readonly (readonly number[])[], parameters?: JsonObject): Uint8Array {
  const shape = [rows.length, ...(input?.shape.slice(1) ?? [])];
  const tensor = { name: input?.name ?? "", datatype: "FP32", shape, data: rows.flat() };
  return oipBody([tensor], parameters === undefined ? {} : { parameters });
}

function infer(model: Form["model"], rows: readonly (readonly number[])[], parameters?: JsonObject) {
  return running.path.infer(boundRequest(model, bodyOf(model, rows, parameters)), { signal: never });
}

async function digits(at = 0): Promise<Form & { readonly sample: readonly number[]; readonly want: readonly number[] }> {
  const form = await integerForm("digits-mlp");
  const sample = (await heldBackRows("digits-mlp"))[at]?.x ?? [];
  const want = [...runInteger(form.checked, encodeInput(form.checked.model.input, sample))];
  return { ...form, sample, want };
}

describe("a worker that serves an integer form", () => {
  it.each(["digits-mlp", "breast-cancer-mlp"])(
    "answers %s with the reference's integers, under the digest of integer.json",
    async (name) => {
      const { model, checked } = await integerForm(name);
      expect([model.name, model.digest]).toEqual([`${name}-int`, checked.digest]);
      const rows = (await heldBackRows(name)).slice(0, 64);
      const samples = rows.map((row) => standardizeRow(model, row.x));
      let right = 0;
      for (const [at, sample] of samples.entries()) {
        const { outputs } = parseInferenceResponse((await infer(model, [sample])).body);
        const want = runInteger(checked, encodeInput(checked.model.input, sample));
        expect(outputs[0]).toMatchObject({ datatype: "INT32", data: Int32Array.from(want) });
        if (labelOf(model, outputs)?.label === rows[at]?.label) right++;
      }
      expect(right).toBeGreaterThanOrEqual(60);
    },
  );

  it("refuses another number of rows than one: a commitment is to one input", async () => {
    const { model, sample } = await digits();
    for (const rows of [[sample, sample], Array<typeof sample>(64).fill(sample)]) {
      await expect(infer(model, rows)).rejects.toMatchObject({ code: "REQUEST_BATCH" });
    }
  });

  it.each(["00", "5A".repeat(16), "5a".repeat(15), "5a".repeat(32), 7, null])(
    "refuses %j as a salt and quotes nothing of it",
    async (salt) => {
      const { model, sample } = await digits();
      const failed: unknown = await infer(model, [sample], { triseal_salt: salt }).catch((error: unknown) => error);
      expect(failed).toMatchObject({ code: "REQUEST_MALFORMED" });
      if (typeof salt === "string") expect(String((failed as Error).message)).not.toContain(salt);
    },
  );

  it("signs a commitment to the input under the caller's salt, and the outputs, where the gateway sealed", async () => {
    const { model, checked, sample, want } = await digits();
    const salt = "5a".repeat(16);
    const { body, leg } = await infer(model, [sample], { triseal_salt: salt });
    expect(parseInferenceResponse(body).parameters).toEqual({ triseal_salt: salt });
    const { statement } = parseTeeLeg(leg.bytes);
    const encoded = encodeInput(checked.model.input, sample);
    expect(statement.inputCommitment).toBe(inputCommitment(checked, parseHex(salt), encoded));
    expect([statement.outputs, statement.outputCommitment]).toEqual([want, undefined]);
    expect(new TextDecoder().decode(leg.bytes)).not.toContain(salt);
  });

  it("draws a salt of its own for each request that brings none, and says it in the answer", async () => {
    const { model, checked, sample } = await digits();
    const salts = new Set<string>();
    for (let run = 0; run < 3; run++) {
      const { body, leg } = await infer(model, [sample]);
      const stated = parseInferenceResponse(body).parameters?.["triseal_salt"];
      const salt = typeof stated === "string" ? stated : "";
      salts.add(salt);
      const encoded = encodeInput(checked.model.input, sample);
      expect(parseTeeLeg(leg.bytes).statement.inputCommitment).toBe(inputCommitment(checked, parseHex(salt), encoded));
    }
    expect([...salts].every((salt) => /^[0-9a-f]{32}$/.test(salt))).toBe(true);
    expect(salts.size).toBe(3);
  });

  it("keeps the outputs out of the leg where the caller sealed, and where the request asks for that", async () => {
    const { model, sample, want } = await digits();
    const salt = "5a".repeat(16);
    const committed = outputCommitment(parseHex(salt), want);
    const asked = await infer(model, [sample], { triseal_salt: salt, triseal_outputs: "committed" });
    const legs = [asked.leg.bytes];
    const { keyset } = parseWorkerEvidence(decodeSession(running.path.sessions()[0]?.document ?? {}).evidenceBytes);
    const body = (more: JsonObject) => bodyOf(model, [sample], { triseal_salt: salt, ...more });
    const sealed = async (more: JsonObject) => {
      const envelope = (await sealTo(keyset, model.name, body(more))).body;
      return running.path.infer(boundRequest(model, envelope, { sealedBy: "caller" }), { signal: never });
    };
    legs.push((await sealed({})).leg.bytes);
    for (const { statement } of legs.map(parseTeeLeg)) {
      expect([statement.outputs, statement.outputCommitment]).toEqual([undefined, committed]);
    }
    expect(parseTeeLeg((await sealed({ triseal_outputs: "stated" })).leg.bytes).statement.outputs).toEqual(want);
  });

  it("refuses an input out of range, before it runs, and says nothing about the value", async () => {
    const { model } = await integerForm("digits-mlp");
    const [row] = await heldBackRows("digits-mlp");
    const sample = [...(row?.x ?? [])];
    for (const value of [32, -1, 1e9]) {
      sample[3] = value;
      const failed: unknown = await infer(model, [sample]).catch((error: unknown) => error);
      expect(failed).toMatchObject({ code: "INPUT_OUT_OF_RANGE" });
      expect(String((failed as Error).message)).not.toContain(String(value));
    }
  });

  it("does not start when the integer model, or a known answer, is not the one that model.json states", async () => {
    const folder = join(place.folder, "models", "digits-mlp");
    for (const file of ["integer.json", "known-answers.json"]) {
      const bytes = await readFile(join(folder, file), "utf8");
      await writeFile(
        join(folder, file),
        bytes.replace(/"bias":\[(-?\d)|"y":\[(-?\d)/, (found) => `${found}1`),
      );
      await expect(startWorker(place.command())).rejects.toThrow(/MODEL_INVALID|digest|canonical|known answers/);
      await writeFile(join(folder, file), bytes);
    }
  });
});
