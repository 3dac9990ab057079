import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse, stringify } from "yaml";
import { TrisealClient } from "../../src/client/index.ts";
import type { Verdict } from "../../src/verify/index.ts";
import {
  bundleOf,
  clock,
  copyFolder,
  digitsBody,
  infer,
  type Service,
  startService,
  temporaryFolder,
} from "./gateway-harness.ts";
import { type Finished, runCli } from "./gateway-process.ts";

let service: Service;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let trust: string;
let clear: string;
let refused: string;
let text: string;

/** A file in the test's folder. */
function at(name: string): string {
  return join(folder.path, name);
}

async function put(name: string, content: string | Uint8Array): Promise<string> {
  await writeFile(at(name), content);
  return at(name);
}

/** Asserts an error of one line, without a stack. */
function expectOneLine({ code, stdout, stderr }: Finished, expected: RegExp): void {
  expect([code, stdout]).toEqual([1, ""]);
  expect(stderr).toMatch(/^triseal: [^\n]+\n$/);
  expect(stderr).toMatch(expected);
}

beforeAll(async () => {
  folder = await temporaryFolder();
  service = await startService({ witness: true });
  trust = await put("trust.yaml", await readFile(service.trustFile));
  const answer = await infer(service, digitsBody());
  clear = await put("clear.triseal.json", await bundleOf(service, answer.receiptId));
  text = await readFile(clear, "utf8");
  await put("clear.request.json", JSON.stringify(digitsBody()));
  await put("clear.response.json", answer.bytes);
  const denied = await infer(service, { ...digitsBody(), parameters: { classification: "secret" } });
  refused = await put("refused.triseal.json", await bundleOf(service, denied.receiptId));
});

afterAll(async () => {
  expect(await service.close()).toBe(0);
  await folder.remove();
});

async function verify(...args: string[]): Promise<Finished & { readonly verdicts: readonly (Verdict & { bundle: string })[] }> {
  const finished = await runCli(["verify", ...args, "--json"]);
  const lines = finished.stdout.split("\n").filter((line) => line !== "");
  return { ...finished, verdicts: lines.map((line) => JSON.parse(line) as Verdict & { bundle: string }) };
}

