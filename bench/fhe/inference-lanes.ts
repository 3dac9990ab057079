/** Systems that evaluate models under encryption, each a process that takes one row at a time. */
import { accessSync, constants, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { engine } from "../../scripts/cargo.ts";
import { encodeInput } from "../../src/model/integer/encode-input.ts";
import { parseIntegerModel } from "../../src/model/integer/parse-model.ts";
import { runInteger } from "../../src/model/integer/run.ts";
import { parseModelPackage, standardizeRow } from "../../src/model/model-package.ts";
import { encodeLweCircuit } from "../../src/paths/fhe/compile/lwe-circuit.ts";
import { compileLwe } from "../../src/paths/fhe/compile/lwe-compile.ts";
import { type Answer, LineProcess } from "../line-process.ts";
import { pythonEnvironment, reasonOf } from "../python-environment.ts";
import { percentiles } from "../statistics.ts";
import { repository } from "../suite.ts";
import type { InferenceRow } from "./inference-result.ts";

const CONCRETE_ML = "1.9.0";
const PROGRAM = join(engine.folder, "target", "release", "examples", "inference");

/** Bits of inputs and weights that Concrete ML is given for each model. */
export const CONCRETE_BITS: Readonly<Record<string, readonly number[]>> = {
  "breast-cancer-logistic": [8],
  "breast-cancer-tree": [4],
  "breast-cancer-forest": [4],
  "breast-cancer-mlp-fhe": [5, 6],
  "digits-mlp-fhe": [4],
};

/** What one row took, in milliseconds. */
export interface InferenceTimes {
  readonly encrypt: number;
  readonly evaluate: number;
  readonly decrypt: number;
}

/** A system that is ready. */
export interface InferenceLane {
  readonly system: string;
  readonly accuracy: number;
  readonly times: InferenceTimes[];
  /** Encrypts, evaluates and decrypts held-back row `row`; kept says whether it counts. */
  round(row: number, kept: boolean): Promise<void>;
  row(): InferenceRow;
  close(): void;
}

/** A system, or the row that says why it could not be run. */
export type OpenedLane = InferenceLane | InferenceRow;

const file = (name: string, part: string) => new Uint8Array(readFileSync(join(repository, "models", name, part)));
const json = (name: string, part: string): unknown => JSON.parse(new TextDecoder().decode(file(name, part)));

/** The held-back rows of a shipped model, as they were recorded. */
export function heldBackRows(name: string): readonly (readonly number[])[] {
  return (json(name, "heldback.json") as { rows: readonly { readonly x: readonly number[] }[] }).rows.map(({ x }) => x);
}

/** A lane over a running process: `ask` gets a row's answer, and `isRight` judges it. */
function lane(
  system: string,
  about: Pick<InferenceRow, "bootstraps" | "keygenMs" | "evaluationKeyBytes" | "about"> & { readonly accuracy: number },
  ask: (row: number) => Promise<Answer>,
  isRight: (row: number, answer: Answer) => boolean,
  process: LineProcess,
): InferenceLane {
  const times: InferenceTimes[] = [];
  let [wrong, inputBytes] = [0, 0];
  return {
    system,
    accuracy: about.accuracy,
    times,
    async round(row, kept) {
      const answer = await ask(row);
      if (!isRight(row, answer)) wrong++;
      inputBytes = Number(answer["inputBytes"]);
      const [encrypt = 0, evaluate = 0, decrypt = 0] = ["encryptMs", "evaluateMs", "decryptMs"].map((name) =>
        Number(answer[name]),
      );
      if (kept) times.push({ encrypt, evaluate, decrypt });
    },
    row: () => ({
      ...about,
      system,
      unavailable: null,
      evaluateMs: percentiles(times.map(({ evaluate }) => evaluate)),
      encryptMs: percentiles(times.map(({ encrypt }) => encrypt)),
      decryptMs: percentiles(times.map(({ decrypt }) => decrypt)),
      inputBytes,
      wrong,
    }),
    close: () => process.end(),
  };
}

/** @throws Error that says what to build. */
export function assertInferenceBuilt(): void {
  try {
    accessSync(PROGRAM, constants.X_OK);
  } catch {
    throw new Error(`${PROGRAM} is not built: cargo build --release --locked --example inference in ${engine.folder}`);
  }
}

/** Ours: the integer model's circuit in the engine's own executor. Every output is held against the reference executor's. */
export async function openOwn(name: string, folder: string): Promise<InferenceLane> {
  const [card, checked] = [parseModelPackage(file(name, "model.json")), parseIntegerModel(file(name, "integer.json"))];
  const { integer } = json(name, "model.json") as { integer: { accuracy: { heldBack: number } } };
  const { circuit, price } = compileLwe(checked);
  const circuitFile = join(folder, `${name}.json`);
  writeFileSync(circuitFile, encodeLweCircuit(circuit));
  const rows = heldBackRows(name).map((x) => encodeInput(checked.model.input, standardizeRow(card, x)));
  const process = new LineProcess(PROGRAM, [circuitFile]);
  const { keygenMs, serverKeyBytes, threads } = await process.next();
  const rowAt = (row: number) => rows[row % rows.length] ?? new Int32Array();
  const about = {
    accuracy: integer.accuracy.heldBack,
    bootstraps: price.pbs,
    keygenMs: Number(keygenMs),
    evaluationKeyBytes: Number(serverKeyBytes),
    about: { threads, depth: price.depth },
  };
  const isRight = (row: number, { outputs }: Answer) =>
    (outputs as readonly number[]).join() === runInteger(checked, rowAt(row)).join();
  return lane("triseal", about, (row) => process.ask([...rowAt(row)]), isRight, process);
}

function missing(system: string, unavailable: string): InferenceRow {
  const times = { evaluateMs: null, encryptMs: null, decryptMs: null };
  const sizes = { bootstraps: null, keygenMs: null, evaluationKeyBytes: null, inputBytes: null };
  return { system, unavailable, accuracy: null, ...times, ...sizes, wrong: null, about: {} };
}

/** Concrete ML with so many bits. One that will not install, or cannot make the model, says why. */
export async function openConcrete(name: string, bits: number): Promise<OpenedLane> {
  const system = `Concrete ML, ${bits} bits`;
  let process: LineProcess | null = null;
  try {
    const python = pythonEnvironment(`concrete-ml-${CONCRETE_ML}`, [`concrete-ml==${CONCRETE_ML}`], "python3.11");
    const opened = new LineProcess(python, [join(repository, "bench", "fhe", "concrete_ml.py")]);
    process = opened;
    const { versions } = await opened.next();
    const { accuracy, bootstraps, keygenMs, evaluationKeyBytes, ...rest } = await opened.ask({ op: "open", model: name, bits });
    const about = {
      accuracy: Number(accuracy),
      bootstraps: Number(bootstraps),
      keygenMs: Number(keygenMs),
      evaluationKeyBytes: Number(evaluationKeyBytes),
      about: { versions, ...rest },
    };
    return lane(
      system,
      about,
      (row) => opened.ask({ op: "run", row }),
      (_, { agrees }) => agrees === true,
      opened,
    );
  } catch (error) {
    process?.end();
    return missing(system, reasonOf(error));
  }
}
