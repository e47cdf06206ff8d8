// BullMQ's worker; without CONCURRENCY as many jobs at once as its default, one.
"use strict";
const { createHash } = require("crypto");
const { Worker } = require("bullmq");
const { Redis } = require("ioredis");

const connect = () => new Redis(process.env.REDIS_URL, { maxRetriesPerRequest: null });
const client = connect();

new Worker(
  "jobs",
  async ({ data: { server, socket, id, key } }) => {
    const seed = Number(key.slice("synthetic:".length));
    const text = createHash("shake256", { outputLength: 200 }).update(String(seed)).digest("hex");
    const data = { seed, text };
    await client.set(key, JSON.stringify(data));
    await client.publish(server, JSON.stringify({ socket, id, data }));
  },
  { connection: connect(), concurrency: Number(process.env.CONCURRENCY || 1) },
);