describe("triseal verify", () => {
  it("accepts an answer and a refusal under the trust file, and says so as text and as JSON", async () => {
    for (const bundle of [clear, refused]) {
      const { code, verdicts, stderr } = await verify(bundle, "--trust", trust);
      expect([code, stderr, verdicts.length]).toEqual([0, "", 1]);
      expect(verdicts[0]).toMatchObject({ outcome: "accepted", code: null, bundle, service: "dev" });
    }
    const words = await runCli(["verify", clear, "--trust", trust]);
    expect(words.code).toBe(0);
    expect(words.stdout).toMatch(/^ACCEPTED\n/);
    expect(words.stdout).toContain("confidentiality rests on");
    expect(words.stdout).toContain("weak entries of your trust file");
    const verbose = await runCli(["verify", clear, "--trust", trust, "--verbose"]);
    expect(verbose.stdout.split("\n").length).toBeGreaterThan(words.stdout.split("\n").length + 20);
  });

  it("rejects without a trust file, with one that names nobody, and with another service's", async () => {
    const alone = await runCli(["verify", clear]);
    expect(alone.code).toBe(10);
    expect(alone.stdout).toMatch(/^REJECTED {2}TRUST_/);
    expect(alone.stdout).toContain("no --trust file was given");
    const empty = await put("empty.yaml", "apiVersion: triseal.dev/trust/v1\nservices: []\n");
    expect((await verify(clear, "--trust", empty)).code).toBe(10);
    const document = parse(await readFile(trust, "utf8")) as { services: { gateway: { keys: object[] } }[] };
    if (document.services[0] !== undefined) document.services[0].gateway.keys = [{ publicKey: "0".repeat(64) }];
    const other = await put("other.yaml", stringify(document));
    const { code, verdicts } = await verify(clear, "--trust", other);
    expect([code, verdicts[0]?.outcome, verdicts[0]?.claims]).toEqual([10, "rejected", []]);
  });

  it("answers 10 for a bundle that was changed and keeps its form", async () => {
    const changes: readonly [string, string][] = [
      ['"effect":"allow"', '"effect":"deny"'],
      ['"model":"digits-mlp"', '"model":"digits-mlq"'],
      ['"method":"POST"', '"method":"PUT"'],
    ];
    for (const [from, to] of changes) {
      expect(text).toContain(from);
      const { code, verdicts } = await verify(await put("changed.triseal.json", text.replace(from, to)), "--trust", trust);
      expect([to, code, verdicts[0]?.outcome]).toEqual([to, 10, "rejected"]);
      expect(verdicts[0]?.code).toMatch(/^[A-Z][A-Z0-9_]+$/);
    }
  });

  it("answers 30 for a file that is cut short, empty, no JSON, or not a bundle", async () => {
    const files = [
      text.slice(0, -1),
      text.slice(0, text.length / 2),
      "",
      "hello",
      "[]",
      "{}",
      `${text}x`,
      text.replace("{", '{"more":1,'),
      text.replace("{", '{"v":"triseal.dev/bundle/v1",'),
    ];
    const judged = files.map(async (content, index) => {
      const { code, verdicts, stderr } = await verify(await put(`bad-${index}.triseal.json`, content), "--trust", trust);
      expect([index, code, verdicts[0]?.outcome, stderr]).toEqual([index, 30, "malformed", ""]);
      expect(verdicts[0]?.code).toMatch(/^[A-Z][A-Z0-9_]+$/);
    });
    await Promise.all(judged);
  });

  it("answers 20 for a bundle of another version", async () => {
    const { code, verdicts } = await verify(
      await put("later.triseal.json", text.replace("bundle/v1", "bundle/v2")),
      "--trust",
      trust,
    );
    expect([code, verdicts[0]?.outcome]).toEqual([20, "unsupported"]);
  });

  it("matches a shown request and response, and answers 10 where they are others", async () => {
    const [request, response] = [at("clear.request.json"), at("clear.response.json")];
    const shown = await verify(clear, "--trust", trust, "--request", request, "--response", response);
    expect(shown.code).toBe(0);
    const exchange = shown.verdicts[0]?.checks.filter((check) => check.id.startsWith("exchange.")) ?? [];
    expect(exchange.map(({ id, status }) => [id, status])).toEqual([
      ["exchange.request", "pass"],
      ["exchange.response", "pass"],
    ]);
    for (const swapped of [
      ["--request", response],
      ["--response", request],
      ["--request", await put("empty.bin", "")],
    ]) {
      expect((await verify(clear, "--trust", trust, ...swapped)).code).toBe(10);
    }
    const one = await verify(clear, "--trust", trust, "--request", request);
    expect(one.verdicts[0]?.checks.find((check) => check.id === "exchange.response")?.status).toBe("skipped");
  });

  it("matches the opened request and response of a sealed exchange as well as the sealed ones", async () => {
    const sent: { request: Uint8Array; response: Uint8Array }[] = [];
    const fetchSeen = async (url: string, init?: RequestInit) => {
      const answer = await fetch(url, init);
      if (init?.method !== "POST") return answer;
      const response = new Uint8Array(await answer.arrayBuffer());
      sent.push({ request: init.body as Uint8Array, response });
      return new Response(response, answer);
    };
    // The salt is the SDK's own otherwise, and part of the body.
    const parameters = { classification: "internal", triseal_salt: "5a".repeat(16) };
    const client = new TrisealClient({
      baseUrl: service.url,
      apiKey: service.apiKey,
      trust: await service.trust(),
      clock,
      fetch: fetchSeen,
    });
    const inputs = [{ name: "pixels", datatype: "FP32", shape: [1, 64], data: Array<number>(64).fill(2) }];
    const { bundle, response } = await client.infer({ model: "digits-mlp", inputs, parameters });
    const file = await put("sealed.triseal.json", bundle);
    const wire = [
      "--request",
      await put("wire.req", sent[0]?.request ?? ""),
      "--response",
      await put("wire.res", sent[0]?.response ?? ""),
    ];
    const onWire = await verify(file, "--trust", trust, ...wire);
    expect([onWire.code, sent.length]).toEqual([0, 1]);
    const opened = JSON.stringify({ id: response.id, parameters, inputs });
    const asOpened = await verify(file, "--trust", trust, "--request", await put("opened.req", opened));
    expect(asOpened.code).toBe(0);
    expect(asOpened.verdicts[0]?.checks.find((check) => check.id === "exchange.request")?.message).toContain("opened");
  });

  it("judges a folder, file by file, and answers the worst", async () => {
    await mkdir(at("good"));
    await mkdir(at("mixed"));
    for (const name of ["good", "mixed"]) {
      await put(`${name}/1.triseal.json`, text);
      await put(`${name}/2.triseal.json`, await readFile(refused));
      await put(`${name}/notes.txt`, "not a bundle");
    }
    const good = await verify(at("good"), "--trust", trust, "--report", at("report.json"));
    expect([good.code, good.verdicts.map(({ outcome }) => outcome)]).toEqual([0, ["accepted", "accepted"]]);
    expect(JSON.parse(await readFile(at("report.json"), "utf8"))).toHaveLength(2);
    await put("mixed/3.triseal.json", text.slice(0, 100));
    const mixed = await verify(at("mixed"), "--trust", trust);
    expect([mixed.code, mixed.verdicts.map(({ outcome }) => outcome)]).toEqual([30, ["accepted", "accepted", "malformed"]]);
    await mkdir(at("none"));
    expectOneLine(await verify(at("none"), "--trust", trust), /NOT_FOUND/);
    expectOneLine(await verify(at("good"), "--trust", trust, "--request", clear), /FORMAT_INVALID/);
  });

  it("judges as of a chosen time, and says whose choice it was", async () => {
    const now = await verify(clear, "--trust", trust, "--at", new Date(Date.now()).toISOString().replace(/\.\d+/, ""));
    expect(now.verdicts[0]?.judgedAt).toMatchObject({ chosenByYou: true });
    const words = await runCli(["verify", clear, "--trust", trust, "--at", "2036-01-01T00:00:00Z"]);
    expect(words.code).toBe(10);
    expect(words.stdout).toContain("judged as of 2036-01-01T00:00:00Z (chosen by you)");
    for (const time of ["yesterday", "2036-01-01", "1.5", "2036-13-01T00:00:00Z"]) {
      expectOneLine(await verify(clear, "--trust", trust, "--at", time), /FORMAT_INVALID/);
    }
  });

  it("fails in one line for files that are not there and a trust file that is none", async () => {
    expectOneLine(await verify(at("nothing.triseal.json"), "--trust", trust), /ENOENT|NOT_FOUND/);
    expectOneLine(await verify(clear, "--trust", at("nothing.yaml")), /ENOENT|NOT_FOUND/);
    expectOneLine(await verify(clear, "--trust", trust, "--request", at("nothing")), /ENOENT|NOT_FOUND/);
    for (const bad of [
      "",
      "services: []",
      "apiVersion: triseal.dev/trust/v2\nservices: []\n",
      "a: [",
      "&a a: *a",
      `${await readFile(trust, "utf8")}\nmore: 1\n`,
    ]) {
      expectOneLine(await verify(clear, "--trust", await put("bad.yaml", bad)), /TRUST_FILE_INVALID/);
    }
  });
});

