import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { utf8 } from "../../src/core/bytes.ts";
import { bundleOf, digitsBody, infer, readAnswer, type Service, startService, verdictOn, workerOf } from "./gateway-harness.ts";
import { isRunning, unreadBytes, until } from "./gateway-process.ts";
import { clientOf, sealedCall } from "./traffic.ts";

/** Each command is a process of its own, on a machine that may be busy. */
vi.setConfig({ testTimeout: 120_000 });

let service: Service;

beforeEach(async () => {
  service = await startService();
});

afterEach(async () => {
  await service.close();
});

/** A connection on which a request has begun and is not complete. `end` completes it and resolves with all that came back. */
async function begun(of: Service) {
  const { hostname, port } = new URL(of.url);
  const socket = connect(Number(port), hostname);
  const body = JSON.stringify(digitsBody());
  await new Promise((resolve) => socket.write("POST /v2/models/digits-mlp/infer HTTP/1.1\r\nhost: gateway\r\n", resolve));
  return {
    end: async () => {
      const rest = ["content-type: application/json", `authorization: Bearer ${of.apiKey}`, `content-length: ${body.length}`];
      socket.write(`${rest.join("\r\n")}\r\n\r\n${body}`);
      return await text(socket);
    },
  };
}

describe("a gateway that drains", () => {
  it("answers what it holds, sealed and clear, refuses what comes then, and gives the stored answers after its restart", async () => {
    const worker = workerOf(service);
    const client = clientOf(service, await service.trust());
    // The session is fetched before: what follows needs no further request of the SDK but the one that is held.
    await client.infer(sealedCall);
    process.kill(worker, "SIGSTOP");
    const headers = { "idempotency-key": "held-while-draining" };
    const body = JSON.stringify(digitsBody());
    const clear = infer(service, body, { headers });
    await until(() => unreadBytes(worker) > 0, "clear request at the worker");
    const seen = unreadBytes(worker);
    // The SDK fetches its bundle after the answer, for which this gateway may be gone: the bytes are posted as it seals them.
    const sealed = client.infer(sealedCall).then(
      () => "verified",
      (error: { code?: string }) => error.code ?? "unknown",
    );
    await until(() => unreadBytes(worker) > seen, "sealed request at the worker");
    const late = await begun(service);
    const ended = service.program.stop("SIGTERM");
    await until(
      () =>
        fetch(service.url).then(
          () => false,
          () => true,
        ),
      "closed port",
    );
    const refusal = await late.end();
    expect(refusal).toMatch(/^HTTP\/1\.1 503 /);
    expect(refusal).toMatch(/\r\nretry-after: 1\r\n/i);
    expect(refusal).toMatch(/\r\nconnection: close\r\n/i);
    expect(refusal).toMatch(/"code":"SHUTTING_DOWN"/);
    process.kill(worker, "SIGCONT");
    const answer = await clear;
    expect([answer.status, await ended]).toEqual([200, 0]);
    // The answer came; only its bundle was not to be had from a gateway that had ended.
    expect(["verified", "SERVICE_UNREACHABLE"]).toContain(await sealed);
    const answered = service.program.logged().filter((line) => line["event"] === "infer" && line["status"] === 200);
    expect(answered).toHaveLength(3);
    await service.restart();
    const again = await infer(service, body, { headers });
    expect([again.status, again.headers.get("idempotency-replayed"), again.receiptId]).toEqual([200, "true", answer.receiptId]);
    expect(again.bytes).toEqual(answer.bytes);
    for (const { receipt_id: id } of answered as unknown as { receipt_id: string }[])
      expect((await verdictOn(service, await bundleOf(service, id))).outcome).toBe("accepted");
    const shown = { request: utf8(body), response: answer.bytes };
    expect((await verdictOn(service, await bundleOf(service, answer.receiptId), shown)).outcome).toBe("accepted");
  });

  it("ends at once at a second signal, leaves no worker behind, and opens again", async () => {
    const worker = workerOf(service);
    process.kill(worker, "SIGSTOP");
    const held = infer(service, digitsBody());
    held.catch(() => undefined);
    await until(() => unreadBytes(worker) > 0, "request at the worker");
    const ended = service.program.stop("SIGTERM");
    await until(
      () =>
        fetch(service.url).then(
          () => false,
          () => true,
        ),
      "closed port",
    );
    process.kill(service.program.pid, "SIGTERM");
    expect(await ended).toBe(143);
    await expect(held).rejects.toThrow();
    process.kill(worker, "SIGCONT");
    await until(() => !isRunning(worker), "end of the worker");
    await service.restart();
    expect((await readAnswer(await fetch(`${service.url}/v2/health/live`))).status).toBe(200);
    expect((await infer(service, digitsBody())).status).toBe(200);
  });
});
