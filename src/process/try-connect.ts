/** A look at whether somebody listens on a local socket. */
import { connect, type Socket } from "node:net";

/** Connects to the socket file `path`; null where nobody listens there yet. */
export function tryConnect(path: string): Promise<Socket | null> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("error", () => resolve(null));
    socket.once("connect", () => {
      socket.removeAllListeners("error");
      resolve(socket);
    });
  });
}
