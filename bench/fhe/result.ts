/** The result document of the fhe suite. Its parts may be measured in several calls: each says when, at which commit and under which load. */
import type { Interval, Percentiles } from "../statistics.ts";
import type { provenance, RESULT_SCHEMA } from "../suite.ts";

/** When and under what a part was measured. */
export interface Measured {
  readonly startedAt: string;
  readonly commit: string | null;
  readonly uncommittedChanges: boolean;
  readonly load: { readonly before: number; readonly after: number };
}

/** Times of one direct form of a program. */
export interface FormRow {
  /** The engine's circuit, or the form that one writes with tfhe-rs's integers. */
  readonly form: "circuit" | "usual";
  readonly pbs: number;
  /** Bootstraps of decompressing the inputs. */
  readonly loadPbs: number;
  readonly ms: Percentiles;
  readonly loadMs: Percentiles;
  readonly computeMs: Percentiles;
  readonly storeMs: Percentiles;
}

/** A transfer through HTTP beside direct calls, in the same rounds. */
export interface TransferPart {
  readonly rounds: number;
  readonly httpMs: Percentiles;
  /** What of it the challenge takes. */
  readonly challengeMs: Percentiles;
  readonly answerBytes: number;
  readonly direct: readonly FormRow[];
  /** The amount's proven list: checked, opened and compressed, as the engine does before a run; directly. */
  readonly listMs: Percentiles;
  readonly openListMs: Percentiles;
  /** HTTP over the direct call of the same circuit, and of the usual form. */
  readonly overCircuit: Interval;
  readonly overUsual: Interval;
  /** HTTP over the direct call of the same circuit that opens the list, too. */
  readonly overCircuitWithList: Interval;
  /** What is left of HTTP: gateway, sockets, database, log with its syncs, signatures. */
  readonly restMs: number;
  /** A receipt of the run, as the command line verifies its bundle. */
  readonly outcome: string;
}

/** Independent transfers at once. */
export interface ConcurrencyPart {
  readonly transfers: number;
  readonly rounds: readonly {
    readonly wallMs: number;
    readonly engineCpuMs: number;
    readonly gatewayCpuMs: number;
    /** Processor time of the engine over that of all cores. */
    readonly engineShare: number;
    readonly allShare: number;
    readonly transferMs: Percentiles;
  }[];
  readonly engineShare: Interval;
}

/** A shipped program in both direct forms. */
export interface ProgramRow {
  readonly program: string;
  readonly depth: number;
  /** Bootstraps of the usual form by the issue that set the goal. */
  readonly issuePbs: number;
  readonly goalPbs: number;
  readonly pbsOverIssue: number;
  readonly forms: readonly FormRow[];
  /** How many times as long the usual form takes, loading and storing included. */
  readonly usualOverCircuit: Interval;
}

/** Sufficient against insufficient transfers. */
export interface WelchPart {
  /** Through HTTP, or the engine's own run called directly. */
  readonly through: "http";
  readonly threshold: number;
  readonly sufficientMs: readonly number[];
  readonly insufficientMs: readonly number[];
  readonly t: number;
  readonly degreesOfFreedom: number;
  /** Sizes of answers and outputs that occurred, by kind. */
  readonly answerBytes: { readonly sufficient: readonly number[]; readonly insufficient: readonly number[] };
  readonly outputBytes: { readonly sufficient: readonly string[]; readonly insufficient: readonly string[] };
  /** Welch's t of the answers' sizes; 0 where all are equal. */
  readonly sizeT: number;
  readonly calls: readonly Measured[];
}

/** The linear model in both forms. */
export interface LinearPart {
  readonly model: string;
  readonly features: number;
  readonly lweMs: Percentiles;
  readonly int16Ms: Percentiles;
  readonly rows: number;
  /** Rows whose decrypted integer is not the reference executor's; of either form. */
  readonly lweErrors: number;
  readonly int16Errors: number;
  readonly ratio: Interval;
}

/** One thing that a client does, natively and in WebAssembly. */
export interface ClientRow {
  readonly step: string;
  readonly native: Percentiles;
  readonly wasm: Percentiles | null;
  readonly wasmOverNative: Interval | null;
}

/** The client's side. */
export interface ClientPart {
  readonly bytes: Readonly<Record<string, number>>;
  readonly rows: readonly ClientRow[];
}

/** Names of the parts. */
export const PARTS = ["transfer", "concurrency", "programs", "linear", "client", "welch"] as const;

/** A part's name. */
export type PartName = (typeof PARTS)[number];

/** What was measured. */
export interface FheParts {
  readonly transfer?: TransferPart & Measured;
  readonly concurrency?: ConcurrencyPart & Measured;
  readonly programs?: { readonly rows: readonly ProgramRow[] } & Measured;
  readonly linear?: LinearPart & Measured;
  readonly client?: ClientPart & Measured;
  readonly welch?: WelchPart;
}

/** The whole result. */
export interface FheResult extends ReturnType<typeof provenance> {
  readonly schema: typeof RESULT_SCHEMA;
  readonly suite: "fhe";
  /** Nothing is simulated: no evidence of hardware is involved. */
  readonly simulated: false;
  readonly seconds: number;
  readonly threads: number;
  readonly intervals: string;
  readonly notes: readonly string[];
  readonly parts: FheParts;
  /** Parts that failed in the last call, and why. */
  readonly failed: readonly string[];
  /** Goals of the project; those of parts that were not measured are missing. */
  readonly ratios: Readonly<Record<string, Interval>>;
}
