import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { TrisealError } from "../../../src/core/errors.ts";
import type { JsonObject } from "../../../src/core/json.ts";
import { unixSeconds } from "../../../src/core/time.ts";
import {
  createOperatorApp,
  type OperatorActions,
  openOperatorChannel,
  operatorSocket,
} from "../../../src/main/operator-channel.ts";
import { askGateway } from "../../../src/main/operator-client.ts";

const event = {
  v: 1,
  type: "key.staged",
  purpose: "log",
  keyId: "log-1",
  publicKey: "ab".repeat(32),
  at: unixSeconds(1_790_000_000),
} as const;

/** Actions that note what they were asked for. */
function recorded(overrides: Partial<OperatorActions> = {}) {
  const asked: unknown[] = [];
  const note = async (request: unknown) => {
    asked.push(request);
    return { v: 1, events: [event], workers: [7] } as const;
  };
  const actions: OperatorActions = {
    "/keys/init": note,
    "/keys/stage": note,
    "/keys/rotate": note,
    "/keys/revoke": note,
    "/trust/reload": note,
    "/workers/restart": note,
    ...overrides,
  };
  const lines: JsonObject[] = [];
  return { asked, lines, app: createOperatorApp(actions, (line) => lines.push(line)) };
}

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "triseal-op-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

describe("the operator's channel", () => {
  it("does what it is asked for, over a socket that its owner alone can open", async () => {
    const folder = await temporaryFolder();
    const { app, asked } = recorded();
    const close = await openOperatorChannel(folder, app);
    expect(await askGateway(folder, "/keys/stage", { purpose: "log" })).toEqual({ v: 1, events: [event], workers: [7] });
    expect(asked).toEqual([{ v: 1, purpose: "log" }]);
    expect((await stat(operatorSocket(folder) ?? "")).mode & 0o777).toBe(0o600);
    expect((await stat(join(folder, "operator"))).mode & 0o777).toBe(0o700);
    await close?.();
    expect(await askGateway(folder, "/keys/stage", { purpose: "log" })).toBe(null);
  });

  it.each<[string, string, string, number]>([
    ["no JSON", "/keys/rotate", "{", 400],
    ["nothing", "/keys/rotate", "", 400],
    ["another version", "/keys/rotate", '{"v":2,"purpose":"log"}', 400],
    ["an unknown purpose", "/keys/rotate", '{"v":1,"purpose":"tls"}', 400],
    ["a member too many", "/keys/rotate", '{"v":1,"purpose":"log","force":true}', 400],
    ["a member twice", "/keys/rotate", '{"v":1,"purpose":"log","purpose":"log"}', 400],
    ["a reason of two lines", "/keys/revoke", '{"v":1,"keyId":"a","because":"b\\nc"}', 400],
    ["an unknown path", "/keys/export", '{"v":1}', 404],
    ["a long body", "/keys/rotate", `{"v":1,"purpose":"${"x".repeat(70_000)}"}`, 413],
  ])("refuses %s with a code, and does nothing", async (_, path, body, status) => {
    const { app, asked } = recorded();
    const response = await app.request(path, { method: "POST", body });
    expect(response.status).toBe(status);
    expect(await response.json()).toEqual({ v: 1, code: expect.stringMatching(/^[A-Z_]+$/), message: expect.any(String) });
    expect(asked).toEqual([]);
  });

  it("refuses every method but POST", async () => {
    const { app, asked } = recorded();
    for (const method of ["GET", "PUT", "DELETE"]) expect((await app.request("/keys/rotate", { method })).status).toBe(404);
    expect(asked).toEqual([]);
  });

  it("runs one action at a time, and one that fails does not stop the next", async () => {
    const running = { now: 0, most: 0 };
    const slow = async () => {
      running.most = Math.max(running.most, ++running.now);
      await new Promise((resolve) => setTimeout(resolve, 5));
      running.now--;
      throw new TrisealError("KEY_NOT_TRUSTED", "the trust file does not name it");
    };
    const { app } = recorded({ "/keys/rotate": slow });
    const body = JSON.stringify({ v: 1, purpose: "log" });
    const answers = await Promise.all(
      Array.from({ length: 4 }, async () => app.request("/keys/rotate", { method: "POST", body })),
    );
    expect(answers.map(({ status }) => status)).toEqual([409, 409, 409, 409]);
    expect(running.most).toBe(1);
    expect((await app.request("/keys/stage", { method: "POST", body })).status).toBe(200);
  });

  it("tells the gateway's refusal by its code, and shows nothing of an unexpected error", async () => {
    const folder = await temporaryFolder();
    const { app, lines } = recorded({
      "/keys/rotate": async () => Promise.reject(new TrisealError("KEY_NOT_TRUSTED", "name it first")),
      "/trust/reload": async () => Promise.reject(new Error("secret path")),
    });
    const close = await openOperatorChannel(folder, app);
    onTestFinished(() => close?.());
    const refusal = (name: string, message: string) => expect.objectContaining({ code: name, message });
    await expect(askGateway(folder, "/keys/rotate", { purpose: "log" })).rejects.toEqual(
      refusal("KEY_NOT_TRUSTED", "name it first"),
    );
    await expect(askGateway(folder, "/trust/reload", {})).rejects.toEqual(refusal("INTERNAL", "internal error"));
    expect(JSON.stringify(lines)).not.toContain("secret");
  });

  it.each(["", "{", '{"v":1}', '{"v":1,"events":[],"workers":[],"more":1}', `"${"x".repeat(70_000)}"`])(
    "takes no answer of another form from whoever listens: `%.20s`",
    async (answer) => {
      const folder = await temporaryFolder();
      const close = await openOperatorChannel(folder, recorded().app);
      await close?.();
      const server = createServer((_, response) => response.end(answer));
      await new Promise<void>((resolve) => server.listen(operatorSocket(folder), resolve));
      onTestFinished(() => void server.close());
      await expect(askGateway(folder, "/workers/restart", {})).rejects.toEqual(
        expect.objectContaining({ code: "OPERATOR_UNREACHABLE" }),
      );
    },
  );

  it("is nobody where there is no socket, a file in its place, or a path that no socket can have", async () => {
    const folder = await temporaryFolder();
    expect(await askGateway(folder, "/workers/restart", {})).toBe(null);
    await writeFile(join(folder, "operator"), "");
    await expect(askGateway(folder, "/workers/restart", {})).rejects.toEqual(
      expect.objectContaining({ code: "OPERATOR_UNREACHABLE" }),
    );
    const long = join(folder, "x".repeat(100));
    expect([operatorSocket(long), await openOperatorChannel(long, recorded().app)]).toEqual([null, null]);
    expect(await askGateway(long, "/workers/restart", {})).toBe(null);
  });
});
