import { EventEmitter } from "node:events";
import { describe, expect, it } from "vitest";
import { BodyMemory } from "../../../src/gateway/body-memory.ts";
import { InFlight } from "../../../src/gateway/in-flight.ts";
import { readBody } from "../../../src/gateway/read-body.ts";
import { API_KEY, OTHER_KEY, startGateway } from "../../contract/gateway-fixture.ts";
import { codes, createParityPath, parityModel } from "../../contract/parity-path.ts";
import { testSigner } from "../../fixtures/signer.ts";

const code = (name: string) => expect.objectContaining({ code: name });

/** The sending side of a connection that a test closes. */
class Connection extends EventEmitter {
  destroyed = false;
  close(): void {
    this.destroyed = true;
    this.emit("close");
  }
}

describe("requests in flight", () => {
  const never = () => new Promise<void>(() => undefined);

  it("are refused beyond the total, and beyond a tenant's share, which leaves room for the others", async () => {
    const inFlight = new InFlight({ total: 3, perTenant: 2 });
    for (let count = 0; count < 2; count++) void inFlight.run("greedy", never);
    await expect(inFlight.run("greedy", never)).rejects.toEqual(code("TOO_MANY_REQUESTS"));
    expect(await inFlight.run("other", async () => "served")).toBe("served");
    void inFlight.run("other", never);
    await expect(inFlight.run("other", never)).rejects.toEqual(code("OVERLOADED"));
    await expect(inFlight.run("third", never)).rejects.toEqual(code("OVERLOADED"));
  });

  it("are counted down whether they are answered or fail, and awaited by a drain", async () => {
    const inFlight = new InFlight({ total: 1, perTenant: 1 });
    await expect(inFlight.run("a", () => Promise.reject(new Error("no")))).rejects.toThrow("no");
    let finish = (): void => undefined;
    const running = inFlight.run("a", () => new Promise<void>((resolve) => (finish = resolve)));
    const order: string[] = [];
    const drained = inFlight.drain().then(() => order.push("drained"));
    await expect(inFlight.run("b", never)).rejects.toEqual(code("SHUTTING_DOWN"));
    order.push("answered");
    finish();
    await Promise.all([running, drained]);
    expect(order).toEqual(["answered", "drained"]);
  });
});

describe("memory of bodies", () => {
  it("refuses what it has no room for, in total and for one tenant, and gives back what was released", () => {
    const memory = new BodyMemory({ total: 100, perTenant: 60 });
    const first = memory.open("a");
    first.take(60);
    expect(() => memory.open("a").take(1)).toThrow(code("TOO_MANY_REQUESTS"));
    expect(() => memory.open("b").assertRoom(41)).toThrow(code("OVERLOADED"));
    const second = memory.open("b");
    second.take(40);
    expect(() => memory.open("c").take(1)).toThrow(code("OVERLOADED"));
    first.release();
    first.release();
    memory.open("c").take(60);
  });

  it("counts an answer until its connection is closed, room or not", () => {
    const memory = new BodyMemory({ total: 100, perTenant: 100 });
    const connection = new Connection();
    const held = memory.open("a");
    held.keep(150);
    held.releaseAfter(connection);
    expect(() => memory.open("b").assertRoom(0)).toThrow(code("OVERLOADED"));
    connection.close();
    memory.open("b").take(100);
    const gone = memory.open("c");
    gone.keep(1000);
    gone.releaseAfter(connection);
    expect(() => memory.open("c").take(1)).toThrow(code("OVERLOADED"));
  });

  it("counts a body by the bytes that came, and refuses an announced one before it comes", async () => {
    const memory = new BodyMemory({ total: 10, perTenant: 10 });
    const post = (body: string, headers = {}) => new Request("http://x.test/", { method: "POST", body, headers });
    const announced = readBody(post("1", { "content-length": "11" }), 100, memory.open("a"));
    await expect(announced).rejects.toEqual(code("OVERLOADED"));
    await expect(readBody(post("12345678901"), 100, memory.open("a"))).rejects.toEqual(code("OVERLOADED"));
    const held = memory.open("a");
    await readBody(post("12345"), 100, held);
    expect(() => memory.open("a").take(6)).toThrow(code("OVERLOADED"));
  });
});

describe("a gateway that is full", () => {
  const path = createParityPath({ legSigner: testSigner("leg", 31), authority: testSigner("authority", 32) });
  const rules = `  - id: vouched\n    when: "true"\n    require: { all: [parity] }\n`;
  const start = (limits = {}) => startGateway({ paths: [path], models: [parityModel], rules, codes, limits });
  const body = JSON.stringify({ inputs: [{ name: "x", datatype: "INT32", shape: [2], data: [1, 2] }] });

  it("says when to come back: 429 to the tenant that has its share, 503 to all", async () => {
    const shared = await start({ maxInFlightPerTenant: 0 });
    const tenant = await shared.post("/v2/models/parity/infer", body);
    expect([tenant.status, tenant.headers.get("retry-after")]).toEqual([429, "1"]);
    expect(await tenant.json()).toMatchObject({ code: "TOO_MANY_REQUESTS", retryable: true });
    const full = await start({ maxHeldBytes: 10 });
    const all = await full.post("/v2/models/parity/infer", body);
    expect([all.status, all.headers.get("retry-after")]).toEqual([503, "1"]);
    expect(await all.json()).toMatchObject({ code: "OVERLOADED" });
  });

  it("refuses reads of receipts and bundles, too, by its bounds", async () => {
    const gateway = await start({ maxInFlight: 0 });
    for (const address of ["/v1/aci/receipts/rcpt-0", "/v1/receipts/rcpt-0/bundle", "/v1/receipts/rcpt-0/response"]) {
      expect(await (await gateway.get(address)).json()).toMatchObject({ code: "OVERLOADED" });
      expect((await gateway.get(address, "nobody-knows-this-key")).status).toBe(401);
    }
  });

  it("holds an answer until its connection is closed, and then serves again", async () => {
    const gateway = await start({ maxHeldBytesPerTenant: body.length + 10 });
    const connection = new Connection();
    const send = (key: string, env = {}) =>
      gateway.gateway.fetch(
        new Request("http://gateway.test/v2/models/parity/infer", {
          method: "POST",
          body,
          headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
        }),
        env,
      );
    expect((await send(API_KEY, { outgoing: connection })).status).toBe(200);
    expect((await send(API_KEY)).status).toBe(429);
    expect((await send(OTHER_KEY)).status).toBe(200);
    connection.close();
    expect((await send(API_KEY)).status).toBe(200);
  });
});
