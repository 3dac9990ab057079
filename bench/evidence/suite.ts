/**
 * The evidence suite: appraisals of hardware evidence from bytes to verdict, interleaved. Cold: nothing of an appraisal is
 * kept for the next one but the parsed vendor roots and the imported keys of authorities.
 */
import { generateKeyPairSync, sign } from "node:crypto";
import { type Percentiles, percentiles } from "../statistics.ts";
import { type BenchOptions, load, provenance, RESULT_SCHEMA, type Suite, type Table } from "../suite.ts";
import { ms } from "../table.ts";
import { type CachedAdmission, measureCachedAdmission } from "./cached-admission.ts";
import { type EvidenceWorkload, evidenceWorkloads } from "./workload.ts";

/** Rounds before those that count: the engine compiles what is hot. */
const WARM_UP_ROUNDS = 10;
const MIN_ROUNDS = 20;

/** One row of the result. Times in milliseconds. */
interface EvidenceRow {
  readonly name: string;
  readonly source: string;
  /** The first appraisal of the process. */
  readonly firstMs: number;
  readonly wallMs: Percentiles;
  /** Processor time of all threads of the process, mean of an appraisal. */
  readonly cpuMs: number;
  /** Signatures that WebCrypto verified in one appraisal. */
  readonly verifications: number;
}

interface EvidenceResult extends ReturnType<typeof provenance> {
  readonly schema: string;
  readonly suite: "evidence";
  readonly rounds: number;
  /** One ECDSA verification on P-384, its key imported: what the appraisals of vendors' chains are made of. */
  readonly p384Ms: Percentiles;
  readonly rows: readonly EvidenceRow[];
  readonly cached: CachedAdmission;
  readonly load: { readonly before: number; readonly after: number };
}

/** Counts what WebCrypto verifies while `run` runs. */
async function countVerifications(run: () => Promise<unknown>): Promise<number> {
  const { subtle } = globalThis.crypto;
  const original = subtle.verify.bind(subtle);
  let count = 0;
  const counting: typeof subtle.verify = async (...args) => {
    count++;
    return await original(...args);
  };
  Object.defineProperty(subtle, "verify", { value: counting, configurable: true });
  try {
    await run();
    return count;
  } finally {
    Reflect.deleteProperty(subtle, "verify");
  }
}

async function timed(run: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await run();
  return performance.now() - started;
}

/** A workload that answers as if its evidence were bad measures something else. */
async function accepted({ name, appraise }: EvidenceWorkload): Promise<void> {
  const code = await appraise();
  if (code !== null) throw new Error(`${name}: ${code}`);
}

function p384Workload(): () => Promise<unknown> {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-384" });
  const message = new Uint8Array(1000);
  const signature = new Uint8Array(sign("sha384", message, { key: privateKey, dsaEncoding: "ieee-p1363" }));
  const point = new Uint8Array(publicKey.export({ type: "spki", format: "der" })).slice(-97);
  const parameters = { name: "ECDSA", namedCurve: "P-384", hash: "SHA-384" };
  return async () => {
    const key = await crypto.subtle.importKey("raw", point, parameters, false, ["verify"]);
    if (!(await crypto.subtle.verify(parameters, key, signature, message))) throw new Error("P-384 does not verify");
  };
}

class Lane {
  readonly workload: EvidenceWorkload;
  private readonly times: number[] = [];
  private firstMs = 0;
  private cpuMs = 0;
  private verifications = 0;

  constructor(workload: EvidenceWorkload) {
    this.workload = workload;
  }

  async open(): Promise<void> {
    this.firstMs = await timed(() => accepted(this.workload));
    this.verifications = await countVerifications(() => accepted(this.workload));
  }

  async round(): Promise<void> {
    const before = process.cpuUsage();
    this.times.push(await timed(() => accepted(this.workload)));
    const { user, system } = process.cpuUsage(before);
    this.cpuMs += (user + system) / 1000;
  }

  row(): EvidenceRow {
    const { firstMs, verifications, times } = this;
    const { name, source } = this.workload;
    return { name, source, firstMs, wallMs: percentiles(times), cpuMs: this.cpuMs / times.length, verifications };
  }
}

async function run(options: BenchOptions): Promise<EvidenceResult> {
  const before = load();
  const lanes = (await evidenceWorkloads()).map((workload) => new Lane(workload));
  for (const lane of lanes) await lane.open();
  for (let round = 0; round < WARM_UP_ROUNDS; round++) for (const { workload } of lanes) await accepted(workload);
  const [p384, p384Times] = [p384Workload(), [] as number[]];
  const end = performance.now() + options.seconds * 1000;
  let rounds = 0;
  for (; rounds < MIN_ROUNDS || performance.now() < end; rounds++) {
    for (const lane of lanes) await lane.round();
    p384Times.push(await timed(p384));
    if (rounds % 50 === 0) options.progress(`evidence: round ${rounds}`);
  }
  const about = { schema: RESULT_SCHEMA, suite: "evidence" as const, ...provenance([]), rounds };
  const rows = lanes.map((lane) => lane.row());
  const cached = await measureCachedAdmission();
  return { ...about, p384Ms: percentiles(p384Times), rows, cached, load: { before, after: load() } };
}

function tables({
  machine,
  commit,
  uncommittedChanges,
  load: loads,
  rounds,
  p384Ms,
  rows,
  cached,
}: EvidenceResult): readonly Table[] {
  const about: Table = {
    title: "evidence: appraisals from bytes to verdict, nothing kept between them but vendor roots and keys of authorities",
    head: ["", ""],
    rows: [
      ["machine", `${machine.cpu}, ${machine.cores} cores, Node ${machine.node}`],
      ["commit", `${commit?.slice(0, 12) ?? "unknown"}${uncommittedChanges ? " with uncommitted changes" : ""}`],
      ["load before / after", `${loads.before} / ${loads.after}`],
      ["rounds", String(rounds)],
      ["one P-384 verification, p50", `${ms(p384Ms.p50)} ms`],
    ],
  };
  const appraisals: Table = {
    title: "milliseconds of one appraisal",
    head: ["", "p50", "p95", "first", "processor", "signatures", "evidence"],
    rows: rows.map(({ name, source, wallMs, firstMs, cpuMs, verifications }) => [
      name,
      ms(wallMs.p50),
      ms(wallMs.p95),
      ms(firstMs),
      ms(cpuMs),
      String(verifications),
      source,
    ]),
  };
  const { wallMs, appraisals: again, admissionMs } = cached;
  const microseconds = (value: number) => (value * 1000).toFixed(2);
  const admitted: Table = {
    title: "microseconds of the look at the session of an admitted worker, which every request takes",
    head: ["", "p50", "p99", "appraisals", "before it, once"],
    rows: [
      [
        `SNP worker, ${wallMs.n} requests`,
        microseconds(wallMs.p50),
        microseconds(wallMs.p99),
        String(again),
        `${ms(admissionMs)} ms of admission`,
      ],
    ],
  };
  return [about, appraisals, admitted];
}

/** The suite. */
export const evidenceSuite: Suite<EvidenceResult> = { name: "evidence", run, tables };
