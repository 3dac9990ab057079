/** A PostgreSQL server of this test run, in a temporary folder; none where the programs are not installed. */
import { execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { until } from "./gateway-process.ts";

const run = promisify(execFile);

/** A running server. */
export interface PostgresServer {
  /** Address of an empty database of that name. */
  database(name: string): Promise<string>;
  /** Ends the server at once, as a power cut would end its connections. */
  kill(): Promise<void>;
  start(): Promise<void>;
  close(): Promise<void>;
}

/** Folder of `initdb` and `postgres`, or null: Debian keeps them outside the search path. */
export function postgresPrograms(): string | null {
  const root = "/usr/lib/postgresql";
  const versions = existsSync(root) ? readdirSync(root).sort((a, b) => Number(b) - Number(a)) : [];
  const folder = versions.map((version) => join(root, version, "bin")).find((bin) => existsSync(join(bin, "initdb")));
  return folder ?? null;
}

/** PostgreSQL refuses to run as root: another user owns its folder then. */
function unprivileged(): { readonly uid?: number; readonly gid?: number } {
  if (process.getuid?.() !== 0) return {};
  const id = (flag: string) => Number(execFileSync("id", [flag, "postgres"], { encoding: "utf8" }));
  return { uid: id("-u"), gid: id("-g") };
}

/** Starts a server on a socket in a folder of its own. */
export async function startPostgres(programs: string): Promise<PostgresServer> {
  const folder = await mkdtemp(join(tmpdir(), "triseal-postgres-"));
  await chmod(folder, 0o755);
  const user = unprivileged();
  const data = join(folder, "data");
  if (user.uid !== undefined) execFileSync("chown", ["postgres", folder]);
  await run(join(programs, "initdb"), ["-D", data, "-A", "trust", "-U", "triseal", "--no-sync"], user);
  const connection = ["-h", folder, "-U", "triseal"];
  const begin = async () => {
    const child = spawn(join(programs, "postgres"), ["-D", data, "-k", folder, "-c", "listen_addresses="], {
      ...user,
      stdio: "ignore",
    });
    await until(
      () =>
        run(join(programs, "pg_isready"), connection).then(
          () => true,
          () => null,
        ),
      "PostgreSQL",
    );
    return child;
  };
  let child = await begin();
  const end = async (signal: NodeJS.Signals) => {
    const gone = once(child, "exit");
    child.kill(signal);
    await gone;
  };
  return {
    async database(name) {
      await run(join(programs, "createdb"), [...connection, name]);
      return `postgres://triseal@${encodeURIComponent(folder)}/${name}`;
    },
    // Immediate shutdown: a SIGKILL would leave the children that hold the socket.
    kill: () => end("SIGQUIT"),
    async start() {
      child = await begin();
    },
    async close() {
      await end("SIGQUIT");
      await rm(folder, { recursive: true, force: true });
    },
  };
}
