/** Kills a real gateway again and again while callers use it, and checks after each kill that nothing acknowledged is lost or doubled. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import { TrisealClient } from "../../src/client/index.ts";
import { digestHex, digestOf } from "../../src/core/digest.ts";
import { isTrisealError } from "../../src/core/errors.ts";
import { isJsonObject, type JsonObject, parseJson } from "../../src/core/json.ts";
import { parseCheckpointText, parseNote, parseTlogProof } from "../../src/log/index.ts";
import { verifyLog } from "../../src/main/verify-log.ts";
import { parseTrust, type Trust, verifyBundle } from "../../src/verify/index.ts";
import { clock, copyFolder } from "../e2e/gateway-harness.ts";
import { repository } from "../e2e/gateway-process.ts";
import { loggedReceipts } from "../e2e/logged-receipt.ts";
import { Dice } from "./dice.ts";
import { freePort, type Place, type RunningChild, startChild } from "./killed-gateway.ts";
import { KILL_POINTS, type KillOrder, type KillPoint } from "./killing-files.ts";

/** How a campaign runs. */
export interface KillCampaign {
  readonly seed: number;
  readonly points: readonly KillPoint[];
  /** Kills wanted at each point. */
  readonly killsPerPoint: number;
  /** No further kill is begun after so many seconds. */
  readonly seconds: number;
  /** Callers that send one call after the other, every second one sealed. */
  readonly callers: number;
  /** Told what happens, line by line. */
  readonly say: (line: string) => void;
}

/** What a campaign saw. */
export interface KillResult {
  readonly seed: number;
  readonly kills: Readonly<Record<KillPoint, number>>;
  /** Starts of the gateway, the last, unkilled one included. */
  readonly starts: number;
  /** Kills after which the file `leaves` had an unfinished batch. */
  readonly tornTails: number;
  /** Calls that got their answer; each had an `Idempotency-Key` of its own. */
  readonly acknowledged: { readonly sealed: number; readonly clear: number };
  /** Calls that were under way at a kill, summed over the kills. */
  readonly underWay: number;
  readonly leaves: number;
  /** Receipts of answers in the log at the end. */
  readonly answered: number;
  /** Bundles that were fetched again from the last gateway, and verified. */
  readonly bundlesVerified: number;
  readonly problems: readonly string[];
}

const MODEL = "digits-mlp";
const ORIGIN = "triseal.test/kill";
const START_MS = 60_000;

/** One small model. */
async function makePlace(): Promise<Place> {
  const folder = await mkdtemp(join(tmpdir(), "triseal-kill-"));
  const configFile = join(folder, "triseal.config.yaml");
  await copyFolder(join(repository, "models", MODEL), join(folder, "models", MODEL));
  const workers = { jurisdiction: "EU", concurrency: 1 };
  await writeFile(configFile, stringify({ log: { origin: ORIGIN }, modelsDir: join(folder, "models"), workers }));
  return { folder, dataDir: join(folder, "data"), configFile, port: await freePort() };
}

/** A call that was answered. */
interface Acknowledged {
  readonly key: string;
  readonly receiptId: string;
  readonly bundle: Uint8Array;
  readonly sealed: boolean;
}

/** Callers that go on, whatever becomes of the gateway, until they are told to stop. */
class Callers {
  readonly acknowledged: Acknowledged[] = [];
  readonly problems: string[] = [];
  /** Calls under way. */
  open = 0;
  private stopping = false;
  private readonly running: Promise<void>[] = [];
  private readonly client: TrisealClient;
  private readonly name: string;

  constructor(client: TrisealClient, name: string) {
    this.client = client;
    this.name = name;
  }

  start(count: number): void {
    for (let caller = 0; caller < count; caller++) this.running.push(this.goOn(caller));
  }

  /** Resolves when every call that is under way has its answer. */
  async stop(): Promise<void> {
    this.stopping = true;
    await Promise.all(this.running);
  }

  private async goOn(caller: number): Promise<void> {
    for (let number = 0; !this.stopping; number++) {
      const key = `${this.name}-${caller}-${number}`;
      const sealed = caller % 2 === 0;
      const data = Array.from({ length: 64 }, (_, place) => (place + number) % 17);
      const inputs = [{ name: "pixels", datatype: "FP32", shape: [1, 64], data }];
      this.open++;
      try {
        const { receiptId, bundle } = await this.client.infer({ model: MODEL, inputs, seal: sealed, idempotencyKey: key });
        this.acknowledged.push({ key, receiptId, bundle, sealed });
      } catch (error) {
        this.problems.push(`call ${key}: ${isTrisealError(error) ? `${error.code} ${error.message}` : String(error)}`);
      }
      this.open--;
    }
  }
}

