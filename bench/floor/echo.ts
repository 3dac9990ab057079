/** The other end of the floor suite's HTTP exchange: reads a request and answers with as many bytes as its argument says. */
import { createServer } from "node:http";

const answer = Buffer.alloc(Number(process.argv[2] ?? 0), 1);

const server = createServer((request, response) => {
  request
    .on("data", () => undefined)
    .once("end", () => {
      response.writeHead(200, { "content-type": "application/octet-stream", "content-length": answer.length }).end(answer);
    });
});
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  process.stdout.write(`${JSON.stringify({ ready: true, port })}\n`);
});
