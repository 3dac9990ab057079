import { expect, it } from "vitest";
import { readBoundedBody } from "../../../src/core/bounded-body.ts";

it("a body is read to its limit: of a longer one the rest is not asked for", async () => {
  let parts = 0;
  let cancelled = false;
  const endless = new ReadableStream<Uint8Array>(
    {
      pull: (controller) => {
        parts++;
        controller.enqueue(new Uint8Array(10));
      },
      cancel: () => {
        cancelled = true;
      },
    },
    { highWaterMark: 0 },
  );
  expect(await readBoundedBody(new Response(endless), 25)).toBeNull();
  expect([parts, cancelled]).toEqual([3, true]);
  expect(await readBoundedBody(new Response(new Uint8Array(25)), 24)).toBeNull();
  expect(await readBoundedBody(new Response(new Uint8Array(25)), 25)).toHaveLength(25);
  expect(await readBoundedBody(new Response(null), 0)).toEqual(new Uint8Array(0));
});