describe("triseal trust", () => {
  it("drafts a file from a service that verifies its bundles, and says at its head what a person must still check", async () => {
    const { code, stdout, stderr } = await runCli(["trust", "init", "--from", service.url, "--name", "drafted"]);
    expect([code, stderr]).toEqual([0, ""]);
    const head = stdout.split("\n").filter((line) => line.startsWith("#"));
    expect(head.join("\n")).toMatch(/Nothing here was authenticated/);
    expect(head.join("\n")).toMatch(/gateway key[\s\S]*log key[\s\S]*witnesses[\s\S]*policy signer/);
    // Nobody has written a reason yet: the draft as it is accepts nothing.
    expectOneLine(
      await runCli(["verify", clear, "--trust", await put("unread.yaml", stdout)]),
      /TRUST_FILE_INVALID.*why you accept it/,
    );
    const draft = await put("draft.yaml", stdout.replaceAll(/CHECK: [^\n"]*/g, "read and compared by the test"));
    for (const bundle of [clear, refused]) {
      const { code: verified, verdicts } = await verify(bundle, "--trust", draft);
      expect([verified, verdicts[0]?.service]).toEqual([0, "drafted"]);
      expect(verdicts[0]?.waivers.every(({ because }) => because === "read and compared by the test")).toBe(true);
    }
  });

  it("writes the draft to a new file, and never over an old one", async () => {
    expect((await runCli(["trust", "init", "--from", `${service.url}/`, "--out", at("new.yaml")])).code).toBe(0);
    expect(await readFile(at("new.yaml"), "utf8")).toMatch(/^# Draft from http/);
    expectOneLine(await runCli(["trust", "init", "--from", service.url, "--out", at("new.yaml")]), /EEXIST/);
  });

  it("fails in one line where nobody answers, or somebody else does", async () => {
    for (const url of ["http://127.0.0.1:1", "nonsense", `${service.url}/v2`]) {
      expectOneLine(await runCli(["trust", "init", "--from", url]), /triseal: /);
    }
  });

  it("reads no more of an answer than one may have", async () => {
    let sent = 0;
    const endless = createServer((_, response) => {
      const more = () => {
        while (!response.destroyed && response.write(Buffer.alloc(64 * 1024))) sent += 64 * 1024;
      };
      response.writeHead(200).on("drain", more);
      more();
    });
    await new Promise<void>((resolve) => endless.listen(0, "127.0.0.1", resolve));
    const address = endless.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    expectOneLine(await runCli(["trust", "init", "--from", `http://127.0.0.1:${port}`]), /VERIFICATION_FAILED.*more than/);
    expect(sent).toBeLessThan(64 * 1024 * 1024);
    endless.closeAllConnections();
    await new Promise((resolve) => endless.close(resolve));
  });

  it("shows what a file accepts, with its reasons", async () => {
    const { code, stdout } = await runCli(["trust", "show", trust]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^service dev\n/);
    for (const word of ["gateway keys", "triseal.test/log", "triseal.test/witness", "policy signers", "because development"])
      expect(stdout).toContain(word);
    const json = JSON.parse((await runCli(["trust", "show", trust, "--json"])).stdout) as { services: unknown[] };
    expect(json.services).toHaveLength(1);
    expectOneLine(await runCli(["trust", "show", clear]), /TRUST_FILE_INVALID/);
  });
});

describe("triseal policy", () => {
  it("checks the shipped policies", async () => {
    for (const file of ["policies/default.policy.yaml", "policies/demo.policy.yaml"]) {
      const { code, stdout } = await runCli(["policy", "check", file]);
      expect(code).toBe(0);
      expect(stdout).toMatch(/ok: \d+ warnings?\n$/);
    }
  });

  it("answers 10 with line and rule for a policy that does not hold", async () => {
    const good = await readFile("policies/demo.policy.yaml", "utf8");
    const bad = [
      good.replace('request.classification == "secret"', "request.clasification == 1"),
      good.replace("effect: deny", "effect: allow"),
      good.replace("all: [tee]", "all: []"),
      // Legal, and more than this gateway can do: the proof that `tee` would confirm, and a share that nobody draws.
      good.replace("all: [tee, zk]", "all: [zk, tee]").replace("    mode: { zk: async, deadline: 15m }\n", ""),
      `${good}    sample: { zk: 0.01 }\n`,
      "rules: []",
      "a: [",
    ];
    for (const content of bad) {
      const { code, stdout, stderr } = await runCli(["policy", "check", await put("bad.policy.yaml", content)]);
      expect([code, stderr]).toEqual([10, ""]);
      expect(stdout).toMatch(/bad\.policy\.yaml:\d+: error: /);
      const json = await runCli(["policy", "check", at("bad.policy.yaml"), "--json"]);
      for (const line of json.stdout.trim().split("\n")) expect(JSON.parse(line)).toMatchObject({ severity: expect.any(String) });
    }
    expectOneLine(await runCli(["policy", "check", at("nothing.yaml")]), /ENOENT/);
  });

  it("explains a refusal by the rule that made it, and an answer by the rule that allowed it", async () => {
    const denied = await runCli(["policy", "explain", refused]);
    expect(denied.code).toBe(0);
    expect(denied.stdout).toContain("secret-stays-out");
    expect(denied.stdout).toContain("not verified here");
    const allowed = await runCli(["policy", "explain", clear, "--json"]);
    expect(JSON.parse(allowed.stdout)).toMatchObject({ decision: { effect: "allow", ruleIds: ["attested"] } });
    expectOneLine(await runCli(["policy", "explain", trust]), /FORMAT_INVALID/);
  });

  it("signs with the policy key, one sequence higher each time, and never lower", async () => {
    const data = at("policy-data");
    expect((await runCli(["keys", "init", "--data", data])).code).toBe(0);
    const file = await put("own.policy.yaml", await readFile("policies/default.policy.yaml"));
    const sequenceOf = async () =>
      (JSON.parse(await readFile(`${file}.sig.json`, "utf8")) as { statement: { sequence: number } }).statement.sequence;
    expect((await runCli(["policy", "sign", file, "--data", data])).code).toBe(0);
    expect(await sequenceOf()).toBe(1);
    expect((await runCli(["policy", "sign", file, "--data", data, "--days", "7"])).code).toBe(0);
    expect(await sequenceOf()).toBe(2);
    for (const flags of [
      ["--sequence", "2"],
      ["--sequence", "x"],
      ["--days", "0"],
      ["--days", "1.5"],
    ]) {
      expectOneLine(await runCli(["policy", "sign", file, "--data", data, ...flags]), /FORMAT_INVALID/);
    }
    expect(await sequenceOf()).toBe(2);
    expectOneLine(await runCli(["policy", "sign", file, "--data", at("no-keys")]), /KEY_UNKNOWN/);
    expectOneLine(await runCli(["policy", "sign", await put("no.policy.yaml", "a: 1"), "--data", data]), /POLICY_INVALID/);
  });

  it("lists the facts that conditions can read", async () => {
    const { code, stdout } = await runCli(["policy", "attributes"]);
    expect(code).toBe(0);
    for (const name of ["request.classification", "backend.jurisdiction", "tenant.tier"]) expect(stdout).toContain(name);
  });
});

describe("the command line", () => {
  const commands = [
    "",
    "serve",
    "demo",
    "verify",
    "trust",
    "trust init",
    "trust show",
    "keys",
    "keys init",
    "keys list",
    "keys rotate",
    "keys revoke",
    "keys api",
    "policy",
    "policy check",
    "policy explain",
    "policy sign",
    "policy attributes",
    "log",
    "log witness",
  ];

  it("helps for every command, with 0", async () => {
    const helped = commands.map(async (command) => {
      const { code, stdout, stderr } = await runCli([...command.split(" ").filter((word) => word !== ""), "--help"]);
      expect([command, code, stderr]).toEqual([command, 0, ""]);
      expect(stdout).toMatch(/^Usage: triseal/);
    });
    await Promise.all(helped);
    const version = await runCli(["--version"]);
    expect([version.code, version.stdout]).toEqual([0, "0.1.0\n"]);
  });

  it("answers 1 for an unknown command, option or argument, and says what is wrong in its first line", async () => {
    const wrong = [
      ["nonsense"],
      ["verify"],
      ["verify", clear, "--nonsense"],
      ["verify", clear, trust],
      ["trust", "nonsense"],
      ["trust", "init"],
      ["keys", "revoke", "x"],
      ["keys", "rotate"],
      ["log", "witness"],
      ["demo", "--path"],
    ];
    const refusals = wrong.map(async (args) => {
      const { code, stdout, stderr } = await runCli(args);
      expect([args, code, stdout]).toEqual([args, 1, ""]);
      expect(stderr).toMatch(/^error: /);
      expect(stderr).not.toMatch(/\n\s+at |node:internal/);
    });
    await Promise.all(refusals);
  });

  it("works from any folder", async () => {
    await copyFolder(trust, at("elsewhere/trust.yaml"));
    await copyFolder(clear, at("elsewhere/one.triseal.json"));
    const { code } = await runCli(["verify", "one.triseal.json", "--trust", "trust.yaml"], at("elsewhere"));
    expect(code).toBe(0);
  });
});
