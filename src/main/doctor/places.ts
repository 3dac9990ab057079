/** Where `serve` would write and listen. */
import { existsSync, statfsSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { found, hasWriteAccess, lacking, type Probe } from "./probes.ts";

const GIB = 2 ** 30;
/** Free space below which a data folder fills up soon: logs, bodies and the embedded database. */
const FREE_FLOOR_GIB = 1;

/** The data folder's place, which `serve` writes to. */
export function probeData(folder: string, freeFloorGib = FREE_FLOOR_GIB): Probe {
  const place = existsSync(folder) ? folder : join(folder, "..");
  if (!hasWriteAccess(place))
    return lacking("data folder", "missing", folder, "make it writable, or name another one with `--data`");
  const { bavail, bsize } = statfsSync(place);
  const gib = (bavail * bsize) / GIB;
  const detail = `${folder}, ${gib.toFixed(1)} GiB free`;
  if (gib >= freeFloorGib) return found("data folder", detail);
  return lacking(
    "data folder",
    "absent",
    detail,
    `it wants ${freeFloorGib} GiB or more: free some, or name another disk with \`--data\``,
  );
}

/** Whether `serve` could listen there. Listens for a moment; port 0 is always free. */
export async function probePort(host: string, port: number): Promise<Probe> {
  const server = createServer();
  const code = await new Promise<string | null>((resolve) => {
    server.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? "unknown"));
    server.listen(port, host, () => resolve(null));
  });
  if (code === null) await new Promise((resolve) => server.close(resolve));
  const address = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  if (code === null) return found("port", `${address} is free`);
  const taken = "a gateway or another program has it (`ss -ltnp` says which): stop that, or take another with `--port`";
  const remedy =
    code === "EADDRINUSE" ? taken : "name an address of this machine and a port that this user may have, in `listen`";
  return lacking("port", "missing", `${address}: ${code}`, remedy);
}