/** The checkpoint with most leaves of all that the bundles prove their documents by, and null without any. */
function lastCheckpoint(acknowledged: readonly Acknowledged[]): string | null {
  let last: { readonly size: number; readonly note: string } | null = null;
  for (const { bundle } of acknowledged) {
    const document = parseJson(bundle);
    const log = isJsonObject(document) && isJsonObject(document["log"]) ? document["log"] : {};
    for (const entry of Object.values(log)) {
      const proof = isJsonObject(entry) ? (entry as JsonObject)["proof"] : null;
      if (typeof proof !== "string") continue;
      const { noteText } = parseTlogProof(proof);
      const { size } = parseCheckpointText(parseNote(noteText).text);
      if (last === null || size > last.size) last = { size, note: noteText };
    }
  }
  return last?.note ?? null;
}

/** SHA-256 of tenant, a zero byte and key, as records have it. */
const keyHashOf = (key: string): string => digestHex(digestOf(new TextEncoder().encode(`dev\0${key}`)));

/** What is wrong with the log of a gateway that is dead, seen with everything that its callers were told. */
function findLosses(dataDir: string, acknowledged: readonly Acknowledged[]): readonly string[] {
  const answers = loggedReceipts(dataDir).filter(({ answered }) => answered);
  const byKey = new Map<string | null, string[]>();
  for (const { id, keyHash } of answers) byKey.set(keyHash, [...(byKey.get(keyHash) ?? []), id]);
  const doubled = [...byKey.values()].filter((ids) => ids.length > 1).map((ids) => `doubled: ${ids.join(" and ")}`);
  const lost = acknowledged.flatMap(({ key, receiptId }) => {
    const ids = byKey.get(keyHashOf(key)) ?? [];
    return ids.length === 1 && ids[0] === receiptId ? [] : [`${key}: told ${receiptId}, logged ${ids.join(" ") || "nothing"}`];
  });
  const others =
    new Set(acknowledged.map(({ receiptId }) => receiptId)).size === acknowledged.length ? [] : ["one receipt twice"];
  return [...doubled, ...lost, ...others];
}

/** One campaign in a folder of its own. */
class Campaign {
  private readonly options: KillCampaign;
  private readonly place: Place;
  private readonly problems: string[] = [];
  private readonly kills = Object.fromEntries(KILL_POINTS.map((point) => [point, 0])) as Record<KillPoint, number>;
  private readonly dice: Dice;
  private starts = 0;
  private tornTails = 0;
  private underWay = 0;
  private trust: Trust | null = null;
  private callers: Callers | null = null;

  constructor(options: KillCampaign, place: Place) {
    this.options = options;
    this.place = place;
    this.dice = new Dice(options.seed);
  }

  async run(): Promise<KillResult> {
    const { points, killsPerPoint, seconds, say } = this.options;
    const end = performance.now() + seconds * 1000;
    await this.firstStart();
    for (let round = 0; round < killsPerPoint; round++) {
      for (const point of points) {
        if (performance.now() > end || this.problems.length > 0) continue;
        const most = point === "any-operation" ? 120 : 5;
        await this.kill({ point, passage: 1 + this.dice.below(most) });
      }
      say(`${round + 1}: ${points.map((point) => `${point} ${this.kills[point]}`).join(", ")}`);
    }
    return await this.finish();
  }

  /** Makes keys and trust file, and lets the callers begin. */
  private async firstStart(): Promise<void> {
    const child = await this.startReady();
    this.trust = parseTrust(new Uint8Array(await readFile(join(this.place.dataDir, "trust.yaml"))));
    const apiKey = `dev-${(await readFile(join(this.place.dataDir, "dev", "api-key"), "utf8")).trim()}`;
    const retry = { maxAttempts: 100_000, baseDelayMs: 50, maxDelayMs: 200, deadlineMs: 120_000 };
    const baseUrl = `http://127.0.0.1:${this.place.port}`;
    const client = new TrisealClient({ baseUrl, apiKey, trust: this.trust, clock, retry });
    this.callers = new Callers(client, `kill-${this.options.seed}`);
    this.callers.start(this.options.callers);
    child.stop();
    await child.ended;
  }

