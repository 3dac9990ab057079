/** The transparency log as static files. */
import { utf8 } from "../core/bytes.ts";
import { TrisealError } from "../core/errors.ts";
import { bytesResponse } from "./bytes-response.ts";
import type { GatewayOptions } from "./options.ts";
import type { App } from "./request-state.ts";

/** The transparency log as static files (C2SP tlog-tiles). */
export function addLogRoutes(app: App, options: GatewayOptions): void {
  const { log } = options.ledger;
  app.get("/log/checkpoint", () =>
    bytesResponse(utf8(log.checkpoint()), "text/plain; charset=utf-8", 200, { "cache-control": "no-cache" }),
  );
  app.get("/log/tile/*", async (c) => {
    const tile = await log.readTile(c.req.path.slice("/log/".length));
    if (tile === null) throw new TrisealError("NOT_FOUND", "the log does not reach that far");
    return bytesResponse(tile, "application/octet-stream", 200, { "cache-control": "public, max-age=31536000, immutable" });
  });
}
