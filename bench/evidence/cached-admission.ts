/** What an admitted worker costs each request: the look at the session in force, with its evidence appraised before. */
import { Admission } from "../../src/paths/tee/server/admission.ts";
import { createAdmissionAppraisal } from "../../src/paths/tee/server/appraise-admission.ts";
import { snpEntry, snpHardware } from "../../test/fixtures/evidence/worker-hardware.ts";
import { at, createWorld, serviceEntry } from "../../test/fixtures/world.ts";
import { type Percentiles, percentiles } from "../statistics.ts";

/** Calls before those that count. */
const WARM_UP = 20_000;
const CALLS = 200_000;

/** Times in milliseconds. */
export interface CachedAdmission {
  readonly wallMs: Percentiles;
  /** Appraisals that all these calls made. */
  readonly appraisals: number;
  /** The admission itself: evidence fetched, appraised under the trust section, and frozen in a session document. */
  readonly admissionMs: number;
}

/** Admits a worker with SEV-SNP evidence of a test authority once, and asks for its session many times. */
export async function measureCachedAdmission(): Promise<CachedAdmission> {
  const world = await createWorld();
  const { workers, models } = serviceEntry(world).paths.tee;
  const section = { evidence: [snpEntry()], workers, models };
  const revoked = { keys: new Set<string>(), measurements: new Set<string>() };
  const appraise = createAdmissionAppraisal({ trusted: () => ({ section, revoked }), clock: () => at(0) });
  let appraisals = 0;
  const admission = new Admission({
    upstreamName: "bench",
    fetchEvidence: async (nonce) =>
      world.worker.evidence({ type: "sev-snp", hardware: snpHardware(), statement: (plain) => ({ ...plain, nonce }) }),
    appraise: async (bytes, nonce) => {
      appraisals++;
      return await appraise(bytes, nonce);
    },
    onSession: async () => {},
    clock: () => at(0),
    maxAgeS: 400,
    onAdmitted: () => {},
    onFailure: (code) => {
      throw new Error(`the worker is not admitted: ${code}`);
    },
  });
  const started = performance.now();
  const { id } = await admission.renew();
  const admissionMs = performance.now() - started;
  const times: number[] = [];
  for (let call = 0; call < WARM_UP + CALLS; call++) {
    const before = process.hrtime.bigint();
    const session = admission.current();
    const after = process.hrtime.bigint();
    if (session?.id !== id) throw new Error("another session");
    if (call >= WARM_UP) times.push(Number(after - before) / 1e6);
  }
  admission.close();
  return { wallMs: percentiles(times), appraisals: appraisals - 1, admissionMs };
}