  private async startReady(): Promise<RunningChild> {
    const child = startChild(this.place, { point: "half-response", passage: Number.MAX_SAFE_INTEGER });
    this.starts++;
    if (!(await child.ready)) throw new Error(`the gateway did not start: ${await child.ended}`);
    return child;
  }

  /** Starts a gateway that is to die as ordered, waits for its death, and looks at what it left. */
  private async kill(order: KillOrder): Promise<void> {
    const child = startChild(this.place, order);
    this.starts++;
    const timer = setTimeout(() => this.problems.push(`${order.point}: not killed in time`) && child.stop(), START_MS);
    const ended = await child.ended;
    clearTimeout(timer);
    this.underWay += this.callers?.open ?? 0;
    if (ended !== "SIGKILL") this.problems.push(`${order.point} at ${order.passage}: ${ended}`);
    else this.kills[order.point]++;
    await this.examine(`${order.point} at ${order.passage}`);
  }

  private async examine(after: string): Promise<void> {
    const { dataDir } = this.place;
    const acknowledged = this.callers?.acknowledged ?? [];
    const logs = this.trust?.services.flatMap((service) => service.logs) ?? [];
    try {
      const audit = await verifyLog({ dataDir, logs, from: lastCheckpoint(acknowledged) });
      if (audit.unfinishedBytes > 0) this.tornTails++;
      if (audit.forgotten > 0) this.problems.push(`${after}: ${audit.forgotten} leaves without a record`);
    } catch (error) {
      this.problems.push(`${after}: ${String(error)}`);
    }
    this.problems.push(...findLosses(dataDir, acknowledged).map((loss) => `${after}: ${loss}`));
  }

  /** Lets every call end, and fetches every bundle again from a gateway that nobody kills. */
  private async finish(): Promise<KillResult> {
    const child = await this.startReady();
    await this.callers?.stop();
    const acknowledged = this.callers?.acknowledged ?? [];
    const bundlesVerified = await this.verifyAll(acknowledged);
    child.stop();
    await child.ended;
    await this.examine("at the end");
    const answered = loggedReceipts(this.place.dataDir).filter((receipt) => receipt.answered).length;
    if (answered !== acknowledged.length) this.problems.push(`${acknowledged.length} answers told, ${answered} logged`);
    const logs = this.trust?.services.flatMap((service) => service.logs) ?? [];
    const { leaves } = await verifyLog({ dataDir: this.place.dataDir, logs, from: null });
    const sealed = acknowledged.filter((call) => call.sealed).length;
    return {
      seed: this.options.seed,
      kills: this.kills,
      starts: this.starts,
      tornTails: this.tornTails,
      acknowledged: { sealed, clear: acknowledged.length - sealed },
      underWay: this.underWay,
      leaves,
      answered,
      bundlesVerified,
      problems: [...this.problems, ...(this.callers?.problems ?? [])],
    };
  }

  private async verifyAll(acknowledged: readonly Acknowledged[]): Promise<number> {
    const apiKey = `dev-${(await readFile(join(this.place.dataDir, "dev", "api-key"), "utf8")).trim()}`;
    let verified = 0;
    for (const { receiptId } of acknowledged) {
      const url = `http://127.0.0.1:${this.place.port}/v1/receipts/${receiptId}/bundle`;
      const response = await fetch(url, { headers: { authorization: `Bearer ${apiKey}` } });
      const bundle = new Uint8Array(await response.arrayBuffer());
      const options = { now: clock(), at: null, request: null, response: null, opening: null, allowPending: false };
      const verdict = this.trust === null ? null : await verifyBundle(bundle, this.trust, options);
      if (verdict?.outcome === "accepted") verified++;
      else this.problems.push(`bundle ${receiptId}: ${response.status} ${verdict?.code}`);
    }
    return verified;
  }
}

/** Runs a campaign to its end; `problems` of the result is empty where nothing was lost or doubled. Needs a fresh build. */
export async function runKillCampaign(options: KillCampaign): Promise<KillResult> {
  const place = await makePlace();
  try {
    return await new Campaign(options, place).run();
  } finally {
    await rm(place.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}
