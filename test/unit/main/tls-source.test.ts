import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { unixSeconds } from "../../../src/core/time.ts";
import { parseConfig } from "../../../src/main/config.ts";
import { followTls, readTlsPair, type TlsFiles, type TlsPair } from "../../../src/main/tls-source.ts";
import { until } from "../../e2e/gateway-process.ts";
import { createAuthority, newKeys, type TestAuthority, type TestCertificate, writePair } from "../../fixtures/tls.ts";

const clock = () => unixSeconds(Math.floor(Date.now() / 1000));
const invalid = (about: RegExp) =>
  expect.objectContaining({ name: "TrisealError", code: "CONFIG_INVALID", message: expect.stringMatching(about) });

let authority: TestAuthority;
let good: TestCertificate;
let folder: string;

beforeAll(async () => {
  authority = await createAuthority();
  good = await authority.issue();
  folder = await mkdtemp(join(tmpdir(), "triseal-tls-"));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

describe("a TLS key with its certificate", () => {
  const keyKinds = [
    ["a P-256 key", undefined],
    ["an Ed25519 key", "Ed25519"],
    [
      "an RSA key",
      { name: "RSASSA-PKCS1-v1_5", modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: "SHA-256" },
    ],
  ] as const;

  it.each(keyKinds)("is taken with %s, and its SPKI digest is that of the certificate's own bytes", async (_, kind) => {
    const pair = await authority.issue(kind === undefined ? {} : { keys: await newKeys(kind) });
    const read = await readTlsPair(await writePair(folder, pair), clock);
    expect(read.spkiSha256).toBe(pair.spkiSha256);
    expect(read.ed25519Key).toEqual(kind === "Ed25519" ? expect.stringMatching(/^[0-9a-f]{64}$/) : null);
  });

  const bad: readonly [string, RegExp, (files: TlsFiles) => Promise<unknown>][] = [
    ["the certificate is missing", /certFile: cannot read/, ({ certFile }) => rm(certFile)],
    ["the key is missing", /keyFile: cannot read/, ({ keyFile }) => rm(keyFile)],
    ["the key can be read by the group", /keyFile: .* can be read by others: chmod 600/, ({ keyFile }) => chmod(keyFile, 0o640)],
    ["the key can be read by everybody", /keyFile: .* can be read by others/, ({ keyFile }) => chmod(keyFile, 0o604)],
    ["the certificate is no PEM", /certFile: .* no PEM certificate/, ({ certFile }) => writeFile(certFile, "x")],
    [
      "the certificate is damaged",
      /certFile: .* no readable certificate/,
      ({ certFile }) => writeFile(certFile, good.cert.replace(/M/, "A")),
    ],
    ["the key is no PEM", /keyFile: .* no unencrypted PEM private key/, ({ keyFile }) => writeFile(keyFile, "x")],
    ["the key is a certificate", /keyFile: .* no unencrypted PEM private key/, ({ keyFile }) => writeFile(keyFile, good.cert)],
    [
      "the key is another's",
      /keyFile: .* is not the key of the certificate/,
      async ({ keyFile }) => writeFile(keyFile, (await authority.issue()).key),
    ],
    [
      "the certificate has expired",
      /certFile: .* expired at .*: renew it/,
      async ({ certFile }) => writeFile(certFile, (await authority.issue({ keys: good.keys, from: -3, to: -1 })).cert),
    ],
    [
      "the certificate is not yet valid",
      /certFile: .* is not valid before/,
      async ({ certFile }) => writeFile(certFile, (await authority.issue({ keys: good.keys, from: 1, to: 2 })).cert),
    ],
    [
      "the key is an RSA key of 1024 bits",
      /keyFile: .* RSA of at least 2048 bits/,
      async (files) => {
        const weak = {
          name: "RSASSA-PKCS1-v1_5",
          modulusLength: 1024,
          publicExponent: new Uint8Array([1, 0, 1]),
          hash: "SHA-256",
        };
        await writePair(files.certFile.slice(0, -"/tls.crt".length), await authority.issue({ keys: await newKeys(weak) }));
      },
    ],
  ];

  it.each(bad)("is refused where %s", async (_, about, spoil) => {
    const files = await writePair(folder, good);
    await expect(readTlsPair(files, clock)).resolves.toMatchObject({ spkiSha256: good.spkiSha256 });
    await spoil(files);
    await expect(readTlsPair(files, clock)).rejects.toEqual(invalid(about));
  });
});

describe("the address of a gateway", () => {
  const tls = "tls: {certFile: a, keyFile: b}";

  it.each(["127.0.0.1", "::1"])("may be %s without TLS", (host) => {
    expect(parseConfig(`listen: {host: "${host}"}`).listen).toMatchObject({ host, tls: null });
  });

  it.each(["0.0.0.0", "::", "192.0.2.7", "127.0.0.2", "::ffff:127.0.0.1"])("may be %s only with TLS", (host) => {
    expect(() => parseConfig(`listen: {host: "${host}"}`)).toThrow(invalid(/^listen\.host: .*configure listen\.tls/));
    expect(parseConfig(`listen: {host: "${host}", ${tls}}`).listen.host).toBe(host);
  });

  it.each(["localhost", "gateway.example", "", "1.2.3"])("may not be `%s`, which is no address", (host) => {
    expect(() => parseConfig(`listen: {host: "${host}", ${tls}}`)).toThrow(invalid(/^listen\.host/));
  });

  it.each(["tls: {certFile: a}", "tls: {keyFile: b}", "tls: true", 'tls: {certFile: "", keyFile: b}'])("refuses %s", (part) => {
    expect(() => parseConfig(`listen: {${part}}`)).toThrow(invalid(/^listen\.tls/));
  });
});

describe("a followed TLS key", () => {
  async function follow() {
    const own = await mkdtemp(join(tmpdir(), "triseal-tls-"));
    const adopted: TlsPair[] = [];
    const fresh: TlsPair[] = [];
    const problems: string[] = [];
    const files = await writePair(own, good);
    const source = await followTls(files, clock, {
      onNewKey: (pair) => fresh.push(pair),
      onProblem: (reason) => problems.push(reason),
    });
    source.subscribe((pair) => adopted.push(pair));
    onTestFinished(async () => {
      source.close();
      await rm(own, { recursive: true, force: true });
    });
    return { files, own, source, adopted, fresh, problems };
  }

  it("renews its certificate by itself while the key stays", async () => {
    const { own, source, adopted, fresh } = await follow();
    const renewed = await authority.issue({ keys: good.keys, to: 20 });
    await writePair(own, renewed);
    await until(() => adopted.length > 0, "renewal");
    expect(source.pair).toMatchObject({ cert: renewed.cert, spkiSha256: good.spkiSha256 });
    expect(fresh).toEqual([]);
  });

  it("serves a new key only once that is adopted", async () => {
    const { own, source, adopted, fresh } = await follow();
    const other = await authority.issue();
    await writePair(own, other);
    const found = await until(() => fresh[0] ?? null, "new key");
    expect([found.spkiSha256, source.pair.spkiSha256, adopted.length]).toEqual([other.spkiSha256, good.spkiSha256, 0]);
    source.adopt(found);
    expect([source.pair.spkiSha256, adopted.length]).toEqual([other.spkiSha256, 1]);
  });

  it("keeps the last good pair while the files are bad, says so once, and recovers", async () => {
    const { files, own, source, adopted, problems } = await follow();
    await writeFile(files.certFile, "torn");
    await until(() => problems.length > 0, "problem");
    await new Promise((resolve) => setTimeout(resolve, 2500));
    expect(problems).toEqual([expect.stringMatching(/no PEM certificate/)]);
    expect([source.pair.spkiSha256, adopted.length]).toEqual([good.spkiSha256, 0]);
    const renewed = await authority.issue({ keys: good.keys, to: 20 });
    await writePair(own, renewed);
    await until(() => adopted.length > 0, "recovery");
    expect(source.pair.cert).toBe(renewed.cert);
  });
});
