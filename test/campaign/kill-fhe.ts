/**
 * Kills a real gateway, or its engine, while it moves units between two accounts, and checks before each further kill that the accounts
 * are what was acknowledged: each move takes one unit, so that versions count them, and the sum of both never changes.
 */
import { readFileSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { stringify } from "yaml";
import { copyFolder } from "../e2e/gateway-harness.ts";
import { childrenOf, repository } from "../e2e/gateway-process.ts";
import { Dice } from "./dice.ts";
import { FheCaller } from "./fhe/kill-caller.ts";
import { clearWorld, type KillWorld, realWorld } from "./fhe/kill-worlds.ts";
import { freePort, type Place, type RunningChild, startChild } from "./killed-gateway.ts";
import type { KillOrder } from "./killing-files.ts";

/** Where a gateway with accounts is killed. */
export const FHE_KILL_POINTS = [
  /** The engine alone, while it runs: the gateway says so, and goes on with another one. */
  "engine-mid-run",
  /** While the engine runs. */
  "mid-run",
  /** Between the run and the log. */
  "before-append",
  /** When half of the leaf is written. */
  "half-append",
  /** Between log and database: the leaf is durable, and no account was written. */
  "before-response",
  /** When half of the answer has left: database and log have it. */
  "half-response",
] as const;

/** One of them. */
export type FheKillPoint = (typeof FHE_KILL_POINTS)[number];

/** How a campaign runs. */
export interface FheKillCampaign {
  readonly engine: "real" | "clear";
  /** Decides when, within a run, a process is killed. */
  readonly seed: number;
  readonly points: readonly FheKillPoint[];
  readonly killsPerPoint: number;
  /** No further kill is begun after so many seconds. */
  readonly seconds: number;
  readonly say: (line: string) => void;
}

/** What a campaign saw. */
export interface FheKillResult {
  readonly engine: string;
  readonly seed: number;
  readonly kills: Readonly<Record<FheKillPoint, number>>;
  /** Kills that came before or after the place that they were meant for: not counted, and checked all the same. */
  readonly missed: number;
  readonly acknowledged: number;
  /** Moves that the accounts have. */
  readonly transfers: number;
  /** Looks at both accounts, each with their decrypted sum. */
  readonly checks: number;
  readonly problems: readonly string[];
}

const MODEL = "digits-mlp";
const START_MS = 60_000;
const NEVER = { point: "half-response", passage: Number.MAX_SAFE_INTEGER } as const;
/** How long a run of the engine of clear values takes. */
const CLEAR_RUN_MS = 150;

async function makePlace(fheEngine: Place["fheEngine"]): Promise<Place> {
  const folder = await mkdtemp(join(tmpdir(), "triseal-kill-fhe-"));
  const configFile = join(folder, "triseal.config.yaml");
  await copyFolder(join(repository, "models", MODEL), join(folder, "models", MODEL));
  const workers = { jurisdiction: "EU", concurrency: 1 };
  const log = { origin: "triseal.test/kill-fhe" };
  await writeFile(configFile, stringify({ log, modelsDir: join(folder, "models"), workers }));
  const place = { folder, dataDir: join(folder, "data"), configFile, port: await freePort() };
  return fheEngine === undefined ? place : { ...place, fheEngine };
}

/** A kill whose place the next look at the accounts tells. */
interface Pending {
  readonly point: FheKillPoint;
  /** Moves that the accounts had, or that were acknowledged, when it came. */
  readonly known: number;
}

/** Whether the move that a kill came into is durable: it was before its leaf, or after it. */
const IS_DURABLE: Readonly<Record<FheKillPoint, boolean>> = {
  "engine-mid-run": false,
  "mid-run": false,
  "before-append": false,
  "half-append": false,
  "before-response": true,
  "half-response": true,
};

class Campaign {
  private readonly options: FheKillCampaign;
  private readonly world: KillWorld;
  private readonly place: Place;
  private readonly problems: string[] = [];
  private readonly kills = Object.fromEntries(FHE_KILL_POINTS.map((point) => [point, 0])) as Record<FheKillPoint, number>;
  private readonly dice: Dice;
  private caller: FheCaller | null = null;
  private pending: Pending | null = null;
  private acknowledged = 0;
  /** Moves that must be there: those that were seen, and those that were acknowledged since. */
  private known = 0;
  private missed = 0;
  private checks = 0;
  /** How long the last move that nobody disturbed took, from its submission on. */
  private moveMs = CLEAR_RUN_MS;

  constructor(options: FheKillCampaign, world: KillWorld, place: Place) {
    this.options = options;
    this.world = world;
    this.place = place;
    this.dice = new Dice(options.seed);
  }

  async run(): Promise<FheKillResult> {
    const { killsPerPoint, points, seconds, say } = this.options;
    const end = performance.now() + seconds * 1000;
    await this.open();
    for (let round = 0; round < 3 * killsPerPoint && this.short().length > 0; round++) {
      for (const point of points) {
        if (this.pending?.point === point) await this.withGateway(NEVER, () => this.examine());
        if (performance.now() > end || this.problems.length > 0) break;
        if (this.kills[point] < killsPerPoint) await this.kill(point, round);
      }
      say(`${round + 1}: ${points.map((point) => `${point} ${this.kills[point]}`).join(", ")}; ${this.known} moves`);
      if (performance.now() > end || this.problems.length > 0) break;
    }
    await this.withGateway(NEVER, () => this.examine());
    const { kills, missed, acknowledged, known: transfers, checks, problems } = this;
    return { engine: this.world.engine, seed: this.options.seed, kills, missed, acknowledged, transfers, checks, problems };
  }

  private short(): readonly FheKillPoint[] {
    const { killsPerPoint, points } = this.options;
    return points.filter((point) => this.kills[point] + (this.pending?.point === point ? 1 : 0) < killsPerPoint);
  }

  private count(point: FheKillPoint, isHit: boolean): void {
    if (isHit) this.kills[point]++;
    else this.missed++;
  }

  private async open(): Promise<void> {
    await this.withGateway(NEVER, async () => {
      const apiKey = `dev-${(await readFile(join(this.place.dataDir, "dev", "api-key"), "utf8")).trim()}`;
      this.caller = new FheCaller(this.place.port, apiKey, this.world.key.document.keyId);
      await this.caller.upload(this.world.key);
      await this.world.prepare(this.caller);
    });
  }

  /** A gateway that dies where it is ordered to, or is ended when `work` is done. */
  private async withGateway(order: KillOrder, work: (child: RunningChild) => Promise<void>): Promise<void> {
    const child = startChild(this.place, order);
    if (!(await child.ready)) throw new Error(`the gateway did not start: ${await child.ended}`);
    try {
      await work(child);
    } finally {
      child.stop();
      await child.ended;
    }
  }

  /** Looks at the accounts, moves units, and kills once. */
  private async kill(point: FheKillPoint, round: number): Promise<void> {
    const passage = 1 + (round % 2);
    const isTimed = point === "mid-run" || point === "engine-mid-run";
    // The answer to a challenge is an answer, too: every second one is that to a run.
    const order = isTimed ? NEVER : { point, passage: point === "half-response" ? 2 * passage : passage };
    await this.withGateway(order, async (child) => {
      await this.examine();
      // The first one loads the key; the second one says how long a run takes.
      for (let warm = 0; isTimed && warm < 2; warm++) await this.move();
      if (point === "engine-mid-run") return this.count(point, await this.stopEngine(child));
      if (point === "mid-run" && !(await this.stopInRun(child))) return this.count(point, false);
      if (point !== "mid-run") await this.moveUntilDeath(child);
      const how = await child.ended;
      if (how !== "SIGKILL") this.problems.push(`${point}: ${how}`);
      this.pending = { point, known: this.known };
    });
  }

  private async moveUntilDeath(child: RunningChild): Promise<void> {
    const end = performance.now() + START_MS;
    while (child.alive) {
      if (performance.now() > end) throw new Error("the gateway did not die in time");
      await this.move();
    }
  }

  /** Moves one unit. Whatever happens to the gateway meanwhile is no failure; returns the code, or null. */
  private async move(submitted: () => void = () => undefined): Promise<string | null> {
    let began = performance.now();
    const start = () => {
      began = performance.now();
      submitted();
    };
    try {
      if (this.caller === null) throw new Error("nobody to move for");
      const { status, json } = await this.caller.run(this.world.move, start);
      if (status !== 200) return typeof json["code"] === "string" ? json["code"] : `HTTP ${status}`;
      this.acknowledged++;
      this.known++;
      this.moveMs = performance.now() - began;
      return null;
    } catch {
      await delay(20);
      return "NO_ANSWER";
    }
  }

  /** A time within a run: between a tenth and seven tenths of one. */
  private moment(): number {
    return this.moveMs * (0.1 + 0.006 * this.dice.below(100));
  }

  /** Kills the gateway in a run; false where its answer was faster. */
  private async stopInRun(child: RunningChild): Promise<boolean> {
    return (await this.move(() => void delay(this.moment()).then(() => child.stop()))) === "NO_ANSWER";
  }

  /** Kills the engine in a run: the gateway has a code for it, nothing is written, and the next move is made by another engine. */
  private async stopEngine(child: RunningChild): Promise<boolean> {
    const engine = childrenOf(child.pid).find(isEngine);
    if (engine === undefined) throw new Error("the gateway has no engine");
    let killed = Promise.resolve();
    const code = await this.move(() => {
      killed = delay(this.moment()).then(() => void process.kill(engine, "SIGKILL"));
    });
    await killed;
    const isHit = code !== null;
    if (isHit && code !== "FHE_ENGINE_LOST") this.problems.push(`engine-mid-run: ${code}`);
    const before = this.known;
    await this.examine();
    if (this.known !== before) this.problems.push("engine-mid-run: a state was written");
    // The engine that died behind an answer is missed by the next run.
    const again = await this.move();
    if (again !== null && isHit) this.problems.push(`engine-mid-run: the next move: ${again}`);
    return isHit;
  }

  /** What the accounts are, decrypted: all that was acknowledged, and of both as much as there always was. */
  private async examine(): Promise<void> {
    if (this.caller === null) throw new Error("nobody to ask");
    const [alice, bob] = [await this.caller.state("alice"), await this.caller.state("bob")];
    const [left, moved] = [await this.world.balance(alice), await this.world.balance(bob)];
    this.checks++;
    const after = this.pending === null ? "" : `after ${this.pending.point}: `;
    const said = `${after}alice ${left} at ${alice.version}, bob ${moved} at ${bob.version}, ${this.known} known`;
    if (left + moved !== this.world.units) this.problems.push(`the sum changed: ${said}`);
    if (moved !== BigInt(bob.version) || alice.version !== bob.version + 1)
      this.problems.push(`a transfer in one account only: ${said}`);
    if (bob.version < this.known || bob.version > this.known + 1) this.problems.push(`lost or doubled: ${said}`);
    if (this.pending !== null) {
      const { point, known } = this.pending;
      this.count(point, (bob.version === known + 1) === IS_DURABLE[point]);
    }
    this.pending = null;
    this.known = bob.version;
  }
}

function isEngine(pid: number): boolean {
  try {
    return /triseal-fhe|fake-engine/.test(readFileSync(`/proc/${pid}/cmdline`, "utf8"));
  } catch {
    return false;
  }
}

/** Runs a campaign to its end. Needs a fresh build, and of the engine where it is the real one. */
export async function runFheKillCampaign(options: FheKillCampaign): Promise<FheKillResult> {
  const real = options.engine === "real" ? await realWorld() : null;
  const world = real ?? clearWorld(CLEAR_RUN_MS);
  const place = await makePlace(world.fheEngine);
  try {
    return await new Campaign(options, world, place).run();
  } finally {
    await rm(place.folder, { recursive: true, force: true, maxRetries: 5 });
    await real?.close();
  }
}
