// Socket.IO: answers from Redis; what is not there is a job of BullMQ, whose result comes by publish.
"use strict";
const http = require("http");
const { Server } = require("socket.io");
const { createAdapter } = require("@socket.io/redis-adapter");
const { Redis } = require("ioredis");
const { Queue } = require("bullmq");

const connect = () => new Redis(process.env.REDIS_URL, { maxRetriesPerRequest: null });
const client = connect();
const queue = new Queue("jobs", { connection: connect() });
const me = `results:${process.pid}`;

const server = http.createServer((request, response) => {
  if (request.method !== "POST") return response.writeHead(404).end();
  let body = "";
  request.on("data", (part) => (body += part));
  request.on("end", () => {
    io.to(request.url.slice("/publish/".length)).emit("update", JSON.parse(body));
    response.writeHead(200, { "Content-Length": 2 }).end("ok");
  });
});
const io = new Server(server, { adapter: createAdapter(connect(), connect()) });

io.on("connection", (socket) => {
  socket.on("request", async ({ id, key }) => {
    const value = await client.get(key);
    if (value !== null) return socket.emit("result", { id, data: JSON.parse(value) });
    await queue.add("compute", { server: me, socket: socket.id, id, key }, { removeOnComplete: true, removeOnFail: true });
  });
  socket.on("subscribe", ({ topic }) => {
    socket.join(topic);
    socket.emit("subscribed", { topic });
  });
});

const results = connect();
results.subscribe(me);
results.on("message", (_, text) => {
  const { socket, id, data } = JSON.parse(text);
  io.sockets.sockets.get(socket)?.emit("result", { id, data });
});

server.listen(Number(process.env.PORT), "127.0.0.1", 4096);
