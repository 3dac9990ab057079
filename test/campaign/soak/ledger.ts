/** Transfers between encrypted accounts under a soak, with the real engine: each moves one unit, so that versions count them. */
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { JsonObject } from "../../../src/core/json.ts";
import { type Finished, repository, runCli } from "../../e2e/gateway-process.ts";
import type { SoakService } from "./service.ts";

/** Whether the engine is built; without it a soak has no transfers. */
export const hasEngine = existsSync(join(repository, "src/paths/fhe/engine/target/release/triseal-fhe"));

const UNITS = 1000;
/** What a run may end with that a killed gateway or engine brings about. */
const PASSING =
  /^(?:SERVICE_UNREACHABLE|DEADLINE_EXCEEDED|CHALLENGE_UNKNOWN|CHALLENGE_EXPIRED|FHE_ENGINE_LOST|FHE_CANCELLED|PATH_UNAVAILABLE|OVERLOADED|TOO_MANY_REQUESTS|WORKER_OVERLOADED|LOG_UNAVAILABLE|SHUTTING_DOWN|STORE_UNAVAILABLE|IDEMPOTENCY_IN_FLIGHT|FHE_STATE_CONFLICT)$/;

/** What came of the transfers. */
export interface LedgerResult {
  /** Whose bundle verified. */
  readonly acknowledged: number;
  /** That the payee's account has. */
  readonly transfers: number;
  readonly sum: number;
  readonly problems: readonly string[];
  readonly codes: Readonly<Record<string, number>>;
}

interface AccountState {
  readonly document: { readonly account: string };
  readonly version: number;
  readonly digest: string | null;
}

/** Two accounts and whoever moves units between them. */
export class SoakLedger {
  private readonly service: SoakService;
  private readonly folder: string;
  private readonly problems: string[] = [];
  private readonly codes: Record<string, number> = {};
  private acknowledged = 0;
  private stopping = false;
  private running: Promise<void> | null = null;

  constructor(service: SoakService) {
    this.service = service;
    this.folder = join(service.folder, "ledger");
  }

  private fhe(...args: readonly string[]): Promise<Finished> {
    return runCli(["fhe", ...args, "--json"], repository, { TRISEAL_KEY: this.service.apiKey });
  }

  private gateway(): readonly string[] {
    return ["--gateway", this.service.url, "--trust", this.service.trustFile];
  }

  private async must(...args: readonly string[]): Promise<JsonObject> {
    const { code, stdout, stderr } = await this.fhe(...args);
    if (code !== 0) throw new Error(`fhe ${args[0]}: ${code} ${stdout.slice(-300)}${stderr.slice(-300)}`);
    return JSON.parse(stdout.trim().split("\n").at(-1) ?? "{}") as JsonObject;
  }

  private keys(): string {
    return join(this.folder, "keys");
  }

  /** Key set, asset and accounts, with all units in one of them. */
  async prepare(): Promise<void> {
    await mkdir(join(this.folder, "bundles"), { recursive: true });
    await this.must("keygen", "--out", this.keys());
    await this.must("upload-key", this.keys(), ...this.gateway());
    const account = ["--keys", this.keys(), "--tenant", "dev", "--programs", "any", ...this.gateway()];
    await this.must("create-account", "usd", "--is-asset", "--cap", String(UNITS), ...account);
    for (const name of ["alice", "bob"]) await this.must("create-account", name, "--asset", "usd", ...account);
    const mint = [
      "--in",
      "balance=account:alice",
      "--in",
      `amount=clear:${UNITS}`,
      "--write",
      "balance_after=alice",
      "--write",
      "supply=usd",
    ];
    const bundle = ["--bundle", join(this.folder, "bundles", "mint.triseal.json")];
    await this.must("run", "mint-u64", ...this.gateway(), "--keys", this.keys(), ...mint, ...bundle);
    await writeFile(join(this.folder, "amount.txt"), "1");
  }

  start(): void {
    this.running = (async () => {
      while (!this.stopping) await this.transfer();
    })();
  }

  private async transfer(): Promise<void> {
    const bundle = join(this.folder, "bundles", `transfer-${this.acknowledged + 1}.triseal.json`);
    const values = [
      "--in",
      "from=account:alice",
      "--in",
      "to=account:bob",
      "--in",
      `amount=secret:@${join(this.folder, "amount.txt")}`,
    ];
    const writes = ["--write", "from_after=alice", "--write", "to_after=bob"];
    const { code, stdout, stderr } = await this.fhe(
      "run",
      "transfer-u64",
      ...this.gateway(),
      "--keys",
      this.keys(),
      ...values,
      ...writes,
      "--bundle",
      bundle,
    );
    if (code === 0) {
      this.acknowledged++;
      return;
    }
    const named = /"code":"([A-Z_]+)"/.exec(stdout)?.[1] ?? /^triseal: ([A-Z_]+):/m.exec(stderr)?.[1] ?? null;
    this.codes[named ?? "none"] = (this.codes[named ?? "none"] ?? 0) + 1;
    if (named === null || !PASSING.test(named)) this.problems.push(`transfer: ${named ?? `no code: ${stderr.slice(-200)}`}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }

  /** Resolves when the transfer that is under way has ended. */
  async stop(): Promise<void> {
    this.stopping = true;
    await this.running;
  }

  /** What the accounts hold now, decrypted with the client key. */
  async audit(): Promise<LedgerResult> {
    const { accounts } = (await this.must("accounts", ...this.gateway())) as unknown as {
      readonly accounts: readonly AccountState[];
    };
    const state = (name: string) => accounts.find(({ document }) => document.account === name);
    const [alice, bob] = [state("alice"), state("bob")];
    if (alice === undefined || bob === undefined) throw new Error("an account is gone");
    const balances = [await this.balance(alice), await this.balance(bob)];
    const transfers = bob.version;
    const said = `alice ${balances[0]} at ${alice.version}, bob ${balances[1]} at ${bob.version}, ${this.acknowledged} acknowledged`;
    const sum = (balances[0] ?? 0) + (balances[1] ?? 0);
    if (sum !== UNITS) this.problems.push(`the sum changed: ${said}`);
    if (balances[1] !== transfers || alice.version !== transfers + 1)
      this.problems.push(`a transfer in one account only: ${said}`);
    if (transfers < this.acknowledged) this.problems.push(`a transfer was lost: ${said}`);
    await this.walk();
    return { acknowledged: this.acknowledged, transfers, sum, problems: this.problems, codes: this.codes };
  }

  private async balance({ digest, document }: AccountState): Promise<number> {
    if (digest === null) return 0;
    const file = join(this.folder, `${document.account}.state`);
    const url = `${this.service.url}/v1/fhe/blobs/${digest.replace("sha256:", "")}`;
    const response = await fetch(url, { headers: { authorization: `Bearer ${this.service.apiKey}` } });
    await writeFile(file, new Uint8Array(await response.arrayBuffer()));
    return Number((await this.must("decrypt", "--keys", this.keys(), "--type", "u64", "--in", file))["value"]);
  }

  /** The bundles that were acknowledged verify, and contradict each other nowhere. */
  private async walk(): Promise<void> {
    const args = ["history", "bob", join(this.folder, "bundles"), "--trust", this.service.trustFile];
    const { stdout, stderr } = await this.fhe(...args);
    const history = JSON.parse(stdout.trim().split("\n").at(-1) || "{}") as {
      readonly forks?: unknown[];
      readonly unverified?: unknown[];
    };
    if (history.forks?.length !== 0 || history.unverified?.length !== 0)
      this.problems.push(`history: ${stdout.slice(-300)}${stderr.slice(-300)}`);
  }
}
