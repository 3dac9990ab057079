/** The walk through encrypted accounts in `src/paths/fhe/ENCRYPTED.md`, command by command. Skipped where the engine is not built. */
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { isNativeBuilt } from "../../src/main/fhe/native-program.ts";
import { type Service, startService } from "./gateway-harness.ts";
import { runCli } from "./gateway-process.ts";

const built = isNativeBuilt();
if (!built) console.log("skipped: the FHE engine is not built (`npm run build:engine`)");

vi.setConfig({ testTimeout: 900_000 });

describe.skipIf(!built)("encrypted accounts, by the command line alone", () => {
  let service: Service;
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "triseal-accounts-"));
    service = await startService();
  }, 300_000);

  afterAll(async () => {
    await service.close();
    await rm(folder, { recursive: true, force: true });
  });

  const run = (...args: readonly string[]) => runCli(["fhe", ...args], folder, { TRISEAL_KEY: service.apiKey });
  const gateway = () => ["--gateway", service.url, "--trust", service.trustFile];
  const ends = async (code: number, ...args: readonly string[]) => {
    const ended = await run(...args);
    expect([args[0], ended.code, ended.stderr]).toEqual([
      args[0],
      code,
      code === 0 ? expect.any(String) : expect.stringMatching(/^triseal: [A-Z_]+: /m),
    ]);
    return ended;
  };

  it("are made, filled and moved between, and read by the key's holder", async () => {
    await ends(0, "keygen", "--out", "keys");
    await ends(0, "upload-key", "keys", ...gateway());
    const owned = ["--keys", "keys", "--tenant", "dev", "--programs", "any", ...gateway()];
    await ends(0, "create-account", "usd", "--is-asset", "--cap", "1000", ...owned);
    await ends(0, "create-account", "alice", "--asset", "usd", ...owned);
    await ends(0, "create-account", "bob", "--asset", "usd", ...owned);
    const mint = [
      "--in",
      "balance=account:alice",
      "--in",
      "amount=clear:1000",
      "--write",
      "balance_after=alice",
      "--write",
      "supply=usd",
    ];
    await ends(0, "run", "mint-u64", ...gateway(), "--keys", "keys", ...mint);
    await writeFile(join(folder, "amount.txt"), "300\n");
    const accounts = [
      "--in",
      "from=account:alice",
      "--in",
      "to=account:bob",
      "--write",
      "from_after=alice",
      "--write",
      "to_after=bob",
    ];
    const moved = ["--in", "amount=secret:@amount.txt", "--bundle", "transfer.triseal.json"];
    await ends(0, "run", "transfer-u64", ...gateway(), "--keys", "keys", ...accounts, ...moved);
    const bundle = join(folder, "transfer.triseal.json");
    expect((await runCli(["verify", bundle, "--trust", service.trustFile])).code).toBe(0);
    expect((await readFile(bundle, "utf8")).includes('"300"')).toBe(false);
    const { stdout } = await ends(0, "accounts", "--keys", "keys", ...gateway());
    expect(stdout).toMatch(/^alice .* 700 \(decrypted here\)$/m);
    expect(stdout).toMatch(/^bob .* 300 \(decrypted here\)$/m);
    expect(stdout).toMatch(/^usd .* minted 1000 of 1000$/m);
    const listed = JSON.parse((await ends(0, "accounts", "--keys", "keys", "--json", ...gateway())).stdout) as {
      decrypted: unknown;
    };
    expect(listed.decrypted).toEqual({ alice: "700", bob: "300" });
  });

  it("stay hidden without the key set, and under another one", async () => {
    expect((await ends(0, "accounts", ...gateway())).stdout).not.toContain("decrypted");
    await ends(0, "keygen", "--out", "others");
    expect((await ends(0, "accounts", "--keys", "others", ...gateway())).stdout).not.toContain("decrypted");
    // A key set whose client key is another's decrypts to something, as TFHE has it; one that is none decrypts nothing.
    await cp(join(folder, "keys"), join(folder, "broken"), { recursive: true });
    await writeFile(join(folder, "broken", "client.key"), "no key");
    expect((await run("accounts", "--keys", "broken", ...gateway())).code).not.toBe(0);
    expect((await ends(30, "accounts", "--keys", "nowhere", ...gateway())).stdout).toBe("");
  });
});
