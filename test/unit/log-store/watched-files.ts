/** Watches the operations on a file system, and lets some of them fail. */
import { type DurableFiles, performSteps } from "../../../src/log/store/files.ts";

/** Told of every operation before it happens; what it throws is thrown in its place. An `append` that fails has written half. */
export type Watcher = (operation: string, path: string) => void;

/** `files`, watched. */
export function watchFiles(files: DurableFiles, watch: Watcher): DurableFiles {
  const watched: DurableFiles = {
    read: (path) => files.read(path),
    mode: (path) => files.mode(path),
    list: (path) => files.list(path),
    async makeDirectory(path) {
      watch("makeDirectory", path);
      await files.makeDirectory(path);
    },
    async write(path, bytes, sync) {
      watch(sync ? "writeSynced" : "write", path);
      await files.write(path, bytes, sync);
    },
    async rename(from, to) {
      watch("rename", to);
      await files.rename(from, to);
    },
    async remove(path) {
      watch("remove", path);
      await files.remove(path);
    },
    async syncDirectory(path) {
      watch("syncDirectory", path);
      await files.syncDirectory(path);
    },
    perform: (steps) => performSteps(watched, steps),
    async openAppend(path) {
      watch("openAppend", path);
      const file = await files.openAppend(path);
      return {
        async append(bytes, synced) {
          try {
            watch("append", path);
          } catch (error) {
            await file.append(bytes.subarray(0, bytes.length >> 1), false);
            throw error;
          }
          await file.append(bytes, false);
          if (!synced) return;
          watch("sync", path);
          await file.sync();
        },
        async sync() {
          watch("sync", path);
          await file.sync();
        },
        async truncate(length) {
          watch("truncate", path);
          await file.truncate(length);
        },
        close: () => file.close(),
      };
    },
  };
  return watched;
}
