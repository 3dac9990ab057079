/** One document of a whole run: what every suite measured, the ratios that the project is judged by, and what was not measured. */
import type { Interval } from "./statistics.ts";
import { provenance, RESULT_SCHEMA } from "./suite.ts";
import type { ZkResult } from "./zk/result.ts";

/** A ratio, or why there is none. */
export type Ratio = Interval | { readonly median: null; readonly reason: string };

/** Ratios of one name, by model or program. */
export type RatioGroup = Readonly<Record<string, Ratio>>;

/** Something that this machine cannot show, with a figure that others published. */
export interface NotMeasured {
  readonly what: string;
  readonly published: string;
  readonly source: string;
}

/** What a suite left, or why it left nothing. */
export type Part = object | { readonly unavailable: string };

/** The whole document. */
export interface CombinedResult extends ReturnType<typeof provenance> {
  readonly schema: typeof RESULT_SCHEMA;
  readonly suite: "all";
  /** True where any part is of simulated evidence: no table and no plot of that part may leave it out. */
  readonly simulated: boolean;
  readonly parts: Readonly<Record<string, Part>>;
  readonly ratios: Readonly<Record<string, RatioGroup>>;
  readonly notMeasured: readonly NotMeasured[];
}

/** Names of the ratios that every document has, with the reason where nothing gave one. */
const EXPECTED: Readonly<Record<string, string>> = {
  tee_sealed_over_http_p50: "no model of 30 ms or more was measured on the tee path",
  tee_sealed_over_mlserver_throughput: "MLServer was not measured in this run: `npm run bench -- all --peers`",
  ezkl_wasm_over_native_prove: "ezkl's WASM engine was not measured in this run: `npm run bench -- zk --peers`",
  ezkl_native_over_native_prove: "ezkl was not measured in this run: `npm run bench -- zk --peers`",
  ezkl_native_over_snarkjs_prove: "ezkl was not measured in this run: `npm run bench -- zk --peers`",
  fhe_http_over_direct_p50: "the fhe suite was not measured in this run",
  fhe_int16_over_lwe_linear: "the fhe suite was not measured in this run",
  concrete_ml_over_fhe: "Concrete ML was not measured in this run",
};

/** What no machine without a trusted execution environment shows. */
export const NOT_MEASURED: readonly NotMeasured[] = [
  {
    what: "memory encryption and bounce buffers of an H100 in confidential mode, throughput of large language models",
    published:
      "tokens per second lower by 6.85 % (8B), 4.58 % (14B), -0.13 % (70B); time to the first token longer by 18 to 19 % (8B, 14B)",
    source: "arXiv 2409.03992 v4, tables 2 to 4",
  },
  {
    what: "CPU enclaves under language models",
    published: "below 10 % of throughput and about 20 % of latency on CPUs; 4 to 8 % on GPUs",
    source: "arXiv 2509.18886",
  },
  {
    what: "Blackwell in confidential mode",
    published: "13 to 27 % less serving throughput, about 330 microseconds for every small crossing",
    source: "arXiv 2606.23969",
  },
];

const isInterval = (value: unknown): value is Interval => {
  const { median, low, high } = (value ?? {}) as Partial<Interval>;
  return typeof median === "number" && typeof low === "number" && typeof high === "number";
};

/** Ratios that a suite states itself, as `ratios: {name: {model: interval}}` or `{name: interval}`. */
function statedRatios(part: Part): Readonly<Record<string, RatioGroup>> {
  const stated = "ratios" in part ? (part.ratios as Readonly<Record<string, unknown>>) : {};
  const groups = Object.entries(stated).map(([name, value]): [string, RatioGroup] => {
    if (isRatio(value)) return [name, { all: value }];
    const named = Object.entries((value ?? {}) as Readonly<Record<string, unknown>>);
    return [name, Object.fromEntries(named.flatMap(([model, ratio]) => (isRatio(ratio) ? [[model, ratio]] : [])))];
  });
  return Object.fromEntries(groups.filter(([, group]) => Object.keys(group).length > 0));
}

function isRatio(value: unknown): value is Ratio {
  const { median, reason } = (value ?? {}) as { readonly median?: unknown; readonly reason?: unknown };
  return isInterval(value) || (median === null && typeof reason === "string");
}

const ZK_RATIOS: Readonly<Record<string, readonly [string, string]>> = {
  ezkl_wasm_over_native_prove: ["rust against ezkl-wasm", "ezkl-wasm"],
  ezkl_native_over_native_prove: ["rust against ezkl", "ezkl"],
  ezkl_native_over_snarkjs_prove: ["snarkjs against ezkl", "ezkl"],
};

const isZk = (part: Part): part is ZkResult => "suite" in part && part.suite === "zk" && "models" in part;

function zkRatios(part: Part): Readonly<Record<string, RatioGroup>> {
  if (!isZk(part)) return {};
  const { models } = part;
  const group = ([pair, prover]: readonly [string, string]): RatioGroup =>
    Object.fromEntries(
      models.flatMap(({ model, ratios, provers }): [string, Ratio][] => {
        const ratio = ratios[pair];
        const reason = provers.find((row) => row.prover === prover)?.unavailable;
        if (ratio !== undefined) return [[model, ratio]];
        return reason === undefined || reason === null ? [] : [[model, { median: null, reason }]];
      }),
    );
  const groups = Object.entries(ZK_RATIOS).map(([name, pair]): [string, RatioGroup] => [name, group(pair)]);
  return Object.fromEntries(groups.filter(([, found]) => Object.keys(found).length > 0));
}

/** Whether anything in a part says that it is simulated. */
function saysSimulated(value: unknown): boolean {
  if (Array.isArray(value)) return value.some(saysSimulated);
  if (typeof value !== "object" || value === null) return false;
  return Object.entries(value).some(([name, item]) => (name === "simulated" ? item === true : saysSimulated(item)));
}

/** The document of parts by suite. Every expected ratio is in it, with its reason where there is none. */
export function combine(parts: CombinedResult["parts"]): CombinedResult {
  const ratios: Record<string, RatioGroup> = {};
  for (const part of Object.values(parts))
    for (const [name, group] of Object.entries({ ...zkRatios(part), ...statedRatios(part) }))
      ratios[name] = { ...ratios[name], ...group };
  for (const [name, reason] of Object.entries(EXPECTED)) ratios[name] ??= { all: { median: null, reason } };
  return {
    schema: RESULT_SCHEMA,
    suite: "all",
    ...provenance(["onnxruntime-node", "hono", "snarkjs", "node-tfhe"]),
    simulated: Object.values(parts).some(saysSimulated),
    parts,
    ratios,
    notMeasured: NOT_MEASURED,
  };
}
