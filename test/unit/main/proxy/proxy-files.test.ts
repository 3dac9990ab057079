import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TrisealClient } from "../../../../src/client/index.ts";
import { utf8 } from "../../../../src/core/bytes.ts";
import { openBundleFolder } from "../../../../src/main/proxy/bundle-folder.ts";
import { type ProxySettings, readKeyFile, startProxy } from "../../../../src/main/proxy/start-proxy.ts";
import { TrustedClient } from "../../../../src/main/proxy/trusted-client.ts";
import { trustFor } from "../../../contract/gateway-fixture.ts";

const code = (name: string) => expect.objectContaining({ name: "TrisealError", code: name });
const RECEIPT = `rcpt-${"ab".repeat(16)}`;
const kept = (receiptId: string) => ({
  receiptId,
  bundle: utf8("bundle"),
  exchanged: { request: utf8("question"), response: utf8("answer") },
});
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "triseal-proxy-"));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

describe("the folder of bundles", () => {
  it("takes no receipt that is no file name, and says where it cannot write", async () => {
    const path = join(folder, "refusing");
    const keep = await openBundleFolder(path, false);
    for (const id of ["../rcpt", `${RECEIPT}/..`, "", `${RECEIPT}0`, RECEIPT.toUpperCase()])
      await expect(keep(kept(id))).rejects.toEqual(code("BUNDLE_NOT_KEPT"));
    expect(await readdir(path)).toEqual([]);
    await rm(path, { recursive: true });
    await expect(keep(kept(RECEIPT))).rejects.toEqual(code("BUNDLE_NOT_KEPT"));
    await writeFile(join(folder, "file"), "");
    for (const place of [join(folder, "file"), join(folder, "file", "below")])
      await expect(openBundleFolder(place, false)).rejects.toEqual(code("CONFIG_INVALID"));
  });

  it("keeps bundles, and content only where that is asked for, for its owner alone", async () => {
    const [plain, full] = [join(folder, "a", "plain"), join(folder, "full")];
    await (await openBundleFolder(plain, false))(kept(RECEIPT));
    expect(await readdir(plain)).toEqual([`${RECEIPT}.triseal.json`]);
    await (await openBundleFolder(full, true))(kept(RECEIPT));
    expect((await readdir(full)).sort()).toEqual(["request", "response", "triseal.json"].map((end) => `${RECEIPT}.${end}`));
    expect(await readFile(join(full, `${RECEIPT}.request`), "utf8")).toBe("question");
    expect((await stat(join(full, `${RECEIPT}.request`))).mode & 0o777).toBe(0o600);
  });
});

describe("the trust file", () => {
  async function followed(content: string) {
    const file = join(folder, "trust.yaml");
    await writeFile(file, content);
    const made: unknown[] = [];
    const client = new TrustedClient(file, (trust) => {
      made.push(trust);
      return { made: made.length } as unknown as TrisealClient;
    });
    return { file, made, client };
  }

  it.each([
    ["empty", ""],
    ["of another version", "apiVersion: triseal.dev/trust/v9\n"],
    ["broken", "services: ["],
    ["too long", `# ${"x".repeat(1024 * 1024)}`],
  ])("is refused where it is %s", async (_, content) => {
    const { client, made } = await followed(content);
    await expect(client.current()).rejects.toEqual(code("TRUST_FILE_INVALID"));
    expect(made).toEqual([]);
  });

  it("that is gone or broken later is no reason to go on with what it said", async () => {
    const text = JSON.stringify(trustFor({}));
    const { client, file, made } = await followed(text);
    const first = await client.current();
    expect(await client.current()).toBe(first);
    await writeFile(file, `${text}\n# changed\n`);
    expect(await client.current()).not.toBe(first);
    expect(made.length).toBe(2);
    await writeFile(file, "services: [");
    await expect(client.current()).rejects.toEqual(code("TRUST_FILE_INVALID"));
    await rm(file);
    await expect(client.current()).rejects.toEqual(code("TRUST_FILE_INVALID"));
    expect(made.length).toBe(2);
  });
});

describe("the file of authorities", () => {
  const settings = (caFile: string): ProxySettings => ({
    url: "https://127.0.0.1:1",
    trustFile: join(folder, "trust.yaml"),
    apiKey: "dev-0123456789abcdef",
    caFile,
    host: "127.0.0.1",
    port: 0,
    exposed: false,
    bundles: null,
    limits: { maxBodyBytes: 1024, maxInFlight: 1 },
    timeoutMs: 1000,
    log: () => undefined,
  });

  it("is refused where it is not there, is a folder, or has no end", async () => {
    for (const file of [join(folder, "no-ca.pem"), folder, "/dev/zero"])
      await expect(startProxy(settings(file))).rejects.toEqual(code("CONFIG_INVALID"));
  });
});

describe("the key file", () => {
  it("is read only where its owner alone can", async () => {
    const file = join(folder, "key");
    await expect(readKeyFile(file)).rejects.toEqual(code("CONFIG_INVALID"));
    await writeFile(file, "dev-0123456789abcdef\n");
    await chmod(file, 0o644);
    await expect(readKeyFile(file)).rejects.toEqual(code("CONFIG_INVALID"));
    await expect(readKeyFile(folder)).rejects.toEqual(code("CONFIG_INVALID"));
    await writeFile(join(folder, "long"), "k".repeat(2000), { mode: 0o600 });
    await expect(readKeyFile(join(folder, "long"))).rejects.toEqual(code("CONFIG_INVALID"));
    await chmod(file, 0o600);
    expect(await readKeyFile(file)).toBe("dev-0123456789abcdef");
  });
});
